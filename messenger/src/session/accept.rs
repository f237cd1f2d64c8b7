//! Acting on the acceptor's table: lookup, decision and reservation in one critical section.

use std::sync::Arc;

use crate::addr::EntityAddr;
use crate::core::Core;
use crate::entity::EntityType;
use crate::events::Event;
use crate::policy::Policy;
use crate::stats::add;
use crate::wire::{Connect, features};

use super::state::InSeq;
use super::table::{self, Verdict};
use super::{Driver, Phase, Session, State};

/// A session that is to open on the link that asked.
pub(crate) struct Opening {
    pub(crate) session: Arc<Session>,
    pub(crate) generation: u64,
    pub(crate) policy: Policy,
    /// What this side has received.
    pub(crate) in_seq: u64,
    /// Whether both sides exchange what they have received (SEQ), or the peer started over (READY).
    pub(crate) exchange: bool,
}

/// What a connect is answered with.
pub(crate) enum Answer {
    Open(Opening),
    Reset {
        /// Set when the link has taken this session over, to be opened by its next connect.
        reserved: Option<(Arc<Session>, u64)>,
    },
    Wait,
    RetryGlobal {
        global_seq: u32,
        /// Set when the link has taken this session over and only waits for its receive half.
        reserved: Option<(Arc<Session>, u64)>,
    },
    RetrySession {
        connect_seq: u32,
    },
    /// Another link took over what this one had reserved: it is of no use any more.
    Stale,
}

/// A session that `Core::accept` found, and what it did to it.
struct Replaced {
    session: Arc<Session>,
    old_driver: Option<(u64, Arc<dyn Driver>)>,
    was_open: bool,
    /// Messages dropped by a session reset.
    lost: Option<u64>,
    /// Whether the application is to hear of it.
    known: bool,
}

impl Core {
    /// Answers a connect from `peer`. `reserved` is the session this link took over earlier, if any; `since` is the count of
    /// [`Core::next_id`] since which the connect must have been sent.
    #[allow(clippy::too_many_arguments)] // one connect, in its parts
    pub(crate) fn accept(
        self: &Arc<Core>,
        driver: &(u64, Arc<dyn Driver>),
        reserved: Option<&(Arc<Session>, u64)>,
        kind: EntityType,
        peer: EntityAddr,
        connect: &Connect,
        policy: Policy,
        since: u64,
    ) -> Answer {
        if let Some((session, generation)) = reserved {
            return continue_takeover(session, *generation, connect);
        }
        let mut registry = self.registry();
        if self.is_stopping() {
            return Answer::Stale;
        }
        if !policy.is_anonymous() && !policy.lossy && registry.has_forgotten(since) {
            // It may be an old attempt, late, of a session of which nothing is left to tell: who is still there asks again.
            return Answer::RetryGlobal { global_seq: connect.global_seq, reserved: None };
        }
        let existing = if policy.is_anonymous() { None } else { registry.by_addr(&peer) };
        let Some(session) = existing else {
            if !policy.is_anonymous() && table::unknown(connect) == Verdict::ResetSession {
                return Answer::Reset { reserved: None };
            }
            let register = !policy.is_anonymous();
            let session = Session::new(self, kind, State::new(Phase::Accepting, policy, peer));
            registry.insert(&session, register.then_some(peer));
            let mut state = session.lock();
            state.driver = Some((driver.0, Arc::clone(&driver.1)));
            return open(&session, &mut state, connect);
        };
        let mut state = session.lock();
        let (session_reset, hard_reset, peer_continues) =
            match table::known(&state, connect, policy.resetcheck, &self.my_addr()) {
                // It is about to be forgotten, and then this link is older than that.
                Verdict::Open if !policy.lossy => {
                    return Answer::RetryGlobal { global_seq: connect.global_seq, reserved: None };
                }
                Verdict::Open => {
                    drop(state);
                    let fresh = Session::new(self, kind, State::new(Phase::Accepting, policy, peer));
                    registry.insert(&fresh, Some(peer));
                    let mut state = fresh.lock();
                    state.driver = Some((driver.0, Arc::clone(&driver.1)));
                    return open(&fresh, &mut state, connect);
                }
                Verdict::ResetSession => {
                    // Our own attempt may have been answered already, out of the session that the peer is told to forget.
                    state.dial_is_void |= state.dialling;
                    return Answer::Reset { reserved: None };
                }
                Verdict::RetryGlobal => {
                    return Answer::RetryGlobal { global_seq: state.peer_global_seq, reserved: None };
                }
                Verdict::RetrySession => {
                    return Answer::RetrySession { connect_seq: state.connect_seq.wrapping_add(1) };
                }
                Verdict::Wait => {
                    // Our own attempt wins: see to it that it goes on now.
                    state.not_before = None;
                    let driver = state.driver.clone();
                    drop(state);
                    drop(registry);
                    if let Some((_, driver)) = driver {
                        driver.step();
                    }
                    return Answer::Wait;
                }
                Verdict::Replace { session_reset, hard_reset, peer_continues } => {
                    (session_reset, hard_reset, peer_continues)
                }
            };
        let mut replaced = Replaced {
            session: Arc::clone(&session),
            old_driver: state.driver.replace((driver.0, Arc::clone(&driver.1))),
            was_open: state.phase == Phase::Open,
            lost: None,
            known: state.handed_out,
        };
        state.drop_link();
        if session_reset {
            // Only this conversation was lossy, if the policy is not.
            state.policy.lossy = policy.lossy;
            replaced.lost = Some(state.reset(self.random()));
        }
        state.reset_from_peer = hard_reset;
        state.enter(Phase::Accepting);
        state.reserved_by = Some(driver.0);
        session.publish(&state);
        let reserved = Some((Arc::clone(&session), state.generation));
        let answer = if peer_continues {
            Answer::Reset { reserved }
        } else if matches!(state.in_seq, InSeq::Home(_)) {
            open(&session, &mut state, connect)
        } else {
            Answer::RetryGlobal { global_seq: state.peer_global_seq, reserved }
        };
        drop(state);
        drop(registry);
        self.finish_replace(replaced);
        answer
    }

    /// What follows a replace once no lock is held: the old link is hung up, the dispatchers hear of a reset.
    fn finish_replace(self: &Arc<Core>, replaced: Replaced) {
        let Replaced { session, old_driver, was_open, lost, known } = replaced;
        if was_open {
            self.connection_ended();
        }
        if let Some(lost) = lost {
            add(&self.counters().msgr_drop_reset_messages, lost);
            self.discard_queued(&session);
            if known {
                self.queue_event(Event::RemoteReset, &session);
            }
        }
        if let Some((_, old)) = old_driver {
            old.hang_up();
        }
    }
}

/// Another connect on a link that has taken `session` over: it opens as soon as the old reader gave the receive half back.
fn continue_takeover(session: &Arc<Session>, generation: u64, connect: &Connect) -> Answer {
    let mut state = session.lock();
    if state.generation != generation || state.phase != Phase::Accepting {
        return Answer::Stale;
    }
    if !matches!(state.in_seq, InSeq::Home(_)) || connect.global_seq < state.peer_global_seq {
        return Answer::RetryGlobal { global_seq: state.peer_global_seq, reserved: None };
    }
    open(session, &mut state, connect)
}

/// Starts an opening on a session whose receive half is home.
fn open(session: &Arc<Session>, state: &mut State, connect: &Connect) -> Answer {
    state.features = state.policy.features_supported & connect.features;
    let exchange = state.features & features::RECONNECT_SEQ != 0 && !state.reset_from_peer;
    // A peer that merely lacks the exchange replays under its old numbers, by which doubles are recognised.
    if state.reset_from_peer {
        state.in_seq = InSeq::Home(0);
    }
    let InSeq::Home(in_seq) = state.in_seq else { return Answer::Stale };
    state.reset_from_peer = false;
    state.reserved_by = None;
    state.connect_seq = connect.connect_seq.wrapping_add(1);
    state.peer_global_seq = connect.global_seq;
    Answer::Open(Opening {
        session: Arc::clone(session),
        generation: state.generation,
        policy: state.policy.clone(),
        in_seq,
        exchange,
    })
}

impl Session {
    /// RESETSESSION: the peer does not know this session any more.
    pub(crate) fn reset_by_peer(self: &Arc<Session>, generation: u64) {
        let core = self.core();
        let lost = self.with_link(generation, |state| {
            if state.opened {
                return Some(state.reset(core.random()));
            }
            // Only an opening was begun, by a link that broke: what is queued was never sent, and nobody forgot it.
            state.connect_seq = 0;
            None
        });
        if let Some(lost) = lost.flatten() {
            add(&core.counters().msgr_drop_reset_messages, lost);
            core.discard_queued(self);
            core.queue_event(Event::RemoteReset, self);
        }
    }
}
