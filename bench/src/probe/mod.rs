//! What this process costs, as the kernel counts it.
//!
//! Each side measures itself; the load side asks the other one over [`crate::control`]. Nothing runs between the two
//! ends of an interval, so probing costs nothing while something is measured.

mod heap;
mod kernel;
mod stages;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context;
use msgr_reports::record::{Allocations, Probe, Stages};
use serde::{Deserialize, Serialize};

pub use heap::Heap;
pub(crate) use heap::count_with as count_heap_with;

use kernel::Usage;
pub(crate) use stages::StageCounts;

/// The one counter that does not grow: how many there are now.
const GAUGE: &str = "msgr_active_connections";

/// What a side has counted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// Messages handled.
    pub(crate) messages: u64,
    /// The messengers' own counters.
    pub(crate) counters: BTreeMap<String, u64>,
    /// The stage histograms, when stages are timed.
    pub(crate) stages: Option<StageCounts>,
}

impl From<BTreeMap<String, u64>> for Counted {
    /// Counters alone: for a side that handles no messages of its own.
    fn from(counters: BTreeMap<String, u64>) -> Counted {
        Counted { counters, ..Counted::default() }
    }
}

impl Counted {
    /// What the counters grew by since `before`; a gauge does not.
    fn counts_since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let grown = |(name, value): (&String, &u64)| {
            (name.clone(), value.saturating_sub(before.get(name).copied().unwrap_or(0)))
        };
        self.counters.iter().filter(|(name, _)| *name != GAUGE).map(grown).collect()
    }
}

/// What the kernel, and the allocator if it counts, know of this process since it began, by name.
///
/// # Errors
///
/// When the kernel does not tell.
pub(crate) fn lifetime() -> anyhow::Result<Vec<(&'static str, u64)>> {
    let heap = heap::now();
    let usage = Usage::now()?;
    let mut totals = vec![("ctx_voluntary", usage.voluntary), ("ctx_involuntary", usage.involuntary)];
    totals.extend(heap.map(|heap| ("allocations", heap.count)));
    Ok(totals)
}

/// One measured interval of one process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Its length by this process's clock, nanoseconds.
    pub(crate) elapsed_ns: u64,
    /// Messages handled in it.
    pub(crate) messages: u64,
    /// What it cost.
    pub(crate) probe: Probe,
    /// Where the time of messages went in it, when stages are timed.
    pub(crate) stages: Option<Stages>,
    /// Heap traffic, when this is the counting binary.
    pub(crate) allocations: Option<Allocations>,
}

/// Measures this process: once without peers, then from [`Meter::start`] to [`Meter::end`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    rss_before: u64,
    start: Option<Start>,
}

/// What was read when the interval began.
#[derive(Clone, Debug)]
struct Start {
    at: Instant,
    usage: Usage,
    heap: Option<Heap>,
    counted: Counted,
}

impl Meter {
    /// Notes the resident set with no peer connected.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(crate) fn baseline(&mut self) -> anyhow::Result<()> {
        self.rss_before = kernel::rss()?;
        Ok(())
    }

    /// Begins the interval, before which so much was `counted`.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell what was used so far.
    pub(crate) fn start(&mut self, counted: Counted) -> anyhow::Result<()> {
        let heap = heap::now();
        self.start = Some(Start { at: Instant::now(), usage: Usage::now()?, heap, counted });
        Ok(())
    }

    /// Ends the interval; `count` tells what was counted until now, when its allocations do not count any more. To be called
    /// while all peers are connected and traffic flows: threads and resident set are read now, after everything that counts
    /// for the interval.
    ///
    /// # Errors
    ///
    /// Without a start, or when the kernel does not tell.
    pub(crate) fn end(&mut self, count: impl FnOnce() -> Counted) -> anyhow::Result<Interval> {
        let at = Instant::now();
        let usage = Usage::now()?;
        let heap = heap::now();
        let counted = count();
        let start = self.start.take().context("the interval was not started")?;

        let before = start.counted;
        let messages = counted.messages - before.messages;
        let stages = counted.stages.as_ref().zip(before.stages.as_ref());
        let stages = stages.map(|(after, before)| after.since(before)).transpose()?;
        let threads_by_name = kernel::threads_by_name()?;
        let probe = Probe {
            threads: threads_by_name.values().sum(),
            rss_before: self.rss_before,
            rss: kernel::rss()?,
            cpu_user_us: usage.user_us.saturating_sub(start.usage.user_us),
            cpu_sys_us: usage.system_us.saturating_sub(start.usage.system_us),
            ctx_voluntary: usage.voluntary.saturating_sub(start.usage.voluntary),
            ctx_involuntary: usage.involuntary.saturating_sub(start.usage.involuntary),
            threads_by_name,
            counts: counted.counts_since(&before.counters),
            counters: counted.counters,
        };
        Ok(Interval {
            elapsed_ns: u64::try_from((at - start.at).as_nanos())?,
            messages,
            probe,
            stages,
            allocations: start.heap.zip(heap).map(|(before, after)| Allocations {
                count: after.count - before.count,
                bytes: after.bytes - before.bytes,
                messages,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_what_happened_in_it() {
        let mut meter = Meter::default();
        meter.baseline().unwrap();
        let counted = |messages, received, active| Counted {
            messages,
            counters: BTreeMap::from([("msgr_recv_messages".to_owned(), received), (GAUGE.to_owned(), active)]),
            stages: None,
        };
        meter.start(counted(5, 6, 2)).unwrap();
        let interval = meter.end(|| counted(9, 11, 2)).unwrap();
        assert_eq!(interval.messages, 4);
        assert_eq!(interval.probe.counts, BTreeMap::from([("msgr_recv_messages".to_owned(), 5)]));
        assert_eq!(interval.probe.counters, counted(0, 11, 2).counters);
        assert!(interval.probe.threads >= 1 && interval.probe.rss > 0 && interval.probe.rss_before > 0);
        assert_eq!((interval.allocations, interval.stages), (None, None));
        assert!(meter.end(|| counted(9, 11, 2)).is_err(), "an interval ends once");
    }
}
