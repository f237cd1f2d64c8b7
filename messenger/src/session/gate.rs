//! The throttles a received message passes before its payload is taken.

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
    pub(crate) permits: Permits,
}

/// The gate of one receive half; one message at a time.
pub(crate) struct Gate {
    throttles: Throttles,
    /// A throttle was asked to wake us: its permit is, or will be, in the slot.
    asked: bool,
    slot: Arc<Mutex<Option<Permit>>>,
    waiting: Option<Wait>,
}

impl Gate {
    pub(crate) fn new(throttles: Throttles) -> Gate {
        Gate { throttles, asked: false, slot: Arc::default(), waiting: None }
    }

    /// Takes what a message of `size` payload bytes still lacks; false when it must wait.
    pub(crate) fn pass(&mut self, passage: &mut Passage, size: u64) -> bool {
        while let Some(throttle) = self.throttles.get(passage.passed) {
            let units = units(passage, size);
            if let Some(throttle) = throttle.as_ref().filter(|_| units > 0) {
                let permit = if self.asked { self.granted() } else { throttle.try_take(units) };
                let Some(permit) = permit else { return false };
                if passage.passed < DISPATCH {
                    passage.permits.policy.push(permit);
                } else {
                    passage.permits.dispatch = Some(permit);
                }
            }
            passage.passed += 1;
        }
        true
    }

    fn granted(&mut self) -> Option<Permit> {
        let permit = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.asked = false;
        self.waiting = None;
        Some(permit)
    }

    /// Queues for the permit that held `passage` back. True when it was granted on the spot; otherwise `wake` is called
    /// once it is, from any thread.
    pub(crate) fn wait(&mut self, passage: &Passage, size: u64, wake: impl FnOnce() + Send + 'static) -> bool {
        let Some(Some(throttle)) = self.throttles.get(passage.passed) else { return true };
        if self.asked {
            return false;
        }
        self.asked = true;
        let slot = Arc::clone(&self.slot);
        let put = move |permit| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        let put_now = put.clone();
        let granted = throttle.take_or_wait(units(passage, size), move |permit| {
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

    /// True while a message waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
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
