//! Every threshold of the gate, each with its reason. Whoever doubts a verdict finds here what it was held against.
//!
//! They were set on two programs whose ping-pong was measured some thousand times on a busy machine of two cores: the rule as a
//! whole called none of 372 windows of identical programs slower, and found a p50 that was 20 % slower in all of them.
//! `reports/tests/gate_alarms.rs` holds both properties on made-up series.

use super::record::Metric;

/// When a cell is looked at, and how sure one must be then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct When {
    /// Pairs measured by then.
    pub(crate) pairs: u32,
    /// Chance that the lower bound lies above the truth by accident, one-sided.
    pub(crate) alpha: f64,
}

/// The looks at a cell. Twenty pairs are the least that bounds at the first alpha are worth something from, sixty what
/// a CI job has time for (half a minute a cell). Looking thrice means three chances to err: the alphas add up
/// to 1 %, and half of it is kept for the last look, which sees most.
pub(crate) const LOOKS: [When; 3] =
    [When { pairs: 20, alpha: 0.0025 }, When { pairs: 40, alpha: 0.0025 }, When { pairs: 60, alpha: 0.005 }];

/// One-sided chance of the upper bound that lets a metric pass early: below the action level at 95 %, a regression that
/// large is unlikely, and more pairs would cost time and change nothing. Such a pass misses a true +20 % in 0 % (p50)
/// to 3 % (p99) of cases.
pub(crate) const FUTILITY_ALPHA: f64 = 0.05;

/// Least share of pairs in which the candidate is slower. A shift of everything moves nearly all pairs; a second mode
/// that happens to be met more often by one side moves the estimate with half of them.
pub(crate) const AGREEMENT_MIN: f64 = 0.65;

/// Least absolute change of a latency, nanoseconds. Below a microsecond a scheduler's tick or a cache line decides, however
/// large the share is.
pub(crate) const LATENCY_CHANGE_MIN_NS: f64 = 1_000.0;

/// Fresh pairs that confirm a flag. The flag was raised on the worst of some 24 comparisons, so its own pairs flatter
/// it; with only 20 fresh ones a true p99 of +20 % would be lost in half of the cases.
pub(crate) const CONFIRM_PAIRS: u32 = 40;

/// One-sided chance of the lower bound of the fresh pairs, which must lie above no change at all.
pub(crate) const CONFIRM_ALPHA: f64 = 0.05;

/// Share of the action level that the fresh estimate must reach: half, since a true change at the action level is
/// estimated below it half of the time.
pub(crate) const CONFIRM_SHARE: f64 = 0.5;

/// Rules that the baseline against a copy of itself is held to: those of a flag, in both directions and without
/// confirmation. Where identical programs differ by an action level in one series of pairs, a second series cannot
/// vouch for the others either.
pub(crate) const CONTROL_DIRECTIONS: [f64; 2] = [1.0, -1.0];

/// A metric that is still open after the last look passes, unless its upper bound is above this many action levels:
/// then it could hide three times of what the gate is there to find, and to call that a pass would be a lie.
pub(crate) const UNSEEN_MAX: f64 = 3.0;

/// CPUs without which two processes cannot run at once, and every figure is the scheduler's.
pub(crate) const CPUS_MIN: u32 = 2;

/// Stolen CPU time, before or while pairs are measured, beyond which medians are the neighbours' and not the program's, as a
/// share of all CPU time.
pub(crate) const STEAL_MAX: f64 = 0.2;

/// Cells of one plan. At a minute a cell and three metrics each, more would neither fit a CI job nor the confirmation
/// that keeps the family of comparisons honest.
pub(crate) const CELLS_MAX: usize = 32;

/// Pairs that a cell asks for before the next one has its turn, so that all cells are spread over the time of the job, and a
/// disturbance of seconds meets a few pairs of each. A divisor of every look and of [`CONFIRM_PAIRS`].
pub(crate) const TURN_PAIRS: u32 = 5;

impl Metric {
    /// The change that the lower bound must exceed, as a share: what differs between two builds of the same source (p50),
    /// with more room where a few samples decide (p99) and less where time is counted and not waited for (CPU).
    pub(crate) fn margin(self) -> f64 {
        match self {
            Metric::P50 => 0.03,
            Metric::P99 => 0.05,
            Metric::Cpu => 0.02,
        }
    }

    /// The change worth acting on, as a share: the least that pairs on a shared machine can tell from nothing in a
    /// minute, and that somebody would look into.
    pub(crate) fn action(self) -> f64 {
        match self {
            Metric::P50 => 0.08,
            Metric::P99 => 0.15,
            Metric::Cpu => 0.05,
        }
    }

    /// The absolute change that it must exceed, nanoseconds.
    pub(crate) fn change_min_ns(self) -> f64 {
        match self {
            Metric::P50 | Metric::P99 => LATENCY_CHANGE_MIN_NS,
            Metric::Cpu => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_looks_together_err_in_one_of_a_hundred_and_turns_divide_them() {
        assert!((LOOKS.iter().map(|look| look.alpha).sum::<f64>() - 0.01).abs() < 1e-12);
        assert!(LOOKS.iter().all(|look| look.pairs.is_multiple_of(TURN_PAIRS)));
        assert!(CONFIRM_PAIRS.is_multiple_of(TURN_PAIRS));
    }

    #[test]
    fn a_margin_lies_below_its_action_level() {
        assert!(Metric::ALL.iter().all(|metric| metric.margin() < metric.action()));
    }
}
