//! One TCP connection's worth of a session: handshake, then the receive half.

mod receive;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::connection::Connection;
use crate::core::Core;
use crate::error::PeerError;
use crate::events::Event;
use crate::message::Message;
use crate::stages::At;
use crate::stats::add;
use crate::turn;

use super::acceptor::Acceptor;
use super::connector::Connector;
use super::delay::DelayQueue;
use super::readahead::{ReadAhead, ReadInto};
use super::recv::{RecvHalf, RecvParams};
use super::state::later;
use super::{Driver, Loss, Session, State};

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer closed its end, or the socket broke.
    Closed,
    /// The peer's host refused the dial.
    Refused,
    /// Nothing came or went for `ms_connection_idle_timeout`.
    Idle,
    /// The peer broke the protocol.
    Peer(PeerError),
    /// The connection race was lost: the peer's own link will come.
    Wait,
}

impl From<PeerError> for Cause {
    fn from(error: PeerError) -> Cause {
        Cause::Peer(error)
    }
}

/// What a batch of input led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The session just opened: transmit, for messages may have waited for it.
    pub opened: bool,
    /// Input is held back, by a throttle or on purpose: do not read until [`Driver::resume`], or until
    /// [`Link::on_time`] says otherwise.
    pub waiting: bool,
    /// [`Link::deadline`] has moved to an earlier time: this.
    pub due: Option<Instant>,
}

enum Phase {
    Connector(Connector),
    Acceptor(Acceptor),
    Open(Box<RecvHalf>),
}

/// See the module. Owned by the thread that reads the socket.
pub struct Link {
    core: Arc<Core>,
    /// Number and self of the driver, for links that have no session yet.
    driver: Option<(u64, Arc<dyn Driver>)>,
    session: Option<Arc<Session>>,
    generation: u64,
    lossy: bool,
    phase: Phase,
    output: Vec<Bytes>,
    batch: Vec<Message>,
    /// Messages held back on purpose, if the peer's type has that.
    delayed: Option<Box<DelayQueue>>,
    /// The handshake does not go on before this: an injected delay.
    held_until: Option<Instant>,
    /// Batches so far, to choose which are timed.
    batches: u32,
    named: bool,
    /// When the input was known to be there that was read last, if stages are timed.
    input_at: Option<At>,
    /// Last message dispatched before the link went stale in the middle of a batch; what was decoded behind it does not
    /// count as received, so the peer sends it again.
    stale_from: Option<u64>,
    /// End of the handshake's time, then the last sign of life.
    since: Instant,
}

impl Link {
    pub(crate) fn dial(session: Arc<Session>, state: &State, in_seq: u64, now: Instant) -> Link {
        let connector = Connector::new(session.core(), state, session.peer_type(), in_seq);
        let core = Arc::clone(session.core());
        Link::new(core, None, Some(session), state.generation, Phase::Connector(connector), now)
    }

    /// A link for a socket that was accepted from `peer` on `local`; `driver`, numbered `id`, is whoever owns the socket.
    #[must_use]
    pub fn accept(
        core: Arc<Core>,
        id: u64,
        driver: Arc<dyn Driver>,
        local: SocketAddr,
        peer: SocketAddr,
        now: Instant,
    ) -> Link {
        core.accepting(id, &driver);
        let (acceptor, greeting) = Acceptor::new(&core, local, peer);
        let mut link = Link::new(core, Some((id, driver)), None, 0, Phase::Acceptor(acceptor), now);
        link.output.push(greeting);
        link
    }

    fn new(
        core: Arc<Core>,
        driver: Option<(u64, Arc<dyn Driver>)>,
        session: Option<Arc<Session>>,
        generation: u64,
        phase: Phase,
        now: Instant,
    ) -> Link {
        Link {
            core,
            driver,
            session,
            generation,
            lossy: false,
            phase,
            output: Vec::new(),
            batch: Vec::new(),
            delayed: None,
            held_until: None,
            batches: 0,
            named: false,
            input_at: None,
            stale_from: None,
            since: now,
        }
    }

    /// Where to dial; `None` when the peer has no address to dial.
    #[must_use]
    pub fn target(&self) -> Option<SocketAddr> {
        self.session.as_ref()?.peer_addr().socket
    }

    /// The IP to bind the outgoing socket to, if the options ask for it.
    #[must_use]
    pub fn bind_ip(&self) -> Option<IpAddr> {
        let socket = self.core.my_addr().socket?;
        (self.core.config().ms_bind_before_connect && !socket.ip().is_unspecified()).then(|| socket.ip())
    }

    /// The dialled TCP connection is up, with this end at `local`.
    pub fn connected(&mut self, local: SocketAddr) {
        if let Phase::Connector(connector) = &mut self.phase {
            self.output.push(connector.connected(local));
        }
    }

    /// The session, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// The generation to write with.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True once messages flow.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Bytes of the handshake to be written, in order, before anything else.
    pub fn take_output(&mut self) -> std::vec::Drain<'_, Bytes> {
        self.output.drain(..)
    }

    /// When to call [`Link::on_time`] unless something happens before.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let delayed = self.delayed.as_ref().and_then(|delayed| delayed.due());
        [self.held_until, delayed].into_iter().flatten().fold(self.time_out(), Instant::min)
    }

    /// When the link ends if nothing happens.
    fn time_out(&self) -> Instant {
        let config = self.core.config();
        match &self.phase {
            // It is this side that does not read.
            Phase::Open(half) if half.is_waiting() => later(self.since, Duration::MAX),
            Phase::Open(_) => later(self.since, config.ms_connection_idle_timeout),
            _ => later(self.since, config.ms_connection_ready_timeout),
        }
    }

    /// Whether the link is out of time, and what that means.
    #[must_use]
    pub fn timed_out(&self, now: Instant) -> Option<Cause> {
        let cause = if self.is_open() { Cause::Idle } else { Cause::Peer(PeerError::HandshakeTimeout) };
        (now >= self.time_out()).then_some(cause)
    }

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// As [`Link::process`], and that the link is out of time.
    pub fn on_time(&mut self, now: Instant) -> Result<Progress, Cause> {
        if let Some(cause) = self.timed_out(now) {
            return Err(cause);
        }
        self.work(now)
    }

    /// Bytes were last written at `at`: the connection was not idle then.
    pub fn wrote(&mut self, at: Instant) {
        if self.is_open() {
            self.since = self.since.max(at);
        }
    }

    /// Lets `read` put the next input where it belongs. Returns whether the read filled the room it was given (so there
    /// may be more), or `None` at the end of the stream, which may be an injected one.
    ///
    /// # Errors
    /// Whatever `read` fails with.
    pub fn read_with<E>(
        &mut self,
        ahead: &mut ReadAhead,
        read: impl FnOnce(ReadInto<'_>) -> Result<usize, E>,
    ) -> Result<Option<bool>, E> {
        if self.core.inject_socket_failure() {
            return Ok(None);
        }
        add(&self.core.counters().msgr_read_calls, 1);
        let (room, n) = match &mut self.phase {
            Phase::Open(half) => half.read_with(ahead, read)?,
            Phase::Connector(Connector { input, .. }) | Phase::Acceptor(Acceptor { input, .. }) => {
                let space = ahead.space(&mut Bytes::new(), usize::MAX);
                let room = space.len();
                let n = read(ReadInto::Slice(space))?;
                input.extend_from_slice(&ahead.filled(0, n, room));
                (room, n)
            }
        };
        add(&self.core.counters().msgr_recv_bytes, n as u64);
        Ok((n > 0).then_some(n == room))
    }

    /// The input that was just read, or is about to be, was known to be there at this time; for a stack whose stages are
    /// timed.
    pub fn note_input(&mut self, at: At) {
        self.input_at = Some(at);
    }

    /// Takes input that a stack received into a buffer of its own.
    pub fn chunk(&mut self, chunk: Bytes) {
        add(&self.core.counters().msgr_recv_bytes, chunk.len() as u64);
        match &mut self.phase {
            Phase::Open(half) => half.push(chunk),
            Phase::Connector(Connector { input, .. }) | Phase::Acceptor(Acceptor { input, .. }) => {
                input.extend_from_slice(&chunk);
            }
        }
    }

    /// Nothing more to read for now: lets go of the shared buffer.
    pub fn settle(&mut self) {
        if let Phase::Open(half) = &mut self.phase {
            half.settle();
        }
    }

    /// Goes on after [`Driver::resume`].
    ///
    /// # Errors
    /// As [`Link::process`].
    pub fn resume(&mut self, now: Instant) -> Result<Progress, Cause> {
        self.process(now)
    }

    /// Works through the input: handshake, control frames, messages to their dispatchers.
    ///
    /// # Errors
    /// Why the link must end; call [`Link::lost`] with it.
    pub fn process(&mut self, now: Instant) -> Result<Progress, Cause> {
        if self.is_open() {
            self.since = now;
        }
        self.work(now)
    }

    fn work(&mut self, now: Instant) -> Result<Progress, Cause> {
        // What is sent from callbacks leaves when this returns.
        let _turn = turn::enter();
        let mut progress = Progress::default();
        if !self.is_open() {
            if let Some(until) = self.hold(now) {
                return Ok(Progress { waiting: true, due: Some(until), ..progress });
            }
            progress.opened = self.handshake()?;
            if !progress.opened {
                self.held_until = self.pause().map(|pause| later(now, pause));
                return Ok(Progress { waiting: self.held_until.is_some(), due: self.held_until, ..progress });
            }
            self.since = now;
        }
        self.deliver_delayed(Some(now));
        progress.waiting = self.receive(now)?;
        progress.due = self.delayed.as_ref().and_then(|delayed| delayed.due());
        Ok(progress)
    }

    /// How long a peer that must ask again and again is made to wait.
    fn pause(&mut self) -> Option<Duration> {
        if let Phase::Acceptor(acceptor) = &mut self.phase { acceptor.pause() } else { None }
    }

    /// Until when the next step of the handshake is held up on purpose.
    fn hold(&mut self, now: Instant) -> Option<Instant> {
        match self.held_until.take() {
            Some(until) if until <= now => return None,
            Some(until) => self.held_until = Some(until),
            None => self.held_until = self.core.inject_internal_delay().map(|delay| later(now, delay)),
        }
        self.held_until
    }

    /// True when it just opened.
    fn handshake(&mut self) -> Result<bool, Cause> {
        let (opened, dialled) = match &mut self.phase {
            Phase::Connector(connector) => {
                let Some(session) = &self.session else { return Ok(false) };
                (connector.advance(session, self.generation, &mut self.output)?, true)
            }
            Phase::Acceptor(acceptor) => {
                let outcome = acceptor.advance(&self.core, self.driver.as_ref(), &mut self.output);
                // Also when the handshake fails: a session that was taken over must hear of it.
                if let Some((session, generation)) = acceptor.reserved() {
                    self.session = Some(session);
                    self.generation = generation;
                }
                (outcome?, false)
            }
            Phase::Open(_) => return Ok(false),
        };
        let (Some(opening), Some(session)) = (opened, self.session.clone()) else { return Ok(false) };
        let Some(features) = session.open(self.generation) else { return Err(Cause::Closed) };
        self.lossy = opening.policy.lossy;
        let throttles =
            [opening.policy.throttler_messages, opening.policy.throttler_bytes, Some(self.core.dispatch_throttle())];
        let mut half = RecvHalf::new(RecvParams { features, in_seq: opening.in_seq, throttles }, self.core.config())
            .with_arriving(self.core.arriving_throttle());
        half.push(opening.rest);
        self.phase = Phase::Open(Box::new(half));
        self.delayed = self.core.delays_messages_of(session.peer_type()).then(Box::default);
        if let Some((id, _)) = self.driver.take() {
            self.core.accepted(id);
        }
        tracing::debug!(peer = %session.peer_addr(), dialled, features, "open");
        let connection = Connection(Arc::clone(&session));
        for dispatcher in &self.core.dispatchers().all {
            if dialled {
                dispatcher.ms_handle_fast_connect(&connection);
            } else {
                dispatcher.ms_handle_fast_accept(&connection);
            }
        }
        self.core.queue_event(if dialled { Event::Connect } else { Event::Accept }, &session);
        Ok(true)
    }

    /// The link is over. Tells the session, which decides what comes next: ask [`Session::step`].
    pub fn lost(mut self, cause: Cause, now: Instant) {
        self.core.note_loss(cause);
        if let Some((id, _)) = self.driver.take() {
            self.core.accepted(id);
        }
        let Some(session) = self.session.clone() else {
            tracing::info!(?cause, "dropped a connection before its handshake was done");
            return;
        };
        tracing::info!(peer = %session.peer_addr(), ?cause, "link lost");
        if cause == Cause::Refused {
            self.core.queue_event(Event::Refused, &session);
        }
        if !session.is_lossy() {
            // Received is received: a lossless session delivers all of it before it tells the peer how far it got.
            let _turn = turn::enter();
            self.deliver_delayed(None);
        }
        let in_seq =
            if let Phase::Open(half) = &self.phase { Some(self.stale_from.unwrap_or(half.in_seq())) } else { None };
        let loss = if cause == Cause::Wait { Loss::Wait } else { Loss::Fault };
        session.link_lost(self.generation, in_seq, loss, now);
    }
}
