//! What a run prints.

use std::process::ExitCode;
use std::time::Duration;

use msgr::coverage::Counts;
use msgr_sim::schedule::Outcome;

/// Schedules from which on a run counts as a full one.
pub(crate) const FULL_RUN: u64 = 1_000_000;
/// How often a full run must reach each part of the protocol.
pub(crate) const FULL_REACH: u64 = 1000;

/// Prints the figures of a run; fails when something was reached that must not be, or less than `reach` times.
pub(crate) fn print(
    outcome: &Outcome,
    counts: &Counts,
    schedules: u64,
    took: Duration,
    reach: Option<u64>,
) -> ExitCode {
    let mean = |sum: u64| sum as f64 / schedules as f64;
    println!("{:>12}  how often reached", "times");
    let mut faults = Vec::new();
    for (name, expected, times) in counts.points() {
        if expected {
            println!("{times:>12}  {name}");
            if let Some(reach) = reach.filter(|reach| times < *reach) {
                faults.push(format!("{name}: reached {times} times, less than {reach}"));
            }
        } else if times > 0 {
            faults.push(format!("{name}: reached {times} times, and must not be"));
        }
    }
    println!(
        "{schedules} schedules in {:.1} s, {:.0} a second",
        took.as_secs_f64(),
        schedules as f64 / took.as_secs_f64()
    );
    println!(
        "in the mean: {:.1} and {:.1} messages each way, {:.1} faults, {:.1} dials, {:.0} turns",
        mean(outcome.messages[0]),
        mean(outcome.messages[1]),
        mean(outcome.faults),
        mean(outcome.wires),
        mean(outcome.turns)
    );
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
