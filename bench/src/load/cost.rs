//! What counting and timing costs itself: measured in the process that will do it, before anything is connected.

use std::time::Instant;

use msgr_reports::record::Workload;

use super::Recorder;
use crate::serve::Tally;

/// Messages of one batch, long enough that reading the clock around it is nothing.
const BATCH: u64 = 2000;

/// Batches; the fastest counts, since what slows one down is not the harness.
const BATCHES: usize = 9;

/// Nanoseconds that both sides together spend on a message to count it and to time it.
pub(super) fn per_message(workload: Workload) -> f64 {
    let tally = Tally::default();
    let counting = || tally.add(1);
    let recorder = match workload {
        Workload::Stream => return fastest(|_| counting()),
        Workload::PingPong => Recorder::new(1, 1, 0),
        Workload::UnderLoad => Recorder::open(1, 0),
    };
    recorder.first(0);
    recorder.measure();
    let due = recorder.now();
    fastest(|number| {
        counting();
        if workload == Workload::UnderLoad {
            let slot = recorder.offered(number, due).map_or(0, |(slot, _)| slot);
            recorder.replied(u64::from(slot));
        } else {
            recorder.replied(0);
        }
    })
}

fn fastest(mut act: impl FnMut(u64)) -> f64 {
    let mut number = 0;
    let mut batch = || {
        let from = Instant::now();
        for _ in 0..BATCH {
            act(number);
            number += 1;
        }
        from.elapsed().as_nanos() as f64 / BATCH as f64
    };
    (0..BATCHES).map(|_| batch()).fold(f64::INFINITY, f64::min)
}
