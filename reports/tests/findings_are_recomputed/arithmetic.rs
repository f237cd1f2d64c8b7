//! Medians, spreads and ratios from first principles: chances are counted by tossing every coin in every way.

/// Chance that the bounds of a spread may miss what they are to hold, both sides together.
const MISS_MAX: f64 = 0.05;

/// Most rounds whose coins are tossed in every way: 2^12 ways are counted in no time.
const ROUNDS_MAX: usize = 12;

/// What the rounds say of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    pub(crate) fn is_apart_from(&self, other: &Spread) -> bool {
        self.high < other.low || other.high < self.low
    }
}

/// The median; of an even number, the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// The median of one figure a round, between the extremes, or further in where enough rounds allow it: as many are left out
/// on either side as coins that show heads no more often than bounds may miss. `None` without a round.
pub(crate) fn of_figures(values: &[f64]) -> Option<Spread> {
    let (rounds, mut sorted) = (values.len(), values.to_vec());
    sorted.sort_by(f64::total_cmp);
    let heads: Vec<usize> = every_toss(rounds).map(|toss| toss.count_ones() as usize).collect();
    let miss = |left_out: usize| 2.0 * share(&heads, |heads| heads <= left_out);
    let left_out = (0..rounds / 2).take_while(|left_out| miss(*left_out) <= MISS_MAX).last().unwrap_or(0);
    let (low, high) = (*sorted.get(left_out)?, *sorted.get(rounds - 1 - left_out)?);
    Some(Spread { low, middle: median(values), high, rounds })
}

/// The Hodges-Lehmann estimate of one ratio a round, between the factors that a signed-rank test does not refuse; the median
/// and the extremes where no such test can refuse anything.
pub(crate) fn of_ratios(ratios: &[f64]) -> Option<Spread> {
    let rounds = ratios.len();
    if 2.0 / every_toss(rounds).count() as f64 > MISS_MAX {
        let by_size = |pick: fn(f64, f64) -> f64| ratios.iter().copied().reduce(pick);
        return Some(Spread { low: by_size(f64::min)?, middle: median(ratios), high: by_size(f64::max)?, rounds });
    }
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mut halfway: Vec<f64> = Vec::new();
    for (i, one) in logs.iter().enumerate() {
        halfway.extend(logs[i..].iter().map(|two| (one + two) / 2.0));
    }
    halfway.sort_by(f64::total_cmp);
    // The test changes its mind only where a shift crosses a point halfway between two rounds, so one shift between each two
    // neighbouring points stands for all of them.
    let sums: Vec<usize> = every_toss(rounds).map(sum_of_ranks).collect();
    let kept: Vec<(f64, f64)> = halfway
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(from, to)| to - from > f64::EPSILON && !is_refused(&logs, (from + to) / 2.0, &sums))
        .collect();
    // Rounds that are all alike have no room between them.
    let (low, high) = match (kept.first(), kept.last()) {
        (Some((low, _)), Some((_, high))) => (*low, *high),
        _ => (halfway[0], halfway[halfway.len() - 1]),
    };
    Some(Spread { low: low.exp(), middle: median(&halfway).exp(), high: high.exp(), rounds })
}

/// Whether the signed-rank test refuses that `values` scatter around `shift`; `sums` has the outcome of every toss.
fn is_refused(values: &[f64], shift: f64, sums: &[usize]) -> bool {
    let mut off: Vec<f64> = values.iter().map(|value| value - shift).collect();
    off.sort_by(|one, two| one.abs().total_cmp(&two.abs()));
    let above: usize = off.iter().zip(1..).filter(|(off, _)| **off > 0.0).map(|(_, rank)| rank).sum();
    share(sums, |sum| sum <= above) <= MISS_MAX / 2.0 || share(sums, |sum| sum >= above) <= MISS_MAX / 2.0
}

/// Every way in which a coin for each round can fall, a bit each.
fn every_toss(rounds: usize) -> std::ops::Range<u32> {
    assert!(rounds <= ROUNDS_MAX, "{rounds} rounds are too many to toss every coin in every way");
    0..1 << rounds
}

/// The sum of the ranks, from 1, that show heads.
fn sum_of_ranks(toss: u32) -> usize {
    (0..u32::BITS).filter(|bit| toss >> bit & 1 == 1).map(|bit| bit as usize + 1).sum()
}

fn share(outcomes: &[usize], is_one: impl Fn(usize) -> bool) -> f64 {
    outcomes.iter().filter(|outcome| is_one(**outcome)).count() as f64 / outcomes.len() as f64
}

#[test]
fn seven_rounds_have_the_bounds_of_the_published_tables() {
    // The critical value of the signed-rank test at 5 %, both sides, is 2: the third average from either end is a bound.
    let ratios: Vec<f64> = [0.0, 1.0, 3.0, 7.0, 12.0, 20.0, 30.0].map(f64::exp).to_vec();
    let spread = of_ratios(&ratios).unwrap();
    let logs = [spread.low, spread.middle, spread.high].map(|it| (it.ln() * 1e6).round() / 1e6);
    // The averages begin with 0, 0.5, 1 and end with 21, 25, 30; half of the 28 lie below 9.
    assert_eq!(logs[0], 1.0);
    assert_eq!(logs[2], 21.0);
    let spread = of_figures(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).unwrap();
    assert_eq!((spread.low, spread.middle, spread.high), (1.0, 4.0, 7.0));
    let spread = of_figures(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).unwrap();
    assert_eq!((spread.low, spread.high), (2.0, 8.0));
}
