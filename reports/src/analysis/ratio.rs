//! Ratios of two kinds in the same run, paired round by round.
//!
//! The machine drifts between rounds; within a round both were measured close together, so the ratio of a round is
//! worth more than the ratio of two medians.

use std::collections::BTreeMap;

use super::along::Place;
use super::group::Group;
use super::interval::Interval;
use super::kind::Kind;
use super::metric::Metric;

/// The per-round ratios `of / to` of a figure at one place; `None` when no round has both, in a state to be compared.
pub(crate) fn paired(group: &Group<'_>, of: &Kind, to: &Kind, place: Place, metric: Metric) -> Option<Interval> {
    let of = group.cell(of, place)?;
    let to: BTreeMap<u32, f64> = group.cell(to, place)?.comparable(metric).collect();
    let pairs = of.comparable(metric).filter_map(|(round, value)| Some(value / to.get(&round)?));
    Interval::of_ratios(pairs)
}
