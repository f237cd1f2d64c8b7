//! One connection: its queue pair, its stream, and the TCP connection beside them.
//!
//! Its life: [`handshake`](crate::handshake) opens it; [`transfer`](crate::transfer) moves its bytes; then it is shut, and
//! lives on among its worker's queues until the last request has completed, so that what was written arrives, and the
//! peer hears of the end before the TCP connection closes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use msgr_async::driver::{Ready, Token};
use rustix::net::Shutdown;

use crate::adapter::Adapter;
use crate::queues::Queues;
use crate::side_channel::Line;
use crate::stream::{EXTRA, Kind, Stream, WINDOW_MAX, WINDOW_MIN};
use crate::verbs::{Chunk, QueuePair};

/// Places in a send queue: as many messages with bytes as a peer ever has receives for, a grant, the end, the beacon.
pub(crate) const SEND_QUEUE: u32 = WINDOW_MAX + 3 + 1;
/// How long the last requests of a connection may take. The device gives up on a dead peer sooner; one that is stopped,
/// and has no receive left, would hold them for ever.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long a queue pair is kept after its beacon came back: a half-filled receive is flushed to another queue, by another task
/// of the kernel's with Soft-RoCE, which a busy machine may run later.
const AFTER_BEACON: Duration = Duration::from_millis(50);

/// How far the opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The TCP connection is being made; then comes our hello.
    Connecting,
    /// The peer's hello is to come.
    AwaitHello,
    /// The acceptor has answered; the connector's word that it can receive is to come.
    AwaitGo,
    /// Bytes may flow.
    Open,
}

/// How far a closed connection's queue pair is with giving back what is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// It may be in use.
    No,
    /// It is in ERR, and the beacon is posted.
    Posted,
    /// The beacon came back, so every send before it has.
    Flushed,
    /// Receives have some time to come back too.
    Over,
}

/// What becomes of a connection among those that are being opened or closed.
pub(crate) enum Look {
    /// Look again in the next turn.
    Again,
    /// It is open, or waits for its owner.
    Settled,
    /// The queue pair with this number is no more.
    Gone(u32),
}

/// See the module.
pub(crate) struct Conn {
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) tcp: Arc<OwnedFd>,
    pub(crate) dialled: bool,
    /// The worker was told of news by the queues, so that the next read need not ask the TCP connection.
    pub(crate) told: AtomicBool,
    state: Mutex<State>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) token: Option<Token>,
    pub(crate) queues: Option<Arc<Queues>>,
    pub(crate) pair: Option<QueuePair>,
    pub(crate) psn: u32,
    pub(crate) stream: Option<Stream<Chunk>>,
    /// Most bytes of a message: what both sides' chunks hold.
    pub(crate) message_max: u32,
    /// Lines of the side channel that are not whole yet.
    pub(crate) lines: Vec<u8>,
    /// The peer's word that it can receive is to come behind bytes of its.
    pub(crate) go_late: bool,
    /// Somebody wants to write, and could not.
    pub(crate) write_wanted: bool,
    /// Why it failed.
    pub(crate) failed: Option<(io::ErrorKind, String)>,
    /// The owner wants no more of it, or is gone.
    pub(crate) shut: bool,
    /// When draining must be over.
    drain_until: Option<Instant>,
    pub(crate) drain: Drain,
}

impl Conn {
    pub(crate) fn new(adapter: Arc<Adapter>, tcp: OwnedFd, dialled: bool) -> Arc<Conn> {
        let state = State {
            phase: if dialled { Phase::Connecting } else { Phase::AwaitHello },
            token: None,
            queues: None,
            pair: None,
            psn: fastrand::u32(..1 << 24),
            stream: None,
            message_max: 0,
            lines: Vec::new(),
            go_late: false,
            write_wanted: false,
            failed: None,
            shut: false,
            drain_until: None,
            drain: Drain::No,
        };
        let told = AtomicBool::new(false);
        Arc::new(Conn { adapter, tcp: Arc::new(tcp), dialled, told, state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a queue pair among a worker's queues.
    pub(crate) fn join(self: &Arc<Conn>, queues: &Arc<Queues>, token: Token) -> io::Result<()> {
        let pair = if queues.promise(WINDOW_MIN + EXTRA) {
            let made = self.adapter.device.queue_pair(&queues.send_cq, &queues.receive_cq, &queues.srq, SEND_QUEUE);
            made.map_err(io::Error::other).inspect_err(|_| queues.withdraw(WINDOW_MIN + EXTRA))
        } else {
            let full = "no receives left for another connection: raise ms_async_rdma_receive_buffers or _queue_len";
            Err(io::Error::new(io::ErrorKind::OutOfMemory, full))
        };
        let pair = pair.inspect_err(|error| {
            if !self.dialled {
                self.say(&Line::Refused(error.to_string()));
            }
        })?;
        let number = pair.number();
        let mut state = self.lock();
        (state.token, state.queues, state.pair) = (Some(token), Some(Arc::clone(queues)), Some(pair));
        drop(state);
        queues.add(number, self);
        Ok(())
    }

    /// Nobody watches it any more.
    pub(crate) fn leave(&self) {
        self.lock().token = None;
    }

    /// Writes a line to the side channel, which has room for the few there are.
    pub(crate) fn say(&self, line: &Line) -> bool {
        let bytes = line.emit();
        rustix::net::send(&self.tcp, &bytes, rustix::net::SendFlags::NOSIGNAL) == Ok(bytes.len())
    }

    /// Lets the worker look at it.
    pub(crate) fn tell(&self, state: &State, queues: &Queues, readable: bool, writable: bool) {
        if let Some(token) = state.token.filter(|_| readable || writable) {
            // Only what makes it read: a writer does not, and a later read would take this for its reason.
            self.told.fetch_or(readable, Relaxed);
            queues.tell(Ready { token, readable, writable, closed: false });
        }
    }

    /// It broke: the reader gets what has been taken out of the queue, and then an error. From any thread.
    pub(crate) fn fail(&self, why: &str) {
        let mut state = self.lock();
        self.break_off(&mut state, io::ErrorKind::ConnectionReset, why);
    }

    pub(crate) fn break_off(&self, state: &mut State, kind: io::ErrorKind, why: &str) {
        if state.failed.is_some() {
            return;
        }
        if state.shut {
            state.drain_until = Some(Instant::now() + DRAIN_MAX);
        } else {
            tracing::info!(why, "RDMA connection broken");
        }
        state.failed = Some((kind, why.to_owned()));
        if let Some(stream) = &mut state.stream {
            stream.break_off();
        }
        if let Some(pair) = &state.pair
            && let Err(error) = pair.to_error()
        {
            tracing::warn!(%error, "cannot stop a queue pair");
        }
        if let Some(queues) = state.queues.clone() {
            self.tell(state, &queues, true, state.write_wanted);
        }
        self.wake_worker();
    }

    /// Makes the TCP connection readable on this side, without a word to the peer.
    fn wake_worker(&self) {
        // Fails only when it is not connected any more, and then it is readable.
        let _ = rustix::net::shutdown(&self.tcp, Shutdown::Read);
    }

    /// Ends it, from any thread: what was written arrives, then the peer reads the end.
    pub(crate) fn shut(self: &Arc<Conn>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.shut, true) {
            return;
        }
        state.drain_until = Some(Instant::now() + DRAIN_MAX);
        if state.stream.as_ref().is_some_and(Stream::is_over) {
            // Nobody reads what comes from here any more, or acknowledges it.
            self.break_off(&mut state, io::ErrorKind::ConnectionReset, "the peer has ended it");
        } else if let Some(note) = state.stream.as_mut().and_then(|stream| stream.begin(Kind::End)) {
            self.post_empty(&mut state, note);
        }
        if let Some(queues) = state.queues.clone() {
            queues.watch(self);
        }
        drop(state);
        self.wake_worker();
    }

    /// Its worker has ended: it is closed as it is.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.shut = true;
        (state.queues, state.pair, state.stream) = (None, None, None);
        drop(state);
        // Fails only when it is closed already.
        let _ = rustix::net::shutdown(&self.tcp, Shutdown::Both);
    }

    /// Goes on with opening or closing.
    pub(crate) fn look(self: &Arc<Conn>, queues: &Queues, now: Instant) -> Look {
        let mut state = self.lock();
        if !state.shut {
            if state.phase == Phase::Open || state.failed.is_some() {
                return Look::Settled;
            }
            self.try_advance(&mut state);
            return if state.phase == Phase::Open { Look::Settled } else { Look::Again };
        }
        let late = state.drain_until.is_some_and(|until| until <= now);
        let in_flight = state.stream.as_ref().map_or(0, Stream::in_flight);
        if in_flight > 0 {
            if late && state.failed.is_none() {
                self.break_off(&mut state, io::ErrorKind::TimedOut, "the peer takes nothing any more");
                return Look::Again;
            }
            if !late {
                return Look::Again;
            }
            tracing::error!(in_flight, "the RDMA device does not give back what was to be sent: it is broken");
        }
        let before = state.drain;
        match self.drain(&mut state, queues, now) {
            Drain::Flushed => {
                (state.drain, state.drain_until) = (Drain::Over, Some(now + AFTER_BEACON));
                return Look::Again;
            }
            Drain::Posted | Drain::Over if !late || before == Drain::No => return Look::Again,
            _ => {}
        }
        let Some(pair) = state.pair.take() else { return Look::Settled };
        let number = pair.number();
        drop(pair);
        let window = state.stream.as_ref().map_or(WINDOW_MIN, Stream::window);
        let mut held = state.stream.take().map(|mut stream| stream.abandon()).unwrap_or_default();
        drop(state);
        queues.recycle(&mut held);
        queues.withdraw(window + EXTRA);
        Look::Gone(number)
    }

    /// Sees to it that the queue pair holds nothing of the queues'. A message that is half there has taken a receive out of
    /// the shared queue; it comes back when the queue pair is in ERR, about when a beacon does that is posted then, and never
    /// once the queue pair is gone.
    fn drain(&self, state: &mut State, queues: &Queues, now: Instant) -> Drain {
        // Without a stream it could never receive.
        if state.drain != Drain::No || state.stream.is_none() {
            return state.drain;
        }
        self.break_off(state, io::ErrorKind::ConnectionReset, "it is closed");
        let Some(pair) = &state.pair else { return Drain::No };
        queues.posting();
        match pair.post_beacon() {
            Ok(()) => (state.drain, state.drain_until) = (Drain::Posted, Some(now + DRAIN_MAX)),
            Err(error) => {
                queues.not_posted();
                tracing::warn!(%error, "cannot drain a queue pair");
            }
        }
        state.drain
    }
}
