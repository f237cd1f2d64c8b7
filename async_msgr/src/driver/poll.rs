//! The reference driver: poll, level-triggered, O(registered). It is here to show what epoll saves.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::{EventDriver, Ready, Token, Wake};

struct Watched {
    source: Arc<OwnedFd>,
    flags: PollFlags,
}

/// What a source is always watched for: the peer's end, which comes as an event of its own.
const ALWAYS: PollFlags = PollFlags::RDHUP;

/// See the module.
pub struct PollDriver {
    watched: HashMap<Token, Watched>,
    waker: Arc<EventFd>,
}

struct EventFd(OwnedFd);

impl Wake for EventFd {
    fn wake(&self) -> io::Result<()> {
        match rustix::io::write(&self.0, &1u64.to_ne_bytes()) {
            // The counter is full: the driver is woken already.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl PollDriver {
    /// A driver that watches nothing yet.
    ///
    /// # Errors
    /// When the operating system refuses an event descriptor.
    pub fn new() -> io::Result<PollDriver> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(PollDriver { watched: HashMap::new(), waker: Arc::new(EventFd(fd)) })
    }
}

impl EventDriver for PollDriver {
    fn add(&mut self, source: &Arc<OwnedFd>, token: Token) -> io::Result<()> {
        let flags = ALWAYS | PollFlags::IN | PollFlags::OUT;
        self.watched.insert(token, Watched { source: Arc::clone(source), flags });
        Ok(())
    }

    fn interest(&mut self, token: Token, read: bool, write: bool) {
        if let Some(watched) = self.watched.get_mut(&token) {
            // A paused reader must not be told of the end either: it would spin on it.
            let read = if read { ALWAYS | PollFlags::IN } else { PollFlags::empty() };
            let write = if write { PollFlags::OUT } else { PollFlags::empty() };
            watched.flags = read | write;
        }
    }

    fn remove(&mut self, _source: &Arc<OwnedFd>, token: Token) -> io::Result<()> {
        self.watched.remove(&token);
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let mut tokens = Vec::with_capacity(self.watched.len());
        let mut fds = Vec::with_capacity(self.watched.len() + 1);
        fds.push(PollFd::new(&self.waker.0, PollFlags::IN));
        for (token, watched) in &self.watched {
            tokens.push(*token);
            fds.push(PollFd::new(&watched.source, watched.flags));
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            result => result?,
        };
        if !fds[0].revents().is_empty() {
            // Reads the counter back to zero; losing this read to another wake-up is harmless.
            let _ = rustix::io::read(&self.waker.0, &mut [0; 8]);
        }
        let fired = fds[1..].iter().zip(tokens).filter(|(fd, _)| !fd.revents().is_empty());
        ready.extend(fired.map(|(fd, token)| {
            let revents = fd.revents();
            let broken = revents.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            let closed = broken || revents.contains(PollFlags::RDHUP);
            Ready {
                token,
                readable: closed || revents.contains(PollFlags::IN),
                writable: broken || revents.contains(PollFlags::OUT),
                closed,
            }
        }));
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    fn is_edge_triggered(&self) -> bool {
        false
    }
}
