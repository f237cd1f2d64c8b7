//! What the data say, in plain words: one sentence each, with the rule that allowed it.
//!
//! A finding is made only when its rule holds; data that do not support one stay silent. Differences are claimed from
//! the spread between rounds, never from one round.

mod allocations;
mod contest;
mod floor;
mod growth;
mod memory;
mod threads;

use super::group::{Cell, Group};
use super::interval::Interval;
use super::metric::Metric;
use crate::format::{self, Quantity};

/// Rounds without which no difference is claimed: with two, complete separation happens by chance once in three
/// times; with three, once in ten.
pub(crate) const ROUNDS_MIN: usize = 3;

/// Values beyond a percentile without which no sentence is built on it.
pub(crate) const TAIL_VALUES_MIN: f64 = 100.0;

/// One sentence about the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is about, in one word.
    pub(crate) topic: &'static str,
    /// The sentence, with its numbers.
    pub(crate) text: String,
    /// The rule that allowed it.
    pub(crate) rule: String,
}

/// Everything that the samples of one workload and size support, the most telling first.
pub(crate) fn of(group: &Group<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(threads::finding(group));
    findings.extend(memory::finding(group));
    findings.extend(floor::findings(group));
    findings.extend(contest::findings(group));
    findings.extend(growth::finding(group));
    findings.extend(allocations::finding(group));
    findings
}

/// Whether a cell has enough values beyond the percentile that `metric` is; true for what is no percentile.
fn tail_is_thick(cell: &Cell<'_>, metric: Metric) -> bool {
    metric
        .quantile()
        .is_none_or(|quantile| cell.recorded() as f64 * (1.0 - quantile) >= TAIL_VALUES_MIN)
}

/// `1.15×–1.30× over 3 rounds`, or `one round`.
fn ratio_spread(interval: &Interval) -> String {
    spread(interval, format::ratio)
}

/// The same for a quantity.
fn quantity_spread(interval: &Interval, quantity: Quantity) -> String {
    spread(interval, |value| quantity.show(value))
}

fn spread(interval: &Interval, show: impl Fn(f64) -> String) -> String {
    if interval.rounds < 2 {
        return "one round".to_string();
    }
    let (low, high) = (show(interval.low), show(interval.high));
    let over = format::plural(interval.rounds as u64, "round");
    if low == high {
        format!("in all {over}")
    } else {
        format!("{low}–{high} over {over}")
    }
}
