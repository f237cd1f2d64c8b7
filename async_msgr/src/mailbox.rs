//! External events: what other threads want of a worker.

use msgr::session::Session;
use msgr::stages::At;
use msgr::sync::atomic::{AtomicBool, Ordering::SeqCst};
use msgr::sync::{Arc, Mutex, MutexGuard, PoisonError};
use msgr::{Core, Stages};

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
    /// The worker's number in its pool.
    number: u64,
    queue: Mutex<Queue>,
    /// Something may be in the queue.
    pending: AtomicBool,
    /// The worker sleeps, or is about to: whoever queues something must wake it.
    sleeping: AtomicBool,
    waker: Arc<dyn Wake>,
}

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    /// Whose messenger's command was queued first, and when, of those whose stages are timed.
    first: Option<(Arc<Core>, At)>,
}

impl Mailbox {
    pub(crate) fn new(number: u64, waker: Arc<dyn Wake>) -> Mailbox {
        let (pending, sleeping) = (AtomicBool::new(false), AtomicBool::new(false));
        Mailbox { number, queue: Mutex::default(), pending, sleeping, waker }
    }

    /// Queues a command of a messenger's. Wakes the worker only if it sleeps and nobody else has woken it.
    pub(crate) fn send(&self, command: Command, core: &Arc<Core>) {
        let at = core.stages().map(Stages::now);
        let mut queue = self.lock();
        queue.commands.push(command);
        if let (Some(at), None) = (at, &queue.first) {
            queue.first = Some((Arc::clone(core), at));
        }
        drop(queue);
        if self.must_ring() {
            core.note_wake(self.number);
            self.ring();
        }
    }

    /// Ends the worker, once it has done what was queued before.
    pub(crate) fn stop(&self) {
        self.lock().commands.push(Command::Stop);
        if self.must_ring() {
            self.ring();
        }
    }

    /// Something was queued: whether it takes a ring for the worker to notice.
    fn must_ring(&self) -> bool {
        self.pending.store(true, SeqCst);
        self.sleeping.swap(false, SeqCst)
    }

    fn ring(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a worker; it goes on with its next socket event");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before sleeping; true when the worker must not sleep because something is queued.
    pub(crate) fn before_sleep(&self) -> bool {
        // In this order: a sender queues first and looks at `sleeping` afterwards.
        self.sleeping.store(true, SeqCst);
        self.pending.load(SeqCst)
    }

    /// To be called after sleeping; true when somebody has rung.
    pub(crate) fn after_sleep(&self) -> bool {
        !self.sleeping.swap(false, SeqCst)
    }

    /// Moves everything queued into `into`, which is empty. Tells whose messenger's command came first, and when, of those
    /// whose stages are timed.
    pub(crate) fn take(&self, into: &mut Vec<Command>) -> Option<(Arc<Core>, At)> {
        if !self.pending.swap(false, SeqCst) {
            return None;
        }
        let mut queue = self.lock();
        std::mem::swap(into, &mut queue.commands);
        queue.first.take()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(SeqCst)
    }
}

#[cfg(all(test, msgr_shuttle))]
mod schedules;
