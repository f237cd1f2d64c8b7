//! What the data say, in plain words: one sentence each, with the rule that allowed it.
//!
//! A finding is made only when its rule holds; data that do not support one stay silent. Differences are claimed from
//! the spread between rounds, never from one round.

mod allocations;
mod contest;
mod floor;
mod growth;
mod memory;
mod neighbour;
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

/// How ratios are estimated from those of the rounds, for the rules.
const ESTIMATES: &str = "Hodges-Lehmann estimates (up to five rounds: medians)";

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
    findings.extend(neighbour::findings(group));
    findings.extend(contest::findings(group));
    findings.extend(growth::finding(group));
    findings.extend(allocations::finding(group));
    findings
}

/// Whether a sentence may be built on a figure of a cell: of a percentile it must have enough values beyond it, and may not
/// have been overloaded.
fn is_fit(cell: &Cell<'_>, metric: Metric) -> bool {
    let enough = |quantile: f64| cell.recorded() as f64 * (1.0 - quantile) >= TAIL_VALUES_MIN;
    metric.quantile().is_none_or(|quantile| enough(quantile) && !cell.is_overloaded())
}

/// The spread of a ratio without its sign, which its median has: `1.15–1.30`, or `one round`.
pub(crate) fn ratio_spread(interval: &Interval) -> String {
    spread(interval, |value| format::ratio(value).trim_end_matches('×').to_string())
}

/// The spread of a quantity in the unit that its median has.
fn quantity_spread(interval: &Interval, quantity: Quantity) -> String {
    let unit = quantity.unit_for(interval.median);
    spread(interval, |value| format::number(value / unit.factor))
}

fn spread(interval: &Interval, show: impl Fn(f64) -> String) -> String {
    if interval.rounds < 2 {
        return "one round".to_string();
    }
    let (low, high) = (show(interval.low), show(interval.high));
    if low == high { "all rounds alike".to_string() } else { format!("{low}–{high}") }
}

/// What ends a sentence whose figures rest on so many rounds each: ` over 3 rounds`, or ` over 2 to 3 rounds`.
fn over_rounds(rounds: &[usize]) -> String {
    match (rounds.iter().min(), rounds.iter().max()) {
        (Some(fewest), Some(most)) if fewest < most => format!(" over {fewest} to {most} rounds"),
        (_, Some(most)) if *most > 1 => format!(" over {most} rounds"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Beside, Neighbour};
    use crate::testing::Builder;

    #[test]
    fn every_rule_about_ratios_says_how_they_are_estimated() {
        let all = |sample: &mut crate::record::Sample| {
            Builder::constant_latency(sample, 20_000, 20_000);
            sample.server.cpu_user_us = 100_000;
        };
        let run = Builder::default().each(&["simple", "async", "tcp"], &[4, 64], 7, all).build();
        let beside = Builder::default().each(&["async"], &[4], 7, all).each(&["async"], &[4], 7, |sample| {
            all(sample);
            let what = Neighbour::Flood;
            sample.beside = Some(Beside { what, peers: 1, size: 4096, per_s: 9.0, latency: None });
        });
        let runs = [run, beside.build()];
        let findings: Vec<Finding> = runs.iter().flat_map(Group::all).flat_map(|group| of(&group)).collect();
        for topic in ["Floor", "Latency", "CPU", "Growth", "Neighbour"] {
            let finding = findings.iter().find(|finding| finding.topic == topic).unwrap();
            assert!(finding.rule.contains("Hodges-Lehmann estimates (up to five rounds: medians)"), "{finding:?}");
        }
    }
}
