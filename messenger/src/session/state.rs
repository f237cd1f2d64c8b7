//! The durable state of a session, behind its one lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::addr::EntityAddr;
use crate::config::Config;
use crate::coverage::{self, Point};
use crate::entity::EntityName;
use crate::policy::Policy;
use crate::wire::{Stamp, features};

use super::driver::Driver;
use super::outq::OutQueue;
use super::phase::Phase;

/// Where the receive half's `in_seq` is. While a reader holds it, nobody may announce it to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InSeq {
    /// Here: no reader is reading.
    Home(u64),
    /// With a reader.
    Out,
    /// With a reader, and forgotten: it comes back as 0.
    OutAndReset,
}

/// Whether somebody is going to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Nobody: whoever queues something must see to it.
    Idle,
    /// Somebody was told, and will look at the queue again before resting.
    Scheduled,
}

/// `by` after `now`; for a duration that no clock can hold, a time that never comes.
pub(crate) fn later(now: Instant, by: Duration) -> Instant {
    /// A hundred years.
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    now + by.min(NEVER)
}

/// How a session's link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The socket broke, timed out or misbehaved.
    Fault,
    /// The acceptor answered WAIT.
    Wait,
}

/// Control frames waiting to be written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Control {
    /// Acknowledge everything up to here.
    pub(crate) ack: Option<u64>,
    /// Send a keepalive with this stamp.
    pub(crate) keepalive: Option<Stamp>,
    /// Answer a keepalive that had this stamp.
    pub(crate) keepalive_ack: Option<Stamp>,
}

impl Control {
    pub(crate) fn is_some(&self) -> bool {
        self.ack.is_some() || self.keepalive.is_some() || self.keepalive_ack.is_some()
    }
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) policy: Policy,
    pub(crate) peer_addr: EntityAddr,
    pub(crate) peer_name: Option<EntityName>,
    /// Number of the present or next opening.
    pub(crate) connect_seq: u32,
    /// Our number of the present attempt.
    pub(crate) global_seq: u32,
    /// The peer's number of its last attempt; older ones are stale.
    pub(crate) peer_global_seq: u32,
    /// Features in common, from the last opening on.
    pub(crate) features: u64,
    /// Counts links: input of an older one is stale.
    pub(crate) generation: u64,
    /// Link that has taken the session over but must wait for the receive half.
    pub(crate) reserved_by: Option<u64>,
    /// The peer started over on the present link: its opening answers READY.
    pub(crate) reset_from_peer: bool,
    pub(crate) in_seq: InSeq,
    pub(crate) out: OutQueue,
    pub(crate) control: Control,
    pub(crate) writer: Writer,
    pub(crate) backoff: Duration,
    /// No dial before this.
    pub(crate) not_before: Option<Instant>,
    /// Who moves the bytes, with its number.
    pub(crate) driver: Option<(u64, Arc<dyn Driver>)>,
    /// Was open since it began or was reset: there is something that can be forgotten.
    pub(crate) opened: bool,
    /// The application may hold a handle, from a dial, by address or since an opening: it is to hear of resets.
    pub(crate) handed_out: bool,
    /// A link that dials is under way.
    pub(crate) dialling: bool,
    /// It must not open: what may have answered it is forgotten.
    pub(crate) dial_is_void: bool,
    pub(crate) last_keepalive_ack: Option<Stamp>,
}

impl State {
    pub(crate) fn new(phase: Phase, policy: Policy, peer_addr: EntityAddr) -> State {
        debug_assert!(phase.may_begin(), "{phase:?}");
        coverage::hit(Point::Began(phase));
        State {
            phase,
            policy,
            peer_addr,
            peer_name: None,
            connect_seq: 0,
            global_seq: 0,
            peer_global_seq: 0,
            features: 0,
            generation: 0,
            reserved_by: None,
            reset_from_peer: false,
            in_seq: InSeq::Home(0),
            out: OutQueue::default(),
            control: Control::default(),
            writer: Writer::Idle,
            backoff: Duration::ZERO,
            not_before: None,
            driver: None,
            opened: false,
            handed_out: false,
            dialling: false,
            dial_is_void: false,
            last_keepalive_ack: None,
        }
    }

    /// Whether there is anything to write.
    pub(crate) fn has_output(&self) -> bool {
        self.out.is_queued() || self.control.is_some()
    }

    /// Whether this side may dial: it is not the server, and the peer has an address. A client that never bound has none.
    pub(crate) fn may_dial(&self) -> bool {
        !self.policy.server && !self.peer_addr.is_blank_ip() && self.peer_addr.port() != 0
    }

    /// Takes the receive half back from a reader whose last sequence number was `in_seq`.
    pub(crate) fn give_back(&mut self, in_seq: u64) {
        self.in_seq = match self.in_seq {
            InSeq::Out => InSeq::Home(in_seq),
            InSeq::OutAndReset => InSeq::Home(0),
            home @ InSeq::Home(_) => home,
        };
    }

    /// Ends the present link: its input is stale from here on, and what it had not delivered is sent again by the next.
    pub(crate) fn drop_link(&mut self) {
        self.generation += 1;
        self.out.requeue_sent();
        self.control = Control::default();
        self.writer = Writer::Idle;
        self.reserved_by = None;
        self.dialling = false;
        self.dial_is_void = false;
    }

    /// Forgets the conversation so far; returns how many messages that lost. `random` chooses where the numbers restart
    /// between peers that sign, so that an old message cannot be replayed into the new session.
    pub(crate) fn reset(&mut self, random: u32) -> u64 {
        let out_seq = if self.features & features::MSG_AUTH != 0 { u64::from(random >> 1) } else { 0 };
        self.connect_seq = 0;
        self.opened = false;
        self.control = Control::default();
        self.in_seq = match self.in_seq {
            InSeq::Home(_) => InSeq::Home(0),
            InSeq::Out | InSeq::OutAndReset => InSeq::OutAndReset,
        };
        self.out.reset(out_seq)
    }

    /// What becomes of the session when the present link is lost; returns false when it is over.
    pub(crate) fn lose_link(&mut self, loss: Loss, config: &Config, now: Instant) -> bool {
        let was = self.phase;
        let connecting = matches!(was, Phase::Connecting | Phase::Wait);
        // A lossless session stays from its first reply on, even if it never opened here: the peer may have opened it, and
        // have sent what must be replayed.
        if self.policy.lossy && !connecting {
            return false;
        }
        self.drop_link();
        if loss == Loss::Wait {
            self.enter(Phase::Wait);
            self.not_before = Some(later(now, config.ms_max_backoff));
        } else if self.policy.standby && !self.out.is_queued() || !self.may_dial() {
            self.enter(Phase::Standby);
        } else if connecting {
            // Not clamp(): the two options may cross.
            self.backoff = self.backoff.saturating_mul(2).max(config.ms_initial_backoff).min(config.ms_max_backoff);
            self.not_before = Some(later(now, self.backoff));
            self.enter(Phase::Connecting);
        } else {
            self.start_reconnect();
        }
        true
    }

    /// Dials again at once.
    pub(crate) fn start_reconnect(&mut self) {
        // A session that was never opened, or was reset, starts over with 0.
        if self.connect_seq > 0 {
            self.connect_seq = self.connect_seq.wrapping_add(1);
        }
        self.enter(Phase::Connecting);
        self.backoff = Duration::ZERO;
        self.not_before = None;
    }
}
