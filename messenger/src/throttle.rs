//! Throttles: bounded budgets with first-come-first-served waiting and RAII permits.

use std::collections::VecDeque;

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A budget of `max` units. A request larger than the whole budget passes when the budget is not overdrawn, so that
/// nothing is stuck for ever.
///
/// Nobody blocks here: a request that does not fit leaves a waker that is called, in order of arrival, with the permit.
#[derive(Debug)]
pub struct Throttle {
    max: u64,
    taken: AtomicU64,
    has_waiters: AtomicBool,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    queue: VecDeque<Waiter>,
    next_id: u64,
}

struct Waiter {
    id: u64,
    units: u64,
    wake: Box<dyn FnOnce(Permit) + Send>,
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiters", self.queue.len())
    }
}

/// Units taken from a [`Throttle`], given back when dropped.
#[derive(Debug)]
pub struct Permit {
    throttle: Arc<Throttle>,
    units: u64,
}

/// A place in a throttle's queue; dropping it gives the place up (and what was granted meanwhile goes back by the
/// permit's own drop).
#[derive(Debug)]
pub struct Wait {
    throttle: Arc<Throttle>,
    id: u64,
}

impl Throttle {
    /// A throttle of `max` units; 0 is unlimited.
    #[must_use]
    pub fn new(max: u64) -> Arc<Throttle> {
        Arc::new(Throttle {
            max,
            taken: AtomicU64::new(0),
            has_waiters: AtomicBool::new(false),
            waiters: Mutex::default(),
        })
    }

    /// Units taken now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    /// Takes `units` if they fit and nobody waits before.
    #[must_use]
    pub fn try_take(self: &Arc<Throttle>, units: u64) -> Option<Permit> {
        if self.has_waiters.load(SeqCst) || !self.reserve(units) {
            return None;
        }
        Some(Permit { throttle: Arc::clone(self), units })
    }

    /// Takes `units`, or queues `wake` to be called with the permit from whichever thread frees enough.
    ///
    /// # Errors
    /// The place in the queue, when the caller must wait.
    pub fn take_or_wait(
        self: &Arc<Throttle>,
        units: u64,
        wake: impl FnOnce(Permit) + Send + 'static,
    ) -> Result<Permit, Wait> {
        if let Some(permit) = self.try_take(units) {
            return Ok(permit);
        }
        let mut waiters = self.lock();
        let id = waiters.next_id;
        waiters.next_id += 1;
        // Announced before the budget is looked at again: a release that comes later sees it and grants.
        self.has_waiters.store(true, SeqCst);
        if waiters.queue.is_empty() && self.reserve(units) {
            self.has_waiters.store(false, SeqCst);
            return Ok(Permit { throttle: Arc::clone(self), units });
        }
        waiters.queue.push_back(Waiter { id, units, wake: Box::new(wake) });
        Err(Wait { throttle: Arc::clone(self), id })
    }

    /// Adds `units` to what is taken unless that overdraws the budget.
    fn reserve(&self, units: u64) -> bool {
        let max = self.max;
        let fits = |taken: u64| {
            let full = if units <= max { taken + units > max } else { taken > max };
            (max == 0 || !full).then_some(taken + units)
        };
        self.taken.fetch_update(SeqCst, SeqCst, fits).is_ok()
    }

    /// Grants to those who wait, in order, as far as the budget goes.
    fn grant(self: &Arc<Throttle>) {
        loop {
            let granted = {
                let mut waiters = self.lock();
                let fits = waiters.queue.front().is_some_and(|waiter| self.reserve(waiter.units));
                let granted = if fits { waiters.queue.pop_front() } else { None };
                self.has_waiters.store(!waiters.queue.is_empty(), SeqCst);
                granted
            };
            let Some(waiter) = granted else { return };
            (waiter.wake)(Permit { throttle: Arc::clone(self), units: waiter.units });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.throttle.taken.fetch_sub(self.units, SeqCst);
        if self.throttle.has_waiters.load(SeqCst) {
            self.throttle.grant();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiters = self.throttle.lock();
        let was_first = waiters.queue.front().is_some_and(|waiter| waiter.id == self.id);
        waiters.queue.retain(|waiter| waiter.id != self.id);
        self.throttle.has_waiters.store(!waiters.queue.is_empty(), SeqCst);
        drop(waiters);
        if was_first {
            self.throttle.grant();
        }
    }
}

#[cfg(all(test, msgr_shuttle))]
mod schedules;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn wait(throttle: &Arc<Throttle>, units: u64) -> (Wait, Receiver<Permit>) {
        let (tx, rx) = channel();
        let wait = throttle.take_or_wait(units, move |permit| drop(tx.send(permit)));
        (wait.expect_err("the throttle has room"), rx)
    }

    #[test]
    fn permits_return_their_units_when_dropped() {
        let throttle = Throttle::new(10);
        let permit = throttle.try_take(7).unwrap();
        assert!(throttle.try_take(4).is_none());
        assert_eq!(throttle.taken(), 7);
        drop(permit);
        assert!(throttle.try_take(10).is_some());
    }

    #[test]
    fn an_oversized_request_passes_when_the_budget_is_not_overdrawn() {
        let throttle = Throttle::new(10);
        let small = throttle.try_take(10).unwrap();
        let large = throttle.try_take(50).unwrap();
        assert!(throttle.try_take(50).is_none());
        drop(large);
        drop(small);
        assert!(throttle.try_take(50).is_some());
    }

    #[test]
    fn zero_is_unlimited() {
        let throttle = Throttle::new(0);
        let _a = throttle.try_take(u64::MAX / 4).unwrap();
        let _b = throttle.try_take(u64::MAX / 4).unwrap();
    }

    #[test]
    fn waiters_are_served_in_order_and_not_overtaken() {
        let throttle = Throttle::new(10);
        let held = throttle.try_take(8).unwrap();
        let (_large, large) = wait(&throttle, 9);
        let (_small, small) = wait(&throttle, 1);
        assert!(throttle.try_take(1).is_none(), "a newcomer may not overtake");
        drop(held);
        let permit = large.try_recv().unwrap();
        let _small_permit = small.try_recv().unwrap();
        drop(permit);
        assert_eq!(throttle.taken(), 1);
    }

    #[test]
    fn giving_up_the_first_place_serves_the_next() {
        let throttle = Throttle::new(10);
        let _held = throttle.try_take(8).unwrap();
        let (first, _never) = wait(&throttle, 9);
        let (_second, second) = wait(&throttle, 2);
        assert!(second.try_recv().is_err());
        drop(first);
        assert!(second.try_recv().is_ok());
    }
}
