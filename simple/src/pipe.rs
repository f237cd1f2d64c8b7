//! The pipe: what the writer, the reader and the session's callers share.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use msgr::session::{Cause, Driver, Link, Session};
use msgr::stages::At;
use msgr::sync::atomic::{AtomicU64, Ordering::Relaxed};
use msgr::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use msgr::{Core, Stage, Stages};

use crate::socket;

/// One peer's pair of threads, and how they are woken. Lives through reconnects; an accepted pipe ends when another
/// connection takes its session over.
pub(crate) struct Pipe {
    core: Arc<Core>,
    id: u64,
    made: Instant,
    /// Time of the last write, in nanoseconds since `made`. Not part of the state, so that a write takes no lock.
    wrote: AtomicU64,
    state: Mutex<State>,
    writer_wakes: Condvar,
    reader_wakes: Condvar,
}

/// What it takes to write to a link that is open.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) session: Arc<Session>,
    pub(crate) generation: u64,
    pub(crate) socket: Arc<TcpStream>,
}

#[derive(Default)]
struct State {
    /// The socket of the present link, so that hanging up reaches whoever blocks on it.
    socket: Option<Arc<TcpStream>>,
    /// The present link, on its way to the reader.
    link: Option<Box<Link>>,
    /// A reader runs, or is about to.
    reading: bool,
    /// The present link, once it is open.
    open: Option<Open>,
    /// The present link was hung up.
    hung_up: bool,
    /// The session has something to write.
    transmit: bool,
    /// The session wants to be asked for its next step.
    stepped: bool,
    /// A throttle has room again.
    resumed: bool,
    /// The writer is, or is about to be, waiting. Whoever wakes it clears this, so that a wake-up is paid for once.
    writer_sleeps: bool,
    /// When the writer was woken, until it runs; if stages are timed.
    woken: Option<At>,
}

impl Pipe {
    /// A pipe without a link.
    pub(crate) fn new(core: &Arc<Core>) -> Arc<Pipe> {
        Arc::new(Pipe {
            core: Arc::clone(core),
            id: core.next_id(),
            made: Instant::now(),
            wrote: AtomicU64::new(0),
            state: Mutex::default(),
            writer_wakes: Condvar::new(),
            reader_wakes: Condvar::new(),
        })
    }

    /// A pipe for a socket that was accepted from `peer` on `local`.
    pub(crate) fn accept(core: &Arc<Core>, socket: TcpStream, local: SocketAddr, peer: SocketAddr) -> Arc<Pipe> {
        let pipe = Pipe::new(core);
        // First the socket, then the link: from the moment there is a link the pipe may be hung up.
        pipe.lock().socket = Some(Arc::new(socket));
        let driver: Arc<dyn Driver> = pipe.clone();
        let link = Link::accept(Arc::clone(core), pipe.id, driver, local, peer, Instant::now());
        pipe.lock().link = Some(Box::new(link));
        pipe
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Its number among the drivers of the messenger.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    // The writer's side.

    /// Forgets the previous link and what was said about it. To be called before asking the session for its next step:
    /// whatever is said from then on concerns what comes next.
    pub(crate) fn begin_step(&self) {
        let mut state = self.lock();
        state.socket = None;
        state.open = None;
        state.hung_up = false;
        state.stepped = false;
    }

    /// Waits until the session wants to be asked again, or until a time.
    pub(crate) fn rest(&self, until: Option<Instant>) {
        let mut state = self.lock();
        while !state.stepped {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            state = self.sleep(state, left);
        }
    }

    /// Starts connecting `socket` and makes it the pipe's.
    ///
    /// # Errors
    /// What the system said, or that the pipe was hung up.
    pub(crate) fn connect(&self, socket: &Arc<TcpStream>, target: SocketAddr) -> std::io::Result<()> {
        // Under the lock, because connecting would undo a shutdown. It does not block.
        let mut state = self.lock();
        if state.hung_up {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        state.socket = Some(Arc::clone(socket));
        socket::begin_connect(socket, target)
    }

    /// Leaves `link` for the reader to be taken.
    pub(crate) fn hand_over(&self, link: Box<Link>) {
        self.lock().link = Some(link);
    }

    /// Notes that a reader is about to run.
    pub(crate) fn begin_reading(&self) {
        let mut state = self.lock();
        state.reading = true;
        state.resumed = false;
    }

    /// Waits until the link is open; `None` when it ended before.
    pub(crate) fn wait_open(&self) -> Option<Open> {
        let mut state = self.lock();
        while state.reading && state.open.is_none() {
            state = self.sleep(state, None);
        }
        state.open.clone()
    }

    /// Waits until there is something to write; false when the link ended.
    pub(crate) fn wait_transmit(&self) -> bool {
        let mut state = self.lock();
        while state.reading && !state.transmit {
            state = self.sleep(state, None);
        }
        state.transmit = false;
        state.reading
    }

    fn sleep<'a>(&'a self, mut state: MutexGuard<'a, State>, timeout: Option<Duration>) -> MutexGuard<'a, State> {
        state.writer_sleeps = true;
        let mut state = match timeout {
            None => self.writer_wakes.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => self.writer_wakes.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0,
        };
        state.writer_sleeps = false;
        if let (Some(woken), Some(stages)) = (state.woken.take(), self.core.stages()) {
            stages.record(Stage::Woken, woken, stages.now(), 1);
        }
        state
    }

    /// Something was written.
    pub(crate) fn note_write(&self, now: Instant) {
        self.wrote.store(u64::try_from((now - self.made).as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    // The reader's side.

    /// The link to read, with its socket.
    pub(crate) fn take_link(&self) -> Option<(Box<Link>, Arc<TcpStream>)> {
        let mut state = self.lock();
        let socket = state.socket.clone()?;
        Some((state.link.take()?, socket))
    }

    /// The link is open and its handshake written: the writer may write.
    pub(crate) fn opened(&self, open: Open) {
        self.tell_writer(|state| {
            state.open = Some(open);
            state.transmit = true;
        });
    }

    /// Waits until a throttle has room again; false when that was not so before `until`.
    ///
    /// # Errors
    /// The link was hung up meanwhile.
    pub(crate) fn wait_resume(&self, until: Instant) -> Result<bool, Cause> {
        let mut state = self.lock();
        while !state.resumed && !state.hung_up {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            state = self.reader_wakes.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.resumed = false;
        if state.hung_up { Err(Cause::Closed) } else { Ok(true) }
    }

    /// When something was last written.
    pub(crate) fn last_write(&self) -> Instant {
        self.made + Duration::from_nanos(self.wrote.load(Relaxed))
    }

    /// The reader is at its end.
    pub(crate) fn end_reading(&self) {
        self.tell_writer(|state| state.reading = false);
    }

    // Anybody's.

    /// Changes the state, and wakes the writer if it sleeps. The wake-up comes after the lock is released, or the
    /// writer would wake only to wait for it.
    fn tell_writer(&self, change: impl FnOnce(&mut State)) {
        let sleeps = {
            let mut state = self.lock();
            change(&mut state);
            let sleeps = std::mem::take(&mut state.writer_sleeps);
            if sleeps {
                state.woken = self.core.stages().map(Stages::now);
            }
            sleeps
        };
        if sleeps {
            self.core.note_wake(self.id);
            self.writer_wakes.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Pipe {
    fn transmit(&self) {
        self.tell_writer(|state| state.transmit = true);
    }

    fn step(&self) {
        self.tell_writer(|state| state.stepped = true);
    }

    fn resume(&self) {
        self.lock().resumed = true;
        self.reader_wakes.notify_one();
    }

    fn hang_up(&self) {
        let mut socket = None;
        self.tell_writer(|state| {
            state.hung_up = true;
            state.stepped = true;
            socket = state.socket.clone();
        });
        self.reader_wakes.notify_one();
        if let Some(socket) = socket {
            // Fails only when there is no connection any more.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
