//! What a session can reach of its connection: the write side, and the way to the worker.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msgr::Core;
use msgr::session::{Driver, Outbox, Refill, Session};
use msgr::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use msgr::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::driver::Token;
use crate::mailbox::Command;
use crate::messenger::Alive;
use crate::stack::{ConnectedSocket, NetworkStack};
use crate::worker;
use crate::worker_pool::Placement;

/// Writes of one connection before its worker looks at the others again.
const WRITES_PER_TURN: usize = 16;
/// Bytes in the outbox below which more are encoded before the next write, so that writes stay large.
const LOW_WATER: usize = 64 << 10;
/// A thread that sends again so soon, with nothing heard from the peer in between, is streaming: the worker then writes for
/// it, many messages at a time, instead of a system call for each. About what it takes to wake the worker.
const STREAMING_WITHIN: Duration = Duration::from_micros(100);
/// Token of a connection that has no slot.
const NO_TOKEN: usize = usize::MAX;

/// How far a write got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// Everything.
    All,
    /// The socket is full: the driver will tell when there is room.
    Full,
    /// The turn's share; there is more.
    Share,
}

/// One connection of a messenger on one worker. The worker's slot reads; whoever holds [`Write`]'s lock writes.
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) core: Arc<Core>,
    me: Weak<Connection>,
    placement: Placement,
    stack: Arc<dyn NetworkStack>,
    token: AtomicUsize,
    /// Something arrived since a thread last wrote inline.
    heard: AtomicBool,
    write: Mutex<Write>,
    /// Keeps the messenger's `wait` waiting.
    _alive: Alive,
}

/// The write side of a connection.
#[derive(Default)]
pub(crate) struct Write {
    socket: Option<Arc<dyn ConnectedSocket>>,
    session: Option<(Arc<Session>, u64)>,
    outbox: Outbox,
    full: bool,
    last: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(
        core: Arc<Core>,
        placement: Placement,
        stack: Arc<dyn NetworkStack>,
        alive: Alive,
    ) -> Arc<Connection> {
        Arc::new_cyclic(|me| Connection {
            id: core.next_id(),
            core,
            me: Weak::clone(me),
            placement,
            stack,
            token: AtomicUsize::new(NO_TOKEN),
            heard: AtomicBool::new(true),
            write: Mutex::default(),
            _alive: alive,
        })
    }

    pub(crate) fn stack(&self) -> &dyn NetworkStack {
        &*self.stack
    }

    /// The slot's token; `None` when the worker has none for it. Only the worker asks, and only it sets it.
    pub(crate) fn token(&self) -> Option<Token> {
        let token = self.token.load(Relaxed);
        (token != NO_TOKEN).then_some(Token(token))
    }

    pub(crate) fn set_token(&self, token: Option<Token>) {
        self.token.store(token.map_or(NO_TOKEN, |token| token.0), Relaxed);
    }

    pub(crate) fn post(&self, command: impl FnOnce(Arc<Connection>) -> Command) {
        if let Some(me) = self.me.upgrade() {
            self.placement.mailbox().send(command(me), &self.core);
        }
    }

    /// Something arrived.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    /// Whether a thread other than the worker should write now.
    fn should_write_inline(&self) -> bool {
        if !self.core.config().ms_async_send_inline {
            return false;
        }
        let write = self.write();
        let alone = || write.last.is_none_or(|last| last.elapsed() >= STREAMING_WITHIN);
        write.can_send_inline() && (self.heard.swap(false, Relaxed) || alone())
    }

    pub(crate) fn write(&self) -> MutexGuard<'_, Write> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes inline, and leaves what is left to the worker.
    fn transmit_here(&self) {
        match self.write().run(&self.core) {
            Wrote::All => {}
            Wrote::Full => {
                if !self.placement.is_edge_triggered() {
                    self.post(Command::WantWrite);
                }
            }
            Wrote::Share => self.post(Command::Transmit),
        }
    }
}

impl Write {
    /// A new socket; what the old one had not written is forgotten.
    pub(crate) fn attach(&mut self, socket: Arc<dyn ConnectedSocket>) {
        self.detach();
        self.socket = Some(socket);
    }

    /// The socket is gone.
    pub(crate) fn detach(&mut self) {
        *self = Write { last: self.last, ..Write::default() };
    }

    /// The session is open: its messages follow the handshake.
    pub(crate) fn open(&mut self, session: Arc<Session>, generation: u64) {
        self.session = Some((session, generation));
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.outbox.push(bytes);
    }

    /// There is room in the socket.
    pub(crate) fn writable(&mut self) {
        self.full = false;
    }

    fn can_send_inline(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.can_send_inline())
    }

    /// Whether anything waits for room.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// When something was last written.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// Writes what waits, as far as the socket and the turn's share go, and counts it with the messenger's `core`.
    pub(crate) fn run(&mut self, core: &Core) -> Wrote {
        let Some(socket) = &self.socket else { return Wrote::All };
        if self.full {
            // The session stays marked as scheduled, so nothing is forgotten.
            return Wrote::Full;
        }
        let begun = Instant::now();
        let mut calls = 0;
        let outcome = loop {
            if self.outbox.len() < LOW_WATER
                && let Some((session, generation)) = &self.session
            {
                let refilled = self.outbox.refill(session, *generation);
                if refilled == Refill::Empty && self.outbox.is_empty() {
                    break Wrote::All;
                }
            }
            if self.outbox.is_empty() {
                break Wrote::All;
            }
            if calls == WRITES_PER_TURN {
                break Wrote::Share;
            }
            let injected = self.session.as_ref().is_some_and(|(session, _)| session.inject_socket_failure());
            let sent = if injected {
                Err(io::ErrorKind::ConnectionReset.into())
            } else {
                calls += 1;
                socket.send(&self.outbox)
            };
            match sent {
                Ok(n) => {
                    self.outbox.sent(n);
                    if let Some(stages) = core.stages() {
                        self.outbox.time_written(stages);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full = true;
                    break Wrote::Full;
                }
                Err(_) => {
                    // The worker sees the end of the stream and faults the link.
                    socket.shutdown();
                    self.outbox.clear();
                    break Wrote::All;
                }
            }
        };
        self.last = Some(begun);
        core.note_sending(calls as u64, begun.elapsed());
        outcome
    }
}

impl Driver for Connection {
    fn transmit(&self) {
        if worker::is_current(self.placement.mailbox()) || self.should_write_inline() {
            self.transmit_here();
        } else {
            self.post(Command::Transmit);
        }
    }

    fn step(&self) {
        self.post(Command::Step);
    }

    fn resume(&self) {
        self.post(Command::Resume);
    }

    fn hang_up(&self) {
        let socket = self.write().socket.clone();
        if let Some(socket) = socket {
            socket.shutdown();
        }
        self.post(Command::HangUp);
    }
}
