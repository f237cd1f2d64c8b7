//! What this process costs, as the kernel counts it.
//!
//! Each side measures itself; the load side asks the other one over [`crate::control`]. Nothing runs between the two
//! ends of an interval, so probing costs nothing while something is measured.

mod heap;
mod kernel;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context;
use msgr_reports::record::{Allocations, Probe};
use serde::{Deserialize, Serialize};

pub use heap::Heap;
pub(crate) use heap::count_with as count_heap_with;

use kernel::Usage;

/// One measured interval of one process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Its length by this process's clock, nanoseconds.
    pub(crate) elapsed_ns: u64,
    /// Messages handled in it.
    pub(crate) messages: u64,
    /// What it cost.
    pub(crate) probe: Probe,
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
#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    usage: Usage,
    heap: Option<Heap>,
    messages: u64,
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

    /// Begins the interval; `messages` were handled before it.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell what was used so far.
    pub(crate) fn start(&mut self, messages: u64) -> anyhow::Result<()> {
        let heap = heap::now();
        self.start = Some(Start { at: Instant::now(), usage: Usage::now()?, heap, messages });
        Ok(())
    }

    /// Ends the interval; `messages` were handled until now. To be called while all peers are connected and traffic flows: threads and resident set are
    /// read now, after everything that counts for the interval.
    ///
    /// # Errors
    ///
    /// Without a start, or when the kernel does not tell.
    pub(crate) fn end(&mut self, messages: u64, counters: BTreeMap<String, u64>) -> anyhow::Result<Interval> {
        let at = Instant::now();
        let usage = Usage::now()?;
        let heap = heap::now();
        let start = self.start.take().context("the interval was not started")?;

        let messages = messages - start.messages;
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
            counters,
            counts: BTreeMap::new(),
        };
        Ok(Interval {
            elapsed_ns: u64::try_from((at - start.at).as_nanos())?,
            messages,
            probe,
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
        meter.start(5).unwrap();
        let counters = BTreeMap::from([("msgr_recv_messages".to_owned(), 9)]);
        let interval = meter.end(9, counters.clone()).unwrap();
        assert_eq!(interval.messages, 4);
        assert_eq!(interval.probe.counters, counters);
        assert!(interval.probe.threads >= 1 && interval.probe.rss > 0 && interval.probe.rss_before > 0);
        assert_eq!(interval.allocations, None);
        assert!(meter.end(9, counters).is_err(), "an interval ends once");
    }
}
