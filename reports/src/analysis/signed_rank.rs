//! Wilcoxon's signed-rank statistic: an estimate of a shift from paired differences, and its exact bounds.
//!
//! No normality is assumed, only that differences scatter alike above and below the shift; a few wild rounds move neither the
//! estimate nor the bounds far. Hollander and Wolfe, Nonparametric Statistical Methods, chapter 3.

/// Pairs from which bounds at 95 % exist: with five, even the most extreme ranks leave 2 · (1/2)^5 = 6 %.
pub(crate) const PAIRS_MIN: usize = 6;

/// An estimated shift with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// Lower bound.
    pub(crate) low: f64,
    /// The estimate of Hodges and Lehmann: the median of the averages of all pairs of differences.
    pub(crate) estimate: f64,
    /// Upper bound.
    pub(crate) high: f64,
}

/// The shift of `differences`, with bounds that hold it with a chance of at least `1 - 2 * alpha`; `None` when there are too
/// few for such bounds.
pub(crate) fn shift(differences: &[f64], alpha: f64) -> Option<Shift> {
    Averages::of(differences).shift(alpha)
}

/// The averages of each difference with itself and with every other, which several bounds can be read off.
pub(crate) struct Averages {
    ascending: Vec<f64>,
    differences: usize,
}

impl Averages {
    /// The averages of `differences`. Memory and time grow with the square of their number: at a hundred there are 5050.
    pub(crate) fn of(differences: &[f64]) -> Averages {
        let pairs =
            differences.iter().enumerate().flat_map(|(i, one)| differences[i..].iter().map(move |two| (one, two)));
        let mut ascending: Vec<f64> = pairs.map(|(one, two)| (one + two) / 2.0).collect();
        ascending.sort_by(f64::total_cmp);
        Averages { ascending, differences: differences.len() }
    }

    /// The estimate with bounds that miss the shift with a chance of at most `alpha` on either side; `None` when there
    /// are too few differences for such bounds.
    pub(crate) fn shift(&self, alpha: f64) -> Option<Shift> {
        let cut = outside(self.differences, alpha)?;
        let last = self.ascending.len().checked_sub(1 + cut)?;
        Some(Shift {
            low: *self.ascending.get(cut)?,
            estimate: median(&self.ascending)?,
            high: *self.ascending.get(last)?,
        })
    }
}

/// Averages that lie outside the bounds on either side: the largest `c` with P(T < c) at most `alpha`, T being the sum of the
/// ranks that fair coins choose out of `1..=pairs`. `None` when even the outermost average is too likely to miss.
fn outside(pairs: usize, alpha: f64) -> Option<usize> {
    let sums = pairs * (pairs + 1) / 2;
    // Chance of each sum, rank by rank.
    let mut chance = vec![0.0; sums + 1];
    chance[0] = 1.0;
    for rank in 1..=pairs {
        for sum in (0..=sums).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = (chance[sum] + with) / 2.0;
        }
    }
    let mut below = 0.0;
    let within = chance.iter().take_while(|chance| {
        below += **chance;
        below <= alpha
    });
    // P(T < c) is the chance of the sums 0 to c - 1; the average number c, from 0, is the first that may not be cut.
    within.count().checked_sub(1)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let count = sorted.len();
    Some((sorted.get(count.checked_sub(1)? / 2)? + sorted.get(count / 2)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_match_the_published_table() {
        // Two-sided 5 %: the largest T that is significant, for n = 6 to 10, 15, 20 and 25.
        let table = [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52), (25, 89)];
        for (pairs, critical) in table {
            assert_eq!(outside(pairs, 0.025), Some(critical), "n = {pairs}");
        }
        assert_eq!(outside(PAIRS_MIN - 1, 0.025), None);
    }

    #[test]
    fn one_sided_critical_values_match_the_published_table_up_to_a_hundred_pairs() {
        // One-sided 5, 2.5, 1 and 0.5 %.
        let table = [
            (20, [60, 52, 43, 37]),
            (30, [151, 137, 120, 109]),
            (40, [286, 264, 238, 220]),
            (50, [466, 434, 397, 373]),
            (60, [690, 648, 600, 567]),
            (100, [2045, 1955, 1850, 1779]),
        ];
        for (pairs, critical) in table {
            let found = [0.05, 0.025, 0.01, 0.005].map(|alpha| outside(pairs, alpha));
            assert_eq!(found, critical.map(Some), "n = {pairs}");
        }
    }

    #[test]
    fn bounds_of_different_chances_are_read_off_the_same_averages() {
        let differences: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        let averages = Averages::of(&differences);
        let (sure, likely) = (averages.shift(0.0025).unwrap(), averages.shift(0.05).unwrap());
        assert_eq!((sure.estimate, likely.estimate), (49.5, 49.5));
        assert!(sure.low < likely.low && likely.high < sure.high, "{sure:?} {likely:?}");
        assert_eq!(shift(&differences, 0.05), Some(likely));
    }

    #[test]
    fn a_shift_of_everything_is_the_estimate() {
        let shift = shift(&[4.0, 5.0, 6.0, 4.5, 5.5, 5.2, 4.8], 0.025).unwrap();
        assert_eq!(shift.estimate, 5.0);
        assert!(shift.low > 4.0 && shift.high < 6.0, "{shift:?}");
    }

    #[test]
    fn one_wild_difference_moves_neither_estimate_nor_bounds_far() {
        let wild = shift(&[1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.0, 1000.0], 0.025).unwrap();
        assert!((wild.estimate - 1.0).abs() < 0.1 && wild.low > 0.8, "{wild:?}");
    }
}
