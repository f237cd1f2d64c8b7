//! Verbs as safe objects. All unsafe code of the project is in this directory.
//!
//! What keeps it sound:
//!
//! - Memory that the device may touch is out of reach. A [`Chunk`] is the only way to its bytes; posting moves it into the
//!   queue's table (`posted.rs`), and [`QueuePair::take`] or [`SharedReceiveQueue::take`] give it back for its
//!   [`Completion`], which only [`CompletionQueue::poll`] makes.
//! - What something is made of outlives it, by reference counts: a queue pair holds its completion and receive queues, all
//!   hold the protection domain, each chunk its registration. A queue is destroyed before the chunks in its table are
//!   dropped; should the library refuse to destroy it, they are leaked rather than freed under the device.
//! - libibverbs may be called from any thread, also on the same object, except for destroying it. Only `Drop` destroys.
//!
//! The names are those of verbs; `man ibv_post_send` and its kin have the details.

mod completion;
mod device;
mod domain;
mod error;
mod memory;
mod posted;
mod queue_pair;
mod receive;
mod values;

use std::ffi::c_int;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

pub use completion::{Completion, CompletionQueue, Found};
pub use device::{Device, device_names};
pub use error::VerbsError;
pub use memory::Chunk;
pub use posted::Kind;
pub use queue_pair::{QueuePair, Refused};
pub use receive::SharedReceiveQueue;
pub use values::{AsyncEvent, Limits, PathOptions, Port, PortState, QueuePairState, Status};

/// Requests posted in one call: what it costs, shared by so many, is small beside the rest.
const CHAIN_MAX: usize = 16;
/// Pieces of memory in a request: every buffer is one.
const SGE_MAX: u32 = 1;

/// A pointer to an object of the library.
struct Handle<T>(NonNull<T>);

// SAFETY: the library's objects belong to no thread, and its calls lock what they share. Only `Drop` destroys them.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// What a call returned that sets `errno` when it returns null.
    fn new(object: *mut T, call: &'static str) -> Result<Handle<T>, VerbsError> {
        NonNull::new(object).map(Handle).ok_or_else(|| VerbsError::call(call)(io::Error::last_os_error()))
    }

    fn raw(&self) -> *mut T {
        self.0.as_ptr()
    }
}

/// What a call returned that returns 0 or an error number; some return -1 and set `errno`.
fn check(code: c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        code => Err(io::Error::from_raw_os_error(code.abs())),
    }
}

/// Logs that an object could not be destroyed: it leaks then. Whether it is gone.
fn destroyed(call: &'static str, code: c_int) -> bool {
    check(code).inspect_err(|error| tracing::error!("{call}: {error}")).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics half-way through a change of a table.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
