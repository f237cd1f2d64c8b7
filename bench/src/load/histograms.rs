//! Histograms of latencies: made when the first is recorded, merged when all are.

use hdrhistogram::Histogram;
use msgr_reports::record::{Latency, merge};

/// Longest latency told apart from longer ones, nanoseconds. A minute is longer than any sample should ever wait.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Significant decimal digits of a recorded latency: an error of 0.1 %.
const DIGITS: u8 = 3;

/// Records a latency of `ns` nanoseconds.
pub(super) fn record(histogram: &mut Option<Histogram<u64>>, ns: u64) {
    if histogram.is_none() {
        *histogram = Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS).ok();
    }
    if let Some(histogram) = histogram {
        histogram.saturating_record(ns.max(1));
    }
}

/// Histograms in one, as a record keeps it; `None` when there are none.
pub(super) fn encode(histograms: impl IntoIterator<Item = Histogram<u64>>) -> anyhow::Result<Option<Latency>> {
    let merged = merge(&histograms.into_iter().collect::<Vec<_>>())?;
    Ok(merged.as_ref().map(Latency::from_histogram).transpose()?)
}
