//! What became of one metric: every look at it, the confirmation, and the rule that settled it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Metric;

/// What became of one metric of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Which.
    pub metric: Metric,
    /// What became of it.
    pub verdict: Verdict,
    /// The rule that settled it.
    pub rule: Rule,
    /// The same in words.
    pub sentence: String,
    /// Every look, the last one last; none when measuring ended before the first.
    pub looks: Vec<Look>,
    /// The confirmation, when it was flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
}

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not slower by what is worth acting on.
    Pass,
    /// Faster.
    Improved,
    /// Slower, confirmed by fresh pairs.
    Regression,
    /// Cannot be told.
    Inconclusive,
    /// Identical programs differ: the machine is unfit.
    Unfit,
}

/// A rung of the gate's ladder. A metric is flagged when a look declines it by none of the first four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The bound on the near side of the change is within the margin.
    Margin,
    /// The estimate is below the action level.
    ActionLevel,
    /// Too few pairs agree on the direction.
    Agreement,
    /// The absolute change is too small.
    AbsoluteChange,
    /// Fresh pairs were asked.
    Confirmation,
    /// The upper bound is below the action level: more pairs would change nothing.
    Futility,
    /// It was flagged in the direction of less.
    Improvement,
    /// The last look left it open.
    LastLook,
    /// Identical programs were told apart.
    Control,
    /// Measuring ended before it was settled.
    Stopped,
}

/// One look at one metric. Changes are shares of the baseline: 0.05 is 5 % slower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// Pairs by then.
    pub pairs: u32,
    /// One-sided chance that `low` is too high, and as much that `high` is too low.
    pub alpha: f64,
    /// Median of side A, nanoseconds.
    pub a_ns: f64,
    /// Median of side B, nanoseconds.
    pub b_ns: f64,
    /// The change, as Hodges and Lehmann estimate it from the logarithms of the pairs' ratios.
    pub estimate: f64,
    /// Its exact lower signed-rank bound.
    pub low: f64,
    /// Its exact upper signed-rank bound.
    pub high: f64,
    /// Share of pairs in which B is slower, from 0 to 1; equal ones count half.
    pub agreement: f64,
    /// The change in nanoseconds: the estimate of the median of side A.
    pub change_ns: f64,
    /// The lower bound at 95 %.
    pub no_smaller_than: f64,
    /// The upper bound at 95 %: no regression is larger than this.
    pub no_larger_than: f64,
    /// Least regression that pairs scattered like these would have shown: its lower bound would lie above the margin.
    pub least_effect: f64,
    /// The first rule that declined a regression; none when it was flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_by: Option<Rule>,
}

/// What fresh pairs say of a flag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// Number of its first pair among those of the cell, from 0.
    pub first_pair: u32,
    /// Pairs.
    pub pairs: u32,
    /// The change, estimated.
    pub estimate: f64,
    /// Its lower bound at 95 %.
    pub low: f64,
    /// Its upper bound at 95 %.
    pub high: f64,
    /// Whether they confirm it.
    pub confirmed: bool,
}
