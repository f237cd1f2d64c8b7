//! The throttles a received message passes.
//!
//! Those of the policy come first, before the payload is read. A body that is not all there yet and gets a buffer of its
//! own is then counted as *arriving*, which bounds memory; only a complete one passes the dispatch throttle. So a peer that
//! announces a message and does not send it holds nothing that the complete messages of others need, unless their policy
//! has throttles. Nothing that is counted as arriving waits for the application to drop a message: that could need
//! another message to arrive.

use crate::message::{MESSAGE_COST, Permits};
use crate::sync::{Arc, Mutex, PoisonError};
use crate::throttle::{Permit, Throttle, Wait};

/// Throttles in the order in which they are passed: policy messages, policy bytes, dispatch bytes.
pub type Throttles = [Option<Arc<Throttle>>; 3];

/// Index of the dispatch throttle.
const DISPATCH: usize = 2;

/// How far a message is through the gate, and what it holds.
#[derive(Default)]
pub(crate) struct Passage {
    passed: usize,
    /// Until the message has passed all throttles.
    arriving: Option<Permit>,
    pub(crate) permits: Permits,
}

/// The gate of one receive half; one message at a time.
pub(crate) struct Gate {
    arriving: Option<Arc<Throttle>>,
    throttles: Throttles,
    place: Place,
}

/// The place in a throttle's queue.
#[derive(Default)]
struct Place {
    /// What held the message back, and how much of it is needed.
    lacking: Option<(Arc<Throttle>, u64)>,
    /// A throttle was asked to wake us: its permit is, or will be, in the slot.
    asked: bool,
    slot: Arc<Mutex<Option<Permit>>>,
    waiting: Option<Wait>,
}

impl Gate {
    pub(crate) fn new(throttles: Throttles) -> Gate {
        Gate { arriving: None, throttles, place: Place::default() }
    }

    /// Counts bodies that are not complete by `throttle`.
    pub(crate) fn set_arriving(&mut self, throttle: Arc<Throttle>) {
        self.arriving = Some(throttle);
    }

    /// Lets a body of `size` payload bytes be read; false when it must wait.
    pub(crate) fn arrive(&mut self, passage: &mut Passage, size: u64) -> bool {
        match &self.arriving {
            Some(throttle) if passage.arriving.is_none() && size > 0 => {
                passage.arriving = self.place.take(throttle, size);
                passage.arriving.is_some()
            }
            _ => true,
        }
    }

    /// Takes what a message of `size` payload bytes still lacks, of the dispatch throttle only when it is `complete`; false
    /// when it must wait.
    pub(crate) fn pass(&mut self, passage: &mut Passage, size: u64, complete: bool) -> bool {
        let last = if complete { self.throttles.len() } else { DISPATCH };
        while passage.passed < last {
            let units = units(passage, size);
            if let Some(throttle) = self.throttles[passage.passed].as_ref().filter(|_| units > 0) {
                let Some(permit) = self.place.take(throttle, units) else { return false };
                if passage.passed < DISPATCH {
                    passage.permits.policy.push(permit);
                } else {
                    passage.permits.dispatch = Some(permit);
                }
            }
            passage.passed += 1;
        }
        if complete {
            passage.arriving = None;
        }
        true
    }

    /// Queues for the permit that held the message back. True when it was granted on the spot; otherwise `wake` is called
    /// once it is, from any thread.
    pub(crate) fn wait(&mut self, wake: impl FnOnce() + Send + 'static) -> bool {
        self.place.wait(wake)
    }

    /// True while a message waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.place.waiting.is_some()
    }
}

impl Place {
    /// A permit of a throttle, or the one that was waited for.
    fn take(&mut self, throttle: &Arc<Throttle>, units: u64) -> Option<Permit> {
        let permit = if self.asked { self.granted() } else { throttle.try_take(units) };
        if permit.is_none() {
            self.lacking = Some((Arc::clone(throttle), units));
        }
        permit
    }

    fn granted(&mut self) -> Option<Permit> {
        let permit = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.asked = false;
        self.waiting = None;
        Some(permit)
    }

    fn wait(&mut self, wake: impl FnOnce() + Send + 'static) -> bool {
        if self.asked {
            return false;
        }
        let Some((throttle, units)) = self.lacking.take() else { return true };
        self.asked = true;
        let slot = Arc::clone(&self.slot);
        let put = move |permit| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        let put_now = put.clone();
        let granted = throttle.take_or_wait(units, move |permit| {
            put(permit);
            wake();
        });
        match granted {
            Ok(permit) => {
                put_now(permit);
                true
            }
            Err(wait) => {
                self.waiting = Some(wait);
                false
            }
        }
    }
}

/// What the next throttle counts: messages, then payload bytes, then what the message takes while it waits for dispatch.
fn units(passage: &Passage, size: u64) -> u64 {
    match passage.passed {
        0 => 1,
        DISPATCH => size + MESSAGE_COST,
        _ => size,
    }
}
