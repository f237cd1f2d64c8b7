//! One TCP connection's worth of a session: handshake, then the receive half.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::connection::Connection;
use crate::core::Core;
use crate::error::PeerError;
use crate::events::Event;
use crate::message::Message;
use crate::stats::{add, add_time};
use crate::turn;

use super::acceptor::Acceptor;
use super::connector::Connector;
use super::readahead::{ReadAhead, ReadInto};
use super::recv::{Incoming, Next, RecvHalf, RecvParams};
use super::state::later;
use super::{Driver, Loss, Session, State};

/// Messages decoded before they are dispatched: bounds the memory of a batch.
const BATCH_MESSAGES: usize = 64;
/// One batch in so many is timed and counts for all of them: three readings of the clock cost as much as decoding a
/// small message.
const BATCHES_PER_TIMING: u32 = 16;

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
    /// A throttle holds input back: do not read until [`Driver::resume`].
    pub waiting: bool,
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
    /// Batches so far, to choose which are timed.
    batches: u32,
    named: bool,
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
            batches: 0,
            named: false,
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

    /// When to call [`Link::timed_out`] unless something happens before.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let config = self.core.config();
        let open = matches!(self.phase, Phase::Open(_));
        let allowed = if open { config.ms_connection_idle_timeout } else { config.ms_connection_ready_timeout };
        later(self.since, allowed)
    }

    /// Whether the deadline passed, and what that means.
    #[must_use]
    pub fn timed_out(&self, now: Instant) -> Option<Cause> {
        let late = now >= self.deadline();
        let cause = if self.is_open() { Cause::Idle } else { Cause::Peer(PeerError::HandshakeTimeout) };
        late.then_some(cause)
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
        add(&self.core.counters().msgr_read_calls, 1);
        add(&self.core.counters().msgr_recv_bytes, n as u64);
        Ok((n > 0).then_some(n == room))
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
        // What is sent from callbacks leaves when this returns.
        let _turn = turn::enter();
        let mut progress = Progress::default();
        if !self.is_open() {
            progress.opened = self.handshake()?;
            if !progress.opened {
                return Ok(progress);
            }
        }
        self.since = now;
        progress.waiting = self.receive()?;
        Ok(progress)
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
        let mut half = RecvHalf::new(RecvParams { features, in_seq: opening.in_seq, throttles }, self.core.config());
        half.push(opening.rest);
        self.phase = Phase::Open(Box::new(half));
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

    /// Dispatches what is complete; true when a throttle holds the rest back.
    fn receive(&mut self) -> Result<bool, Cause> {
        let Some(session) = self.session.clone() else { return Ok(false) };
        let connection = Connection(session);
        let mut batch = std::mem::take(&mut self.batch);
        let mut keepalive = None;
        let mut ack_from = self.in_seq();
        let result = loop {
            let received = self.in_seq();
            let clock = self.batches.is_multiple_of(BATCHES_PER_TIMING).then_some(Instant::now);
            self.batches = self.batches.wrapping_add(1);
            let begun = clock.map(|now| now());
            let outcome = self.decode(&connection.0, &mut batch, &mut keepalive);
            let decoded = clock.map(|now| now());
            let messages = batch.len() as u64;
            self.dispatch(&connection, received, &mut batch);
            let counters = self.core.counters();
            add(&counters.msgr_recv_messages, messages);
            if let (Some(begun), Some(decoded)) = (begun, decoded) {
                let done = Instant::now();
                add_time(&counters.msgr_running_recv_time, (decoded - begun) * BATCHES_PER_TIMING);
                add_time(&counters.msgr_running_fast_dispatch_time, (done - decoded) * BATCHES_PER_TIMING);
                add_time(&counters.msgr_running_total_time, (done - begun) * BATCHES_PER_TIMING);
            }
            match outcome {
                Ok(Decoded::BatchFull) => {}
                Ok(Decoded::NeedBytes) => break Ok(false),
                Ok(Decoded::NeedPermit) => {
                    if !self.wait_for_permit() {
                        break Ok(true);
                    }
                }
                Err(cause) => break Err(cause),
            }
        };
        self.batch = batch;
        if let Phase::Open(half) = &mut self.phase {
            let old = half.take_old_messages();
            add(&self.core.counters().msgr_drop_old_messages, old);
            // Also what came again is acknowledged again: the peer has not heard of it.
            if old > 0 {
                ack_from = 0;
            }
        }
        let in_seq = self.in_seq();
        let ack = (!self.lossy && in_seq > ack_from).then_some(in_seq);
        if ack.is_some() || keepalive.is_some() {
            connection.0.answer(self.generation, ack, keepalive);
        }
        result
    }

    fn in_seq(&self) -> u64 {
        if let Phase::Open(half) = &self.phase { half.in_seq() } else { 0 }
    }

    /// Decodes up to a batch of messages, and acts on control frames.
    fn decode(
        &mut self,
        session: &Arc<Session>,
        batch: &mut Vec<Message>,
        keepalive: &mut Option<crate::wire::Stamp>,
    ) -> Result<Decoded, Cause> {
        let Phase::Open(half) = &mut self.phase else { return Ok(Decoded::NeedBytes) };
        while batch.len() < BATCH_MESSAGES {
            match half.poll()? {
                Next::Bytes => return Ok(Decoded::NeedBytes),
                Next::Permit => return Ok(Decoded::NeedPermit),
                Next::Item(Incoming::Message(message)) => {
                    if !self.named
                        && let Some(name) = message.source
                    {
                        session.note_peer_name(name);
                        self.named = true;
                    }
                    batch.push(message);
                }
                Next::Item(Incoming::Ack(seq)) => {
                    session.with_link(self.generation, |state| state.out.acked(seq));
                }
                Next::Item(Incoming::Keepalive) => {}
                Next::Item(Incoming::Keepalive2(stamp)) => *keepalive = Some(stamp),
                Next::Item(Incoming::Keepalive2Ack(stamp)) => session.note_keepalive_ack(stamp),
                Next::Item(Incoming::Close) => return Err(Cause::Closed),
            }
        }
        Ok(Decoded::BatchFull)
    }

    /// Hands a batch, which follows message `received`, to the dispatchers. What follows a mark_down or a replace in the
    /// middle of it is dropped.
    fn dispatch(&mut self, connection: &Connection, mut received: u64, batch: &mut Vec<Message>) {
        if batch.is_empty() {
            return;
        }
        let dispatchers = self.core.dispatchers();
        for message in batch.drain(..) {
            if !connection.0.is_current(self.generation) {
                self.stale_from.get_or_insert(received);
                continue;
            }
            received = message.seq;
            self.core.deliver(&dispatchers, connection, message);
        }
    }

    /// Queues for the permit the next message lacks; true when it was granted at once.
    fn wait_for_permit(&mut self) -> bool {
        let driver = self.session.as_ref().and_then(|session| session.lock().driver.clone());
        let Phase::Open(half) = &mut self.phase else { return false };
        half.wait(move || {
            if let Some((_, driver)) = driver {
                driver.resume();
            }
        })
    }

    /// The link is over. Tells the session, which decides what comes next: ask [`Session::step`].
    pub fn lost(mut self, cause: Cause, now: Instant) {
        self.core.note_loss(cause);
        if let Some((id, _)) = self.driver.take() {
            self.core.accepted(id);
        }
        let Some(session) = self.session else {
            tracing::info!(?cause, "dropped a connection before its handshake was done");
            return;
        };
        tracing::info!(peer = %session.peer_addr(), ?cause, "link lost");
        if cause == Cause::Refused {
            self.core.queue_event(Event::Refused, &session);
        }
        let in_seq =
            if let Phase::Open(half) = &self.phase { Some(self.stale_from.unwrap_or(half.in_seq())) } else { None };
        let loss = if cause == Cause::Wait { Loss::Wait } else { Loss::Fault };
        session.link_lost(self.generation, in_seq, loss, now);
    }
}

enum Decoded {
    BatchFull,
    NeedBytes,
    NeedPermit,
}
