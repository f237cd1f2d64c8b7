//! Throttles under scheduled threads: never over budget, first come first served, and nobody waits for room that is there.

use super::{Permit, Throttle, Wait};
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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
        let held = throttle.try_take(10).unwrap();
        // The first of the queue wants more than is left once the second would fit.
        let impatient = Arc::new(Slot::default());
        let Err(place) = impatient.ask(&throttle, 10) else { panic!("overdrawn") };
        let patient = Arc::new(Slot::default());
        let Err(_place) = patient.ask(&throttle, 2) else { panic!("overdrawn") };
        let small = thread::spawn({
            let throttle = Arc::clone(&throttle);
            // A newcomer, who may find room or not, and does not wait.
            move || drop(throttle.try_take(1))
        });
        let gives_up = thread::spawn(move || {
            drop(place);
            // What was granted meanwhile.
            drop(impatient.permit.lock().unwrap().take());
        });
        drop(held);
        drop(patient.wait());
        gives_up.join().unwrap();
        small.join().unwrap();
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
fn nobody_is_granted_before_those_who_queued_earlier() {
    explore::schedules(20_000, || {
        let throttle = Throttle::new(10);
        let held = [5, 3, 2].map(|units| throttle.try_take(units).unwrap());
        let served = Arc::new(AtomicUsize::new(0));
        let waits: Vec<_> = [9, 1, 4, 1]
            .into_iter()
            .enumerate()
            .map(|(place, units)| {
                let (checked, served) = (Arc::clone(&throttle), Arc::clone(&served));
                let wait = throttle.take_or_wait(units, move |permit| {
                    // Calls of two releasing threads may cross, but only once both have left the queue.
                    let waiting = checked.lock().queue.front().map(|waiter| waiter.id);
                    assert!(waiting.is_none_or(|id| id > place as u64), "{place} was served before {waiting:?}");
                    within(&checked);
                    served.fetch_add(1, SeqCst);
                    drop(permit);
                });
                wait.err().unwrap()
            })
            .collect();
        let releases = held.map(|permit| thread::spawn(move || drop(permit)));
        releases.into_iter().for_each(|release| release.join().unwrap());
        assert_eq!(served.load(SeqCst), waits.len(), "the budget is free, and somebody still waits");
        none_left(&throttle);
    });
}
