//! The default driver: epoll by way of mio, edge-triggered, O(ready).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};

use super::{EventDriver, Ready, Token, Wake};

/// Events taken in one wait. More would only delay the first of them.
const EVENTS_PER_WAIT: usize = 128;
/// The waker's token; no slot has it.
const WAKER: mio::Token = mio::Token(usize::MAX);

/// See the module.
pub struct EpollDriver {
    poll: Poll,
    events: Events,
    waker: Arc<EpollWaker>,
}

struct EpollWaker(Waker);

impl Wake for EpollWaker {
    fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

impl EpollDriver {
    /// A driver that watches nothing yet.
    ///
    /// # Errors
    /// When the operating system refuses an epoll instance or its event descriptor.
    pub fn new() -> io::Result<EpollDriver> {
        let poll = Poll::new()?;
        let waker = Arc::new(EpollWaker(Waker::new(poll.registry(), WAKER)?));
        Ok(EpollDriver { poll, events: Events::with_capacity(EVENTS_PER_WAIT), waker })
    }
}

impl EventDriver for EpollDriver {
    fn add(&mut self, source: &Arc<OwnedFd>, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&source.as_raw_fd()), mio::Token(token.0), interest)
    }

    fn interest(&mut self, _token: Token, _read: bool, _write: bool) {}

    fn remove(&mut self, source: &Arc<OwnedFd>, _token: Token) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&source.as_raw_fd()))
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let events = self.events.iter().filter(|event| event.token() != WAKER);
        ready.extend(events.map(|event| Ready {
            token: Token(event.token().0),
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            closed: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    fn is_edge_triggered(&self) -> bool {
        true
    }
}
