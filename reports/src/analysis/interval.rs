//! How far a figure moves from one round to the next.
//!
//! A round is a fresh pair of processes, so the spread between rounds holds what the spread inside one process hides:
//! placement on CPUs, memory layout, other load on the machine.

use super::signed_rank;

/// Chance that the interval holds the true median of rounds, from the round on where it can be asked for.
const COVERAGE: f64 = 0.95;

/// Rounds from which an order-statistic interval of [`COVERAGE`] exists: 1 − 2 · (1/2)^6 = 0.969.
const ORDER_STATISTIC_ROUNDS: usize = 6;

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Smallest and largest round: too few rounds for anything better.
    Extremes,
    /// The narrowest pair of order statistics that holds the median with a chance of [`COVERAGE`].
    OrderStatistics,
    /// The exact signed-rank bounds of ratios.
    SignedRank,
}

/// The spread of a figure over rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// Lower end.
    pub(crate) low: f64,
    /// Median over the rounds; of ratios the estimate of Hodges and Lehmann.
    pub(crate) median: f64,
    /// Upper end.
    pub(crate) high: f64,
    /// Rounds it rests on.
    pub(crate) rounds: usize,
    /// Where the ends come from.
    pub(crate) rule: Rule,
}

impl Interval {
    /// The interval of one figure per round; `None` without a round. Figures that are not finite are left out.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>) -> Option<Interval> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let rounds = sorted.len();
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let median = (sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2.0;
        if rounds < ORDER_STATISTIC_ROUNDS {
            return Some(Interval { low: first, median, high: last, rounds, rule: Rule::Extremes });
        }
        let cut = trimmed(rounds);
        let (low, high) = (sorted[cut], sorted[rounds - 1 - cut]);
        Some(Interval { low, median, high, rounds, rule: Rule::OrderStatistics })
    }

    /// The interval of one ratio per round, from their logarithms; `None` without a round. Both figures of a ratio were
    /// measured close together, so ratios scatter alike on both sides, and all pairs of rounds can speak.
    pub(crate) fn of_ratios(ratios: impl IntoIterator<Item = f64>) -> Option<Interval> {
        let ratios: Vec<f64> = ratios.into_iter().filter(|ratio| ratio.is_finite() && *ratio > 0.0).collect();
        let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let Some(shift) = signed_rank::shift(&logarithms, (1.0 - COVERAGE) / 2.0) else {
            return Interval::over(ratios);
        };
        let (low, median, high) = (shift.low.exp(), shift.estimate.exp(), shift.high.exp());
        Some(Interval { low, median, high, rounds: ratios.len(), rule: Rule::SignedRank })
    }

    /// Whether both intervals share a value.
    pub(crate) fn overlaps(&self, other: &Interval) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// Whether it holds `value`.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// What the interval of a ratio is, in words.
    pub(crate) fn describe_ratio(rounds: usize) -> String {
        match rounds {
            n if n < signed_rank::PAIRS_MIN => Interval::describe(n),
            n => format!("95 % signed-rank interval of {n} rounds"),
        }
    }

    /// What the interval is, in words: `min–max of 3 rounds`.
    pub(crate) fn describe(rounds: usize) -> String {
        match rounds {
            0 | 1 => "one round, so no interval".to_string(),
            n if n < ORDER_STATISTIC_ROUNDS => format!("smallest to largest of {n} rounds"),
            n => format!("95 % order-statistic interval of the median of {n} rounds"),
        }
    }
}

/// Order statistics that may be cut off each end: the largest `k` for which the chance that fewer than `k + 1` of
/// `rounds` fair coins show heads, counted on both ends, stays within `1 − COVERAGE`.
fn trimmed(rounds: usize) -> usize {
    // Probability of exactly i heads, from i = 0 on.
    let mut exactly = 0.5_f64.powi(rounds as i32);
    let mut tail = exactly;
    let mut cut = 0;
    for i in 1..=rounds / 2 {
        exactly *= (rounds - i + 1) as f64 / i as f64;
        tail += exactly;
        if 2.0 * tail > 1.0 - COVERAGE {
            break;
        }
        cut = i;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_enough_rounds_have_signed_rank_bounds_and_of_few_their_extremes() {
        let interval = Interval::of_ratios([1.9, 2.1, 2.0, 1.95, 2.05, 2.0, 40.0]).unwrap();
        assert_eq!(interval.rule, Rule::SignedRank);
        assert!((interval.median - 2.0).abs() < 0.05 && interval.low > 1.89, "{interval:?}");
        assert_eq!(Interval::of_ratios([1.0, 3.0]).unwrap().rule, Rule::Extremes);
        assert_eq!(Interval::of_ratios([0.0, f64::NAN]), None);
    }

    #[test]
    fn few_rounds_give_their_extremes() {
        let interval = Interval::over([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((interval.low, interval.median, interval.high), (1.0, 2.0, 3.0));
        assert_eq!((interval.rounds, interval.rule), (3, Rule::Extremes));
    }

    #[test]
    fn cut_order_statistics_match_the_published_table() {
        // Tables of distribution-free 95 % intervals of a median: n = 6..8 cut 0, 9..11 cut 1, 20 cuts 5, 25 cuts 7.
        let cuts = [6, 8, 9, 11, 12, 20, 25].map(trimmed);
        assert_eq!(cuts, [0, 0, 1, 1, 2, 5, 7]);
    }

    #[test]
    fn a_round_without_a_figure_is_left_out() {
        assert_eq!(Interval::over([f64::NAN, 4.0]).unwrap().rounds, 1);
        assert_eq!(Interval::over([f64::INFINITY]), None);
        assert_eq!(Interval::over([]), None);
    }

    #[test]
    fn an_even_number_of_rounds_has_the_mean_of_the_middle_two_as_median() {
        assert_eq!(Interval::over([1.0, 2.0, 4.0, 9.0]).unwrap().median, 3.0);
    }
}
