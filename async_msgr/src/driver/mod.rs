//! Event drivers: how a worker waits for its sockets.
//!
//! A driver reports readiness by token. Reports may be spurious, and with an edge-triggered driver they come once:
//! read until a read comes back short, write until the socket is full.

mod epoll;
mod poll;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use msgr::EventDriverKind;

pub use epoll::EpollDriver;
pub use poll::PollDriver;

/// What a driver knows a source by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub usize);

/// What a source is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which source.
    pub token: Token,
    /// There is something to read, or the end of the stream, or an error.
    pub readable: bool,
    /// There is room to write, or an error.
    pub writable: bool,
    /// The peer will send no more, or the socket broke: read until the end even after a short read.
    pub closed: bool,
}

/// Wakes a waiting driver from another thread.
pub trait Wake: Send + Sync {
    /// Makes the present or next wait return.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn wake(&self) -> io::Result<()>;
}

/// Waits for many sources at once. Owned by one worker.
pub trait EventDriver: Send {
    /// Watches a source for reading and for writing.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn add(&mut self, source: &Arc<OwnedFd>, token: Token) -> io::Result<()>;

    /// Changes what a source is watched for. An edge-triggered driver always watches for both: a change that nobody acts
    /// on costs it nothing.
    fn interest(&mut self, token: Token, read: bool, write: bool);

    /// Stops watching a source.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn remove(&mut self, source: &Arc<OwnedFd>, token: Token) -> io::Result<()>;

    /// Appends what is ready to `ready`, waiting at most `timeout` (for ever if `None`) for the first.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;

    /// What wakes this driver.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Whether readiness is reported once per change rather than as long as it lasts.
    fn is_edge_triggered(&self) -> bool;
}

/// Makes a driver of the kind the options ask for.
///
/// # Errors
/// When the operating system refuses.
pub fn create(kind: EventDriverKind) -> io::Result<Box<dyn EventDriver>> {
    Ok(match kind {
        EventDriverKind::Epoll => Box::new(EpollDriver::new()?),
        EventDriverKind::Poll => Box::new(PollDriver::new()?),
    })
}
