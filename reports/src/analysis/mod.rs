//! From samples to points, intervals, ratios and sentences. Nothing here draws.

pub(crate) mod along;
pub(crate) mod compare;
pub(crate) mod findings;
pub(crate) mod group;
pub(crate) mod harness;
pub(crate) mod interval;
pub(crate) mod kind;
pub(crate) mod metric;
pub(crate) mod ratio;
pub(crate) mod signed_rank;
pub(crate) mod warnings;
