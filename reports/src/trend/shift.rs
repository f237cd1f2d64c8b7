//! Where a level changed for good, in a series in which no two jobs measure the same.
//!
//! Every split of a series is asked how many pairs of a job before and a job after it agree on the direction: Mann and Whitney's
//! statistic over its standard deviation, of which the largest counts, as in Pettitt's test (A non-parametric approach to the
//! change-point problem, 1979). Only ranks matter, so a wild job weighs no more than another. What is found parts the series, and
//! each part is asked again.

use super::series::Point;
use crate::analysis::interval::Interval;
use crate::gate::Metric;

/// Fewest jobs on either side of a shift: fewer are a bad week of the machine, not a level.
pub(super) const SIDE_MIN: usize = 8;

/// Standard deviations from which on a split is a shift. Of a thousand series of identical programs, a hundred jobs long and with
/// the largest split counted, one reaches 4.0. A step of 20 % at a scatter of 10 % is found after some 12 jobs.
pub(super) const SCORE_MIN: f64 = 4.2;

/// Jobs on either side of a shift over which the pairs are asked what they saw: where exactly the level changed is known to
/// within a few jobs only.
const AROUND: usize = 4;

/// Share of a shift, as a logarithm, that the pairs must have seen for it to be the program's. Half: their estimates scatter too.
const SEEN_MIN: f64 = 0.5;

/// A lasting change of the level of a series.
pub(super) struct Shift {
    /// Number of the first job of the new level.
    pub(super) at: usize,
    /// Median of the level before, nanoseconds, and its jobs.
    pub(super) before: (f64, usize),
    /// The same of the level since.
    pub(super) since: (f64, usize),
}

impl Shift {
    /// The change, as a share.
    pub(super) fn change(&self) -> f64 {
        self.since.0 / self.before.0 - 1.0
    }

    /// What the pairs say changed around it; `None` where a commit there was not measured. `points` is the series that it is one
    /// of, `steps` the same of all machines: an estimate from pairs has no machine in it.
    pub(super) fn seen(&self, points: &[Point<'_>], steps: &[Point<'_>]) -> Option<Seen> {
        let step = |at: usize| steps.iter().position(|step| std::ptr::eq(step.entry, points[at].entry));
        let last = (self.at + AROUND).min(points.len()) - 1;
        let steps = &steps[step(self.at.saturating_sub(AROUND + 1))?..=step(last)?];
        let (first, after) = steps.split_first()?;
        let change = first.chain.change_to(after.last()?.chain);
        let is_it = change.ln_1p() / self.change().ln_1p() >= SEEN_MIN;
        after.iter().all(|step| step.chain.joined).then_some(Seen { change, is_it })
    }
}

/// What the pairs saw of a shift.
pub(super) struct Seen {
    /// Their change over the jobs around it, as a share.
    pub(super) change: f64,
    /// Whether that is the shift, which is the program's then and not the machine's.
    pub(super) is_it: bool,
}

/// The shifts of a series, the earliest first.
pub(super) fn find(points: &[Point<'_>], metric: Metric) -> Vec<Shift> {
    let values: Vec<f64> = points.iter().map(|point| point.figure.ns).collect();
    let mut splits = Vec::new();
    split(&values, 0, &mut splits);
    let level = |from: usize, to: usize| {
        let median = Interval::over(values[from..to].iter().copied()).map(|interval| interval.median);
        median.map(|median| (median, to - from))
    };
    let shift = |(number, at): (usize, &usize)| {
        let from = if number == 0 { 0 } else { splits[number - 1] };
        let to = splits.get(number + 1).copied().unwrap_or(values.len());
        Some(Shift { at: *at, before: level(from, *at)?, since: level(*at, to)? })
    };
    let shifts = splits.iter().enumerate().filter_map(shift);
    shifts.filter(|shift| shift.change().ln_1p().abs() >= metric.margin().ln_1p()).collect()
}

/// Adds the places where the level of `values` changes, the first of which has the number `first`, in ascending order.
fn split(values: &[f64], first: usize, splits: &mut Vec<usize>) {
    let Some(at) = best(values) else { return };
    split(&values[..at], first, splits);
    splits.push(first + at);
    split(&values[at..], first + at, splits);
}

/// The split that most speaks for two levels, if it speaks for them enough.
fn best(values: &[f64]) -> Option<usize> {
    let all = values.len();
    let order = |one: f64, two: f64| f64::from(one.total_cmp(&two) as i8);
    // How many pairs of a value before and a value after the split ascend, less those that descend.
    let mut ascent = 0.0;
    let mut best = (SCORE_MIN, None);
    for at in 1..all {
        ascent += values.iter().map(|other| order(*other, values[at - 1])).sum::<f64>();
        let (before, after) = (at as f64, (all - at) as f64);
        let deviation = (before * after * (all as f64 + 1.0) / 3.0).sqrt();
        let score = ascent.abs() / deviation;
        if at >= SIDE_MIN && all - at >= SIDE_MIN && score >= best.0 {
            best = (score, Some(at));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(values: &[f64]) -> Vec<usize> {
        let mut splits = Vec::new();
        split(values, 0, &mut splits);
        splits
    }

    /// Values that scatter by a tenth around a level of each of so many jobs.
    fn levels(levels: &[(f64, usize)]) -> Vec<f64> {
        let values = levels.iter().flat_map(|(level, jobs)| vec![*level; *jobs]);
        values.enumerate().map(|(i, level)| level * (0.9 + 0.02 * (i * 7 % 11) as f64)).collect()
    }

    #[test]
    fn each_lasting_level_is_found_where_it_begins() {
        assert_eq!(splits(&levels(&[(50.0, 20), (80.0, 20)])), [20]);
        assert_eq!(splits(&levels(&[(50.0, 20), (80.0, 20), (40.0, 20)])), [20, 40]);
    }

    #[test]
    fn a_spell_that_is_over_soon_and_single_wild_jobs_are_no_level() {
        assert_eq!(splits(&levels(&[(50.0, 20), (80.0, 5), (50.0, 20)])), [0; 0]);
        let mut wild = levels(&[(50.0, 40)]);
        wild[7] = 5_000.0;
        wild[31] = 0.1;
        assert_eq!(splits(&wild), [0; 0]);
    }

    #[test]
    fn a_series_that_is_short_or_all_the_same_has_no_shift() {
        for jobs in [0, 1, SIDE_MIN, 2 * SIDE_MIN - 1] {
            assert_eq!(splits(&levels(&[(50.0, jobs / 2), (500.0, jobs - jobs / 2)])), [0; 0]);
        }
        assert_eq!(splits(&[50.0; 60]), [0; 0]);
    }
}
