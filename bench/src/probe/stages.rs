//! The stage histograms of a messenger, over an interval.

use hdrhistogram::Histogram;
use msgr::Stage;
use msgr_reports::record::{Latency, Stages};

/// Longest time told apart from longer ones, nanoseconds: a minute, as in the messenger.
const NS_MAX: u64 = 60_000_000_000;

/// Significant decimal digits: one more than the messenger's buckets tell apart.
const DIGITS: u8 = 2;

/// Times of each stage in ascending order, nanoseconds, and how often each was recorded since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct StageCounts([Vec<(u64, u64)>; Stage::ALL.len()]);

impl StageCounts {
    /// What `stages` have now.
    pub(crate) fn read(stages: &msgr::Stages) -> StageCounts {
        StageCounts(Stage::ALL.map(|stage| stages.counts(stage)))
    }

    /// What was recorded since `before`, as a record keeps it.
    ///
    /// # Errors
    ///
    /// When a histogram cannot be encoded.
    pub(crate) fn since(&self, before: &StageCounts) -> anyhow::Result<Stages> {
        let latency = |stage: Stage| latency(&self.0[stage as usize], &before.0[stage as usize]);
        Ok(Stages {
            queued: latency(Stage::Queued)?,
            woken: latency(Stage::Woken)?,
            written: latency(Stage::Written)?,
            read: latency(Stage::Read)?,
            dispatched: latency(Stage::Dispatched)?,
            // Of the load side.
            round_trip: None,
        })
    }
}

/// One stage, if anything went through it.
fn latency(after: &[(u64, u64)], before: &[(u64, u64)]) -> anyhow::Result<Option<Latency>> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, NS_MAX, DIGITS)?;
    for (ns, count) in after {
        let earlier = before.binary_search_by_key(ns, |(ns, _)| *ns).map_or(0, |at| before[at].1);
        histogram.saturating_record_n((*ns).max(1), count.saturating_sub(earlier));
    }
    Ok(if histogram.is_empty() { None } else { Some(Latency::from_histogram(&histogram)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_what_was_recorded_in_it_and_nothing_for_a_stage_that_nothing_went_through() {
        let counts = |read: &[(u64, u64)]| {
            let mut counts = StageCounts::default();
            counts.0[Stage::Read as usize] = read.to_vec();
            counts.0[Stage::Woken as usize] = vec![(500, 3)];
            counts
        };
        let before = counts(&[(1_000, 5)]);
        let after = counts(&[(10, 1), (1_000, 7), (70_000_000_000, 1)]);
        let Stages { queued, woken, written, read, dispatched, round_trip: _ } = after.since(&before).unwrap();
        assert_eq!([queued, woken, written, dispatched], [None, None, None, None]);
        let read = read.unwrap();
        assert_eq!(read.count, 4);
        assert!(read.p50_ns.abs_diff(1_000) <= 10 && read.max_ns.abs_diff(NS_MAX) < NS_MAX / 100, "{read:?}");
    }
}
