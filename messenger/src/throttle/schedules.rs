//! Throttles under scheduled threads: never over budget, first come first served, and nobody waits for room that is there.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use super::{Permit, Throttle, Wait};
use crate::sync::{Arc, Condvar, Mutex, explore, thread};

/// Where a permit arrives, for a thread that waits for it as SimpleMessenger's readers do.
#[derive(Default)]
struct Slot {
    permit: Mutex<Option<Permit>>,
    arrived: Condvar,
}

impl Slot {
    /// Asks for `units`; what does not fit arrives later.
    fn ask(self: &Arc<Slot>, throttle: &Arc<Throttle>, units: u64) -> Result<Permit, Wait> {
        let slot = Arc::clone(self);
        let checked = Arc::clone(throttle);
        throttle.take_or_wait(units, move |permit| {
            within(&checked);
            *slot.permit.lock().unwrap() = Some(permit);
            slot.arrived.notify_one();
        })
    }

    fn wait(&self) -> Permit {
        let mut permit = self.permit.lock().unwrap();
        loop {
            match permit.take() {
                Some(permit) => return permit,
                None => permit = self.arrived.wait(permit).unwrap(),
            }
        }
    }
}

fn within(throttle: &Throttle) {
    let taken = throttle.taken();
    assert!(taken <= throttle.max, "{taken} taken of {}", throttle.max);
}

fn none_left(throttle: &Arc<Throttle>) {
    assert_eq!(throttle.taken(), 0);
    assert!(throttle.lock().queue.is_empty());
    assert!(throttle.try_take(throttle.max).is_some(), "a throttle that nobody uses refuses");
}

#[test]
fn whoever_waits_is_served_by_those_who_give_back() {
    explore::schedules(20_000, || {
        let throttle = Throttle::new(10);
        let takers: Vec<_> = [4, 7, 10, 3]
            .into_iter()
            .map(|units| {
                let throttle = Arc::clone(&throttle);
                thread::spawn(move || {
                    let slot = Arc::new(Slot::default());
                    let permit = match slot.ask(&throttle, units) {
                        Ok(permit) => permit,
                        Err(_wait) => slot.wait(),
                    };
                    within(&throttle);
                    drop(permit);
                })
            })
            .collect();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        none_left(&throttle);
    });
}

#[test]
fn who_gives_up_leaves_nothing_behind_and_lets_the_next_go_on() {
    explore::schedules(20_000, || {
        let throttle = Throttle::new(10);
        let kept = throttle.try_take(5).unwrap();
        let released = throttle.try_take(5).unwrap();
        // The first of the queue wants more than will be free, and the second is served once the first is gone.
        let impatient = Arc::new(Slot::default());
        let Err(place) = impatient.ask(&throttle, 6) else { panic!("overdrawn") };
        let patient = Arc::new(Slot::default());
        let Err(_place) = patient.ask(&throttle, 2) else { panic!("overdrawn") };
        let releases = thread::spawn(move || drop(released));
        let gives_up = thread::spawn(move || drop(place));
        drop(patient.wait());
        releases.join().unwrap();
        gives_up.join().unwrap();
        assert!(impatient.permit.lock().unwrap().is_none(), "overdrawn");
        drop(kept);
        none_left(&throttle);
    });
}

#[test]
fn what_is_granted_to_one_who_gives_up_goes_back() {
    explore::schedules(20_000, || {
        let throttle = Throttle::new(10);
        let held = throttle.try_take(10).unwrap();
        let impatient = Arc::new(Slot::default());
        let Err(place) = impatient.ask(&throttle, 10) else { panic!("overdrawn") };
        let patient = Arc::new(Slot::default());
        let Err(_place) = patient.ask(&throttle, 2) else { panic!("overdrawn") };
        let gives_up = thread::spawn(move || {
            drop(place);
            // As a gate does: its slot goes with it, and whatever arrives there afterwards goes with the waker.
            drop(impatient.permit.lock().unwrap().take());
            drop(impatient);
        });
        drop(held);
        drop(patient.wait());
        gives_up.join().unwrap();
        none_left(&throttle);
    });
}

#[test]
fn a_throttle_whose_last_release_meets_a_new_waiter_wakes_it() {
    explore::all(100_000, || {
        let throttle = Throttle::new(1);
        let held = throttle.try_take(1).unwrap();
        let releases = thread::spawn(move || drop(held));
        let slot = Arc::new(Slot::default());
        let permit = match slot.ask(&throttle, 1) {
            Ok(permit) => permit,
            Err(_wait) => slot.wait(),
        };
        drop(permit);
        releases.join().unwrap();
        none_left(&throttle);
    });
}

#[test]
fn those_who_queue_are_served_in_order_and_never_overtaken() {
    explore::schedules(20_000, || {
        let throttle = Throttle::new(10);
        let held = [5, 3, 2].map(|units| throttle.try_take(units).unwrap());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let waits: Vec<_> = [3, 1, 4, 2]
            .into_iter()
            .enumerate()
            .map(|(place, units)| {
                let (checked, kept) = (Arc::clone(&throttle), Arc::clone(&kept));
                let wait = throttle.take_or_wait(units, move |permit| {
                    // Calls of two releasing threads may cross, but only once both have left the queue.
                    let waiting = checked.lock().queue.front().map(|waiter| waiter.id);
                    assert!(waiting.is_none_or(|id| id > place as u64), "{place} was served before {waiting:?}");
                    within(&checked);
                    kept.lock().unwrap().push(permit);
                });
                wait.err().unwrap()
            })
            .collect();
        let mut threads = Vec::from(held.map(|permit| thread::spawn(move || drop(permit))));
        let newcomer = Arc::clone(&throttle);
        // All of the budget is spoken for.
        threads.push(thread::spawn(move || assert!(newcomer.try_take(1).is_none(), "overtaken")));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(kept.lock().unwrap().len(), waits.len(), "the budget is free, and somebody still waits");
        kept.lock().unwrap().clear();
        none_left(&throttle);
    });
}
