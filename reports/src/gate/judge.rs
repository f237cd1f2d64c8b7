//! What pairs say of one metric: the statistic, and the rungs of the ladder.

use super::decision::{Confirmation, Look, Rule};
use super::record::{Metric, Pair};
use super::thresholds::{AGREEMENT_MIN, CONFIRM_ALPHA, CONFIRM_SHARE, FUTILITY_ALPHA, UNSEEN_MAX, When};
use crate::analysis::signed_rank::{Averages, Shift};

/// Towards more time, as a factor of a change.
pub(super) const SLOWER: f64 = 1.0;
/// Towards less.
pub(super) const FASTER: f64 = -1.0;

/// One metric of some pairs, as logarithms of the ratios B / A: a factor is as far from no change as its inverse.
struct Ratios {
    logarithms: Vec<f64>,
    averages: Averages,
}

impl Ratios {
    fn of(pairs: &[&Pair], metric: Metric) -> Ratios {
        let logarithms: Vec<f64> = pairs.iter().map(|pair| (metric.of(&pair.b) / metric.of(&pair.a)).ln()).collect();
        let averages = Averages::of(&logarithms);
        Ratios { logarithms, averages }
    }

    /// Share of pairs in which B takes longer; equal ones count half, as they speak for neither.
    fn agreement(&self) -> f64 {
        let points = self.logarithms.iter().map(|ratio| match ratio.total_cmp(&0.0) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 1.0,
        });
        points.sum::<f64>() / self.logarithms.len() as f64
    }
}

/// Looks at a metric; `None` when the pairs are too few for a bound.
pub(super) fn look(pairs: &[&Pair], metric: Metric, when: When) -> Option<Look> {
    let ratios = Ratios::of(pairs, metric);
    let Shift { low, estimate, high } = ratios.averages.shift(when.alpha)?;
    let at_95 = ratios.averages.shift(FUTILITY_ALPHA)?;
    let a_ns = median(pairs.iter().map(|pair| metric.of(&pair.a)))?;
    let needed = metric.margin().ln_1p() + (estimate - low);
    let mut look = Look {
        pairs: when.pairs,
        alpha: when.alpha,
        a_ns,
        b_ns: median(pairs.iter().map(|pair| metric.of(&pair.b)))?,
        estimate: estimate.exp_m1(),
        low: low.exp_m1(),
        high: high.exp_m1(),
        agreement: ratios.agreement(),
        change_ns: a_ns * estimate.exp_m1(),
        no_smaller_than: at_95.low.exp_m1(),
        no_larger_than: at_95.high.exp_m1(),
        least_effect: needed.exp_m1().max(metric.action()),
        declined_by: None,
    };
    look.declined_by = look.declines(metric, SLOWER);
    Some(look)
}

impl Look {
    /// The first rule by which this is no change in a direction.
    pub(super) fn declines(&self, metric: Metric, direction: f64) -> Option<Rule> {
        let near = if direction > 0.0 { self.low } else { self.high };
        let agreeing = if direction > 0.0 { self.agreement } else { 1.0 - self.agreement };
        if towards(near, direction) <= metric.margin().ln_1p() {
            return Some(Rule::Margin);
        }
        if towards(self.estimate, direction) < metric.action().ln_1p() {
            return Some(Rule::ActionLevel);
        }
        if agreeing < AGREEMENT_MIN {
            return Some(Rule::Agreement);
        }
        (direction * self.change_ns <= metric.change_min_ns()).then_some(Rule::AbsoluteChange)
    }

    /// Whether more pairs would hardly find a change in that direction.
    pub(super) fn is_futile(&self, metric: Metric, direction: f64) -> bool {
        let far = if direction > 0.0 { self.no_larger_than } else { self.no_smaller_than };
        towards(far, direction) < metric.action().ln_1p()
    }

    /// Whether it could hide far more than what the gate is there to find.
    pub(super) fn is_blind(&self, metric: Metric) -> bool {
        self.no_larger_than > metric.action() * UNSEEN_MAX
    }
}

/// A change as a logarithm that is positive in the given direction: -20 % is as far as +25 %.
fn towards(share: f64, direction: f64) -> f64 {
    direction * share.ln_1p()
}

/// Asks fresh pairs, of which the first has the number `first_pair`; `None` when they are too few for a bound.
pub(super) fn confirm(pairs: &[&Pair], first_pair: u32, metric: Metric) -> Option<Confirmation> {
    let Shift { low, estimate, high } = Ratios::of(pairs, metric).averages.shift(CONFIRM_ALPHA)?;
    Some(Confirmation {
        first_pair,
        pairs: pairs.len() as u32,
        estimate: estimate.exp_m1(),
        low: low.exp_m1(),
        high: high.exp_m1(),
        confirmed: low > 0.0 && estimate >= (metric.action() * CONFIRM_SHARE).ln_1p(),
    })
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::record::{Order, Stage, Values};
    use super::super::thresholds::LOOKS;
    use super::*;

    /// Pairs with these values of A and ratios B / A of every metric.
    fn pairs(a_ns: f64, ratios: impl IntoIterator<Item = f64>) -> Vec<Pair> {
        let values = |ns| Values { p50_ns: ns, p99_ns: ns, cpu_ns: ns, latency: None };
        let pair = |ratio| Pair { order: Order::AFirst, stage: Stage::Main, a: values(a_ns), b: values(a_ns * ratio) };
        ratios.into_iter().map(pair).collect()
    }

    fn declined(a_ns: f64, ratios: impl IntoIterator<Item = f64>, metric: Metric) -> Option<Rule> {
        let pairs = pairs(a_ns, ratios);
        let pairs: Vec<&Pair> = pairs.iter().collect();
        look(&pairs, metric, LOOKS[0]).unwrap().declined_by
    }

    #[test]
    fn each_rung_declines_what_the_ones_before_let_through() {
        let steady = |ratio: f64| (0..20).map(move |i| ratio * (1.0 + f64::from(i % 5) * 1e-4));
        assert_eq!(declined(50_000.0, steady(1.02), Metric::P50), Some(Rule::Margin));
        assert_eq!(declined(50_000.0, steady(1.06), Metric::P50), Some(Rule::ActionLevel));
        assert_eq!(declined(5_000.0, steady(1.10), Metric::P50), Some(Rule::AbsoluteChange));
        assert_eq!(declined(5_000.0, steady(1.10), Metric::Cpu), None);
        assert_eq!(declined(50_000.0, steady(1.10), Metric::P50), None);
        assert_eq!(declined(50_000.0, steady(1.10), Metric::P99), Some(Rule::ActionLevel));
    }

    #[test]
    fn a_second_mode_that_less_than_two_thirds_of_the_pairs_meet_is_declined_by_agreement() {
        let ratios = (0..60).map(|i| if i % 100 < 37 { 2.0 } else { 0.999 });
        let pairs = pairs(50_000.0, ratios);
        let pairs: Vec<&Pair> = pairs.iter().collect();
        assert_eq!(look(&pairs, Metric::P50, LOOKS[2]).unwrap().declined_by, Some(Rule::Agreement));
    }

    #[test]
    fn a_look_says_what_it_could_have_seen_and_what_it_rules_out() {
        let pairs = pairs(50_000.0, (0..20).map(|i| if i % 2 == 0 { 1.1 } else { 0.9 }));
        let look = look(&pairs.iter().collect::<Vec<_>>(), Metric::P50, LOOKS[0]).unwrap();
        assert!(look.low < look.no_smaller_than && look.no_larger_than < look.high, "{look:?}");
        assert!(look.least_effect > Metric::P50.action() && look.agreement == 0.5, "{look:?}");
    }

    #[test]
    fn both_directions_are_held_to_the_same_factor() {
        let of = |ratio: f64| {
            let pairs = pairs(50_000.0, vec![ratio; 20]);
            look(&pairs.iter().collect::<Vec<_>>(), Metric::P50, LOOKS[0]).unwrap()
        };
        assert_eq!(of(1.0 / 1.09).declines(Metric::P50, FASTER), None);
        assert_eq!(of(1.0 / 1.07).declines(Metric::P50, FASTER), Some(Rule::ActionLevel));
        assert!(of(1.0).is_futile(Metric::P50, SLOWER) && of(1.0).is_futile(Metric::P50, FASTER));
        assert!(!of(1.09).is_futile(Metric::P50, SLOWER) && !of(1.0 / 1.09).is_futile(Metric::P50, FASTER));
    }

    #[test]
    fn fresh_pairs_confirm_from_half_of_the_action_level_on() {
        let confirmed = |ratio: f64| {
            let pairs = pairs(50_000.0, vec![ratio; 40]);
            confirm(&pairs.iter().collect::<Vec<_>>(), 20, Metric::P50).unwrap().confirmed
        };
        assert!(confirmed(1.05) && !confirmed(1.03) && !confirmed(0.9));
    }
}
