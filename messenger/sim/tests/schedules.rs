//! Some schedules of the simulation, of which `just sim` plays more.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use msgr_sim::schedule;

#[test]
fn every_promise_holds_in_the_first_schedules() {
    for seed in 0..1500 {
        if let Err(violation) = schedule::run(seed, false) {
            panic!("seed {seed}: {}; replay it with: just sim --seed {seed} --trace", violation.what);
        }
    }
}

#[test]
fn a_schedule_is_the_same_every_time() {
    for seed in 0..100 {
        assert_eq!(schedule::run(seed, false), schedule::run(seed, false), "seed {seed}");
    }
}
