//! Verbs as safe objects. All unsafe code of the project is in `raw.rs`; the other files forbid it, but for this one,
//! which allows it there.
//!
//! What keeps it sound:
//!
//! - Memory that the device may touch is out of reach. A [`Chunk`] is the only way to its bytes; posting moves it into the
//!   queue's table (`posted.rs`), and [`QueuePair::take`] or [`SharedReceiveQueue::take`] give it back for its
//!   [`Completion`], which only [`CompletionQueue::poll`] makes.
//! - What something is made of outlives it, by reference counts: a queue pair holds its completion and receive queues,
//!   all hold the protection domain, each chunk its registration. A queue is destroyed before the chunks in its table are
//!   dropped; should the library refuse to destroy something, what that uses is leaked, not freed under the device.
//! - libibverbs may be called from any thread, also on the same object, except for destroying it. Only `Drop` destroys.
//!
//! The names are those of verbs; `man ibv_post_send` and its kin have the details.

mod completion;
mod device;
mod error;
mod memory;
mod posted;
mod queue_pair;
#[allow(unsafe_code)]
mod raw;
mod receive;
mod values;

use std::ffi::c_int;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

pub use completion::{Completion, CompletionQueue, Found};
pub use device::{Device, device_names};
pub use error::VerbsError;
pub use posted::Kind;
pub use queue_pair::{QueuePair, Refused};
pub use raw::Chunk;
pub use receive::SharedReceiveQueue;
pub use values::{AsyncEvent, Limits, PathOptions, Port, PortState, QueuePairState, Status};

/// What a call returned that returns 0 or an error number; some return -1 and set `errno`.
fn check(code: c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        code => Err(io::Error::from_raw_os_error(code.abs())),
    }
}

/// For a function pointer of the provider's, which none lacks.
fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// A descriptor of our own for what `fd` is open on, so that it may be watched for longer than the library keeps its own.
fn watchable(fd: BorrowedFd<'_>) -> io::Result<Arc<OwnedFd>> {
    // What is open is the same, and so is whether reading it blocks.
    fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
    Ok(Arc::new(fd.try_clone_to_owned()?))
}
