//! Two records of the same points: what changed from one to the other, by the ratios to the floor.
//!
//! The machine differs between two runs more than most changes to a program do; the ratio to bare sockets of the same round
//! does not. Points without a floor (threads, memory, what the floor does not do) are compared as they are.

use super::along::Place;
use super::group::Group;
use super::interval::Interval;
use super::kind::Kind;
use super::metric::Metric;
use super::ratio::paired;
use crate::format;
use crate::record::{Run, Workload};

/// What a change of a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The intervals overlap: no change that these rounds could show.
    None,
    /// Better in the second record.
    Better,
    /// Worse in the second record.
    Worse,
}

/// One figure at one place in both records.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Messenger.
    pub messenger: String,
    /// CSS class of the messenger.
    pub(crate) class: &'static str,
    /// Where: `at 64 peers`.
    pub place: String,
    /// What: `p99 round trip`.
    pub figure: &'static str,
    /// The percentile that it is, from 0 to 1.
    pub(crate) quantile: Option<f64>,
    /// In the first record: ratio to the floor.
    pub(crate) before: Interval,
    /// In the second.
    pub(crate) after: Interval,
    /// What became of it.
    pub change: Change,
}

impl Pair {
    /// The ratio to the floor in the first record and in the second.
    #[must_use]
    pub fn medians(&self) -> (f64, f64) {
        (self.before.median, self.after.median)
    }
}

/// The pairs of one group that both records have.
pub(crate) struct Matched {
    pub(crate) title: String,
    pub(crate) pairs: Vec<Pair>,
}

/// Everything that two records have in common.
pub struct Comparison {
    pub(crate) groups: Vec<Matched>,
    /// Groups and points of the first that the second lacks, or the other way round.
    pub unmatched: usize,
}

/// Compares two records.
#[must_use]
pub fn compare(before: &Run, after: &Run) -> Comparison {
    let (before, after) = (Group::all(before), Group::all(after));
    let mut groups = Vec::new();
    let mut unmatched = 0;
    for one in &before {
        match after.iter().find(|two| two.title() == one.title() && two.along == one.along) {
            Some(two) => {
                let (pairs, missing) = pairs(one, two);
                unmatched += missing;
                groups.push(Matched { title: one.title(), pairs });
            }
            None => unmatched += 1,
        }
    }
    unmatched += after.iter().filter(|two| before.iter().all(|one| one.title() != two.title())).count();
    Comparison { groups, unmatched }
}

impl Comparison {
    /// Every pair.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.groups.iter().flat_map(|group| &group.pairs)
    }

    /// What it comes to, a sentence each.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let all = self.pairs().count();
        if all == 0 {
            return vec!["The two records have no point in common that has a floor.".to_string()];
        }
        let same = self.pairs().filter(|pair| pair.change == Change::None).count();
        let share = same as f64 / all as f64;
        let mut said = vec![format!(
            "{} of {} intervals of ratios to the floor overlap ({}).",
            format::count(same as u64),
            format::count(all as u64),
            format::percent(share)
        )];
        for (quantile, name) in [(0.5, "p50"), (0.99, "p99")] {
            let widths = self.pairs().filter(|pair| pair.quantile == Some(quantile));
            let widths = widths.flat_map(|pair| [half_width(&pair.before), half_width(&pair.after)]);
            if let Some(width) = Interval::over(widths) {
                said.push(format!(
                    "Half an interval of {name} is {} of the ratio in the median.",
                    format::percent(width.median)
                ));
            }
        }
        if self.unmatched > 0 {
            said.push(format!(
                "Groups or points that only one of the records has: {}.",
                format::count(self.unmatched as u64)
            ));
        }
        said
    }
}

/// Half the width of an interval, as a share of its middle.
fn half_width(interval: &Interval) -> f64 {
    (interval.high - interval.low) / 2.0 / interval.median
}

/// The figures that both groups have, and how many only one of them has.
fn pairs(before: &Group<'_>, after: &Group<'_>) -> (Vec<Pair>, usize) {
    let metrics: &[Metric] = match before.workload {
        Workload::PingPong | Workload::UnderLoad => &[Metric::P50, Metric::P99, Metric::Throughput],
        Workload::Stream => &[Metric::Throughput],
    };
    let mut pairs = Vec::new();
    let mut missing = 0;
    for kind in before.messengers() {
        for (number, place) in before.places.iter().copied().enumerate() {
            for metric in metrics.iter().copied() {
                let one = to_floor(before, kind, place, metric);
                // Rates are shares of each run's own ceiling: the same share is the same place.
                let there = if before.share(place).is_some() { after.places.get(number).copied() } else { Some(place) };
                let two = there.and_then(|place| to_floor(after, kind, place, metric));
                match (one, two) {
                    (Some(one), Some(two)) => pairs.push(pair(before, kind, place, metric, one, two)),
                    (None, None) => {}
                    _ => missing += 1,
                }
            }
        }
    }
    (pairs, missing)
}

fn to_floor(group: &Group<'_>, kind: &Kind, place: Place, metric: Metric) -> Option<Interval> {
    paired(group, kind, group.floor()?, place, metric)
}

fn pair(group: &Group<'_>, kind: &Kind, place: Place, metric: Metric, before: Interval, after: Interval) -> Pair {
    let change = match (before.overlaps(&after), (after.median > before.median) == metric.more_is_better()) {
        (true, _) => Change::None,
        (false, true) => Change::Better,
        (false, false) => Change::Worse,
    };
    let place = group.share(place).map_or_else(|| group.along.at(&[place]), |percent| format!("at {percent} %"));
    Pair {
        messenger: kind.label().to_string(),
        class: kind.slot.class(),
        place,
        figure: metric.noun(),
        quantile: metric.quantile(),
        before,
        after,
        change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Builder;

    fn run(ns: u64) -> Run {
        Builder::default()
            .each(&["async", "tcp"], &[1, 4], 7, |sample| {
                let own = if sample.messenger == "tcp" { 20_000 } else { ns };
                Builder::constant_latency(sample, own + u64::from(sample.round) * 100, 20_000);
            })
            .build()
    }

    #[test]
    fn the_same_run_twice_has_changed_nothing() {
        let comparison = compare(&run(30_000), &run(30_000));
        assert!(comparison.pairs().all(|pair| pair.change == Change::None));
        assert!(comparison.summary()[0].starts_with("6 of 6 intervals"), "{:?}", comparison.summary());
    }

    #[test]
    fn a_slower_messenger_is_worse_and_a_faster_one_better() {
        let change = |before, after| {
            let comparison = compare(&run(before), &run(after));
            comparison.pairs().find(|pair| pair.figure == "median round trip").map(|pair| pair.change)
        };
        assert_eq!(change(30_000, 40_000), Some(Change::Worse));
        assert_eq!(change(40_000, 30_000), Some(Change::Better));
    }

    #[test]
    fn what_only_one_record_has_is_counted() {
        let mut less = run(30_000);
        less.samples.retain(|sample| sample.peers == 1);
        let comparison = compare(&run(30_000), &less);
        assert_eq!((comparison.pairs().count(), comparison.unmatched), (3, 3));
        assert!(comparison.summary().last().is_some_and(|text| text.ends_with("has: 3.")));
    }
}
