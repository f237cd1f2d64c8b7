//! The session: what two messengers keep about each other across TCP connections.
//!
//! A [`Session`] is durable and shared; a [`Link`] is one TCP connection's worth of it, owned by the thread that reads
//! the socket; an [`Outbox`] holds what is encoded and not yet written, owned by whoever writes. A stack moves bytes
//! between sockets and these three, and decides nothing:
//!
//! * what arrived goes in: [`Link::read_with`] or [`Link::chunk`], then [`Link::process`]; [`Link::lost`];
//! * what the application asks comes through the [`Connection`](crate::Connection) and reaches the stack by its
//!   [`Driver`];
//! * what the stack must do next comes out: [`Session::step`], [`Link::take_output`], [`Outbox::refill`],
//!   [`Link::deadline`].
//!
//! One rule: after any call of the first kind, drain the last kind.
//!
//! Every link has a generation, and a session ignores what comes from an older one. The receive sequence number
//! belongs to whoever reads; a session whose link was replaced does not tell the peer what it received until the old
//! reader has handed the number back, for otherwise that reader could still accept a message after the peer was told
//! to send it again.

mod accept;
mod acceptor;
mod connector;
mod delay;
mod driver;
mod encode;
mod gate;
mod link;
mod outbox;
mod outq;
mod phase;
mod readahead;
mod recv;
mod state;
mod table;

pub use driver::{Driver, Stack};
pub use gate::Throttles;
pub use link::{Cause, Link, Progress};
pub use outbox::{Outbox, Refill};
pub use readahead::{ReadAhead, ReadInto};
pub use recv::{Incoming, Next, RecvHalf, RecvParams};

pub(crate) use outq::OutQueue;
pub(crate) use phase::Phase;
pub(crate) use state::{Loss, State};

use std::any::Any;
use std::time::Instant;

use crate::addr::EntityAddr;
use crate::core::Core;
use crate::coverage;
use crate::entity::{EntityName, EntityType};
use crate::error::Error;
use crate::events::Event;
use crate::message::{Message, PRIORITY_DEFAULT, Permits};
use crate::policy::Policy;
use crate::stages::{Begun, Mark, Stages};
use crate::stats::add;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::turn;
use crate::wire::Stamp;

use state::{InSeq, Writer, later};

/// See the module.
pub struct Session {
    core: Arc<Core>,
    id: u64,
    peer_type: EntityType,
    loopback: bool,
    /// The generation, readable without the lock: a reader looks before each message whether it is still wanted.
    generation: AtomicU64,
    state: Mutex<State>,
    attached: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

/// What a session wants of its driver.
pub enum Step {
    /// Dial now, with this link.
    Dial(Box<Link>),
    /// Nothing before this time.
    Until(Instant),
    /// Nothing until told otherwise.
    Rest,
    /// Nothing ever again: the session is closed, or has another driver.
    Gone,
}

impl Session {
    pub(crate) fn new(core: &Arc<Core>, peer_type: EntityType, state: State) -> Arc<Session> {
        Session::with(core, peer_type, state, false)
    }

    pub(crate) fn new_loopback(core: &Arc<Core>) -> Arc<Session> {
        let mut state = State::new(Phase::Open, Policy::default(), core.my_addr());
        state.features = state.policy.features_supported;
        Session::with(core, core.my_name().kind, state, true)
    }

    fn with(core: &Arc<Core>, peer_type: EntityType, state: State, loopback: bool) -> Arc<Session> {
        Arc::new(Session {
            id: core.next_id(),
            core: Arc::clone(core),
            peer_type,
            loopback,
            generation: AtomicU64::new(state.generation),
            state: Mutex::new(state),
            attached: Mutex::default(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Makes the generation visible to readers; called with the lock held, after every change of it.
    fn publish(&self, state: &State) {
        self.generation.store(state.generation, Relaxed);
    }

    pub(crate) fn is_current(&self, generation: u64) -> bool {
        self.generation.load(Relaxed) == generation
    }

    // What the application asks.

    pub(crate) fn send(self: &Arc<Session>, mut message: Message) -> Result<(), Error> {
        if message.priority == 0 {
            message.priority = PRIORITY_DEFAULT;
        }
        if message.compat_version == 0 {
            message.compat_version = message.version;
        }
        if [&message.front, &message.middle, &message.data].iter().any(|section| section.len() > u32::MAX as usize) {
            return Err(Error::Misuse("a section of a message holds less than 4 GiB"));
        }
        message.source = Some(self.core.my_name());
        // Sent on, it is another message: it leaves the throttles it came through, here and not under a lock later.
        message.permits = Permits::default();
        // What goes to ourselves passes no stage: it is neither written nor read.
        message.begun = self.core.stages().map(|stages| self.begin_queued(stages)).unwrap_or_default();
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            add(&self.core.counters().msgr_drop_closed_messages, 1);
            return Ok(());
        }
        if self.loopback {
            return self.core.deliver_local(self, &mut state, message);
        }
        if state.out.bytes() + message.payload_len() > self.core.config().ms_out_queue_max_bytes {
            return Err(Error::QueueFull { peer: state.peer_addr, queued: state.out.bytes() });
        }
        state.out.push(message);
        self.kick(state);
        Ok(())
    }

    /// When a message begins to be queued that is sent now.
    #[cold]
    fn begin_queued(&self, stages: &Stages) -> Begun {
        if self.loopback { Begun::default() } else { Begun(Mark::of(stages.now())) }
    }

    pub(crate) fn send_keepalive(&self) {
        let mut state = self.lock();
        if self.loopback || state.phase == Phase::Closed {
            return;
        }
        state.control.keepalive = Some(self.core.stamp());
        self.kick(state);
    }

    /// Sees to it that what was just queued is written, if nobody does yet.
    fn kick(&self, mut state: MutexGuard<'_, State>) {
        match state.phase {
            Phase::Open if state.writer == Writer::Idle => {
                state.writer = Writer::Scheduled;
                let driver = state.driver.clone();
                drop(state);
                if let Some((_, driver)) = driver {
                    turn::transmit(driver);
                }
            }
            Phase::Standby if state.may_dial() => {
                state.start_reconnect();
                let driver = state.driver.clone();
                drop(state);
                if let Some((_, driver)) = driver {
                    driver.step();
                }
            }
            _ => {}
        }
    }

    pub(crate) fn mark_down(self: &Arc<Session>) {
        self.close();
    }

    /// Ends the session and hangs its link up; false when it had ended before.
    pub(crate) fn close(self: &Arc<Session>) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return false;
        }
        let driver = self.finish(&mut state);
        drop(state);
        coverage::gap();
        self.core.forget(self);
        if let Some((_, driver)) = driver {
            driver.hang_up();
        }
        true
    }

    /// Turns the state into the closed one; what is left is to forget the session and hang its driver up.
    fn finish(&self, state: &mut State) -> Option<(u64, Arc<dyn Driver>)> {
        if state.phase == Phase::Open && !self.loopback {
            self.core.connection_ended();
        }
        state.enter(Phase::Closed);
        state.drop_link();
        add(&self.core.counters().msgr_drop_closed_messages, state.out.reset(0));
        self.publish(state);
        state.driver.take()
    }

    pub(crate) fn mark_disposable(&self) {
        self.lock().policy.lossy = true;
    }

    // What the stack asks.

    /// Gives a session that wants to dial a driver, numbered `id` by [`Core::next_id`]; not if the peer's own link took the
    /// session over in the meantime and brought one. Then there is nothing to do for this one: see [`Session::step`].
    pub fn attach(&self, id: u64, driver: Arc<dyn Driver>) {
        let mut state = self.lock();
        if state.phase != Phase::Closed && state.driver.is_none() {
            state.driver = Some((id, driver));
        }
    }

    /// Notes that the application is about to get a handle; false when the session is over.
    pub(crate) fn hand_out(&self) -> bool {
        let mut state = self.lock();
        state.handed_out = true;
        state.phase != Phase::Closed
    }

    /// Ends a session that its stack cannot carry; the dispatchers see a reset.
    pub fn give_up(self: &Arc<Session>) {
        if self.close() {
            self.core.queue_event(Event::Reset, self);
        }
    }

    /// What the driver with this number is to do. While its link is under way, nothing.
    #[must_use]
    pub fn step(self: &Arc<Session>, driver: u64, now: Instant) -> Step {
        let mut state = self.lock();
        if state.driver.as_ref().is_none_or(|(id, _)| *id != driver) {
            return Step::Gone;
        }
        match (state.phase, state.in_seq, state.not_before) {
            (Phase::Closed, ..) => Step::Gone,
            (Phase::Connecting | Phase::Wait, InSeq::Home(in_seq), not_before) if !state.dialling => {
                if let Some(at) = not_before
                    && at > now
                {
                    return Step::Until(at);
                }
                if state.phase == Phase::Wait {
                    state.enter(Phase::Connecting);
                }
                state.dialling = true;
                state.generation += 1;
                state.global_seq = self.core.next_global_seq(0);
                self.publish(&state);
                let link = Link::dial(Arc::clone(self), &state, in_seq, now);
                Step::Dial(Box::new(link))
            }
            _ => Step::Rest,
        }
    }

    // What a link tells. All of these ignore a link of an older generation.

    /// The link with this generation ended. `in_seq` comes from a reader that holds the receive half.
    pub(crate) fn link_lost(self: &Arc<Session>, generation: u64, in_seq: Option<u64>, loss: Loss, now: Instant) {
        let mut state = self.lock();
        if let Some(in_seq) = in_seq {
            state.give_back(in_seq);
        }
        if state.generation != generation || state.phase == Phase::Closed {
            // Whoever replaced the link may be waiting for the receive half.
            let driver = state.driver.clone();
            drop(state);
            if let Some((_, driver)) = driver {
                driver.step();
            }
            return;
        }
        let was_open = state.phase == Phase::Open;
        add(&self.core.counters().msgr_faults, 1);
        if state.lose_link(loss, self.core.config(), now) {
            if was_open {
                self.core.connection_ended();
            }
            if let Some(delay) = self.core.inject_internal_delay() {
                let not_before = later(now, delay);
                state.not_before = Some(state.not_before.map_or(not_before, |at| at.max(not_before)));
            }
            self.publish(&state);
            return;
        }
        let known = state.handed_out;
        self.finish(&mut state);
        drop(state);
        coverage::gap();
        self.core.forget(self);
        if known {
            self.core.queue_event(Event::Reset, self);
        }
    }

    /// The session is open: the receive half goes to the link. Returns the features in common, or `None` for a stale link.
    pub(crate) fn open(&self, generation: u64) -> Option<u64> {
        let mut state = self.lock();
        if state.generation != generation || !matches!(state.phase, Phase::Connecting | Phase::Accepting) {
            return None;
        }
        state.enter(Phase::Open);
        state.in_seq = InSeq::Out;
        state.backoff = std::time::Duration::ZERO;
        state.not_before = None;
        state.opened = true;
        state.handed_out = true;
        // The stack transmits right after the handshake, whether or not anything waits.
        state.writer = Writer::Scheduled;
        self.core.connection_began();
        Some(state.features)
    }

    /// Runs `change` on the state if the link with this generation is still the session's.
    pub(crate) fn with_link<T>(&self, generation: u64, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.lock();
        (state.generation == generation).then(|| change(&mut state))
    }

    /// What a batch of input asks to be sent back.
    pub(crate) fn answer(&self, generation: u64, ack: Option<u64>, keepalive: Option<Stamp>) {
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        state.control.ack = if state.policy.lossy { None } else { ack.or(state.control.ack) };
        state.control.keepalive_ack = keepalive.or(state.control.keepalive_ack);
        if state.has_output() {
            self.kick(state);
        }
    }

    /// Whether what an open link received and holds back is still to be delivered: not once the session is closed, or
    /// forgot what it received.
    pub(crate) fn still_delivers(&self, generation: u64) -> bool {
        let state = self.lock();
        state.phase != Phase::Closed && (state.generation == generation || state.in_seq == InSeq::Out)
    }

    pub(crate) fn is_lossy(&self) -> bool {
        self.lock().policy.lossy
    }

    pub(crate) fn note_peer_name(&self, name: EntityName) {
        let mut state = self.lock();
        state.peer_name = Some(name);
    }

    pub(crate) fn note_keepalive_ack(&self, stamp: Stamp) {
        self.lock().last_keepalive_ack = Some(stamp);
    }

    // Getters.

    /// Number of the session among those of one messenger.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The address the session is registered under.
    #[must_use]
    pub fn peer_addr(&self) -> EntityAddr {
        self.lock().peer_addr
    }

    pub(crate) fn peer_type(&self) -> EntityType {
        self.peer_type
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().phase == Phase::Closed
    }

    pub(crate) fn peer_name(&self) -> Option<EntityName> {
        self.lock().peer_name
    }

    pub(crate) fn features(&self) -> u64 {
        self.lock().features
    }

    pub(crate) fn queued_bytes(&self) -> u64 {
        self.lock().out.bytes()
    }

    pub(crate) fn last_keepalive_ack(&self) -> Option<(u32, u32)> {
        self.lock().last_keepalive_ack.map(|stamp| (stamp.sec, stamp.nsec))
    }

    pub(crate) fn set_priv(&self, value: Option<Arc<dyn Any + Send + Sync>>) {
        *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    pub(crate) fn get_priv(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
