//! External events: what other threads want of a worker.

use msgr::Core;
use msgr::session::Session;
use msgr::sync::atomic::{AtomicBool, Ordering::SeqCst};
use msgr::sync::{Arc, Mutex, PoisonError};

use crate::connection::Connection;
use crate::driver::Wake;
use crate::processor::Processor;
use crate::stack::ConnectedSocket;

/// Something for a worker to do.
pub(crate) enum Command {
    /// Take over a connection that dials for this session.
    Start(Arc<Connection>, Arc<Session>),
    /// Take over a connection that was accepted from this address.
    Accepted(Arc<Connection>, Arc<dyn ConnectedSocket>, std::net::SocketAddr),
    /// The session wants something else: ask it.
    Step(Arc<Connection>),
    /// Messages wait to be written.
    Transmit(Arc<Connection>),
    /// The socket was full when another thread wrote: watch for room.
    WantWrite(Arc<Connection>),
    /// A throttle has room: read on.
    Resume(Arc<Connection>),
    /// The link is no longer wanted.
    HangUp(Arc<Connection>),
    /// Accept connections.
    Listen(Box<Processor>),
    /// Stop accepting for this messenger.
    Unlisten(Arc<Core>),
    /// End the worker.
    Stop,
}

/// A worker's queue of commands. Bounded by what sends them: each connection has at most a handful under way, for a
/// session that asked to be transmitted does not ask again until it was.
pub(crate) struct Mailbox {
    queue: Mutex<Vec<Command>>,
    /// Something may be in the queue.
    pending: AtomicBool,
    /// The worker sleeps, or is about to: whoever queues something must wake it.
    sleeping: AtomicBool,
    waker: Arc<dyn Wake>,
}

impl Mailbox {
    pub(crate) fn new(waker: Arc<dyn Wake>) -> Mailbox {
        Mailbox { queue: Mutex::default(), pending: AtomicBool::new(false), sleeping: AtomicBool::new(false), waker }
    }

    /// Queues a command. Wakes the worker only if it sleeps and nobody else has woken it.
    pub(crate) fn send(&self, command: Command) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        self.pending.store(true, SeqCst);
        if self.sleeping.swap(false, SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a worker; it goes on with its next socket event");
        }
    }

    /// To be called before sleeping; true when the worker must not sleep because something is queued.
    pub(crate) fn before_sleep(&self) -> bool {
        // In this order: a sender queues first and looks at `sleeping` afterwards.
        self.sleeping.store(true, SeqCst);
        self.pending.load(SeqCst)
    }

    pub(crate) fn after_sleep(&self) {
        self.sleeping.store(false, SeqCst);
    }

    /// Moves everything queued into `into`, which is empty.
    pub(crate) fn take(&self, into: &mut Vec<Command>) {
        if self.pending.swap(false, SeqCst) {
            std::mem::swap(into, &mut self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(SeqCst)
    }
}

#[cfg(all(test, msgr_shuttle))]
mod schedules;
