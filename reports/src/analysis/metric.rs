//! The figures that a page plots, and how each is read off a sample.

use hdrhistogram::Histogram;

use crate::format::Quantity;
use crate::record::{Probe, Sample, Workload};

/// One figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Threads of the side under test.
    Threads,
    /// Resident set of the side under test.
    Rss,
    /// Median round trip.
    P50,
    /// 99th percentile of the round trips.
    P99,
    /// 99.9th percentile of the round trips.
    P999,
    /// Messages a second.
    Throughput,
    /// Payload bytes a second.
    Bandwidth,
    /// CPU time of the side under test per message.
    Cpu,
    /// Context switches of the side under test per message.
    Switches,
    /// Time until every peer was connected.
    Connect,
}

impl Metric {
    /// The figures of a workload, in the order of the page.
    pub(crate) fn of(workload: Workload) -> &'static [Metric] {
        use Metric::{Bandwidth, Connect, Cpu, P50, P99, P999, Rss, Switches, Threads, Throughput};
        match workload {
            Workload::PingPong | Workload::UnderLoad => {
                &[Threads, Rss, P50, P99, P999, Throughput, Cpu, Switches, Connect]
            }
            Workload::Stream => &[Throughput, Bandwidth, Cpu, Switches, Threads, Rss, Connect],
        }
    }

    /// Heading of its plot.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Threads => "Threads",
            Metric::Rss => "Resident memory",
            Metric::P50 => "Median round trip (p50)",
            Metric::P99 => "p99 round trip",
            Metric::P999 => "p99.9 round trip",
            Metric::Throughput => "Throughput",
            Metric::Bandwidth => "Payload throughput",
            Metric::Cpu => "CPU time per message",
            Metric::Switches => "Context switches per message",
            Metric::Connect => "Time to connect all peers",
        }
    }

    /// Its name in identifiers.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Metric::Threads => "threads",
            Metric::Rss => "rss",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p999",
            Metric::Throughput => "throughput",
            Metric::Bandwidth => "bandwidth",
            Metric::Cpu => "cpu",
            Metric::Switches => "switches",
            Metric::Connect => "connect",
        }
    }

    /// What is measured, as a sentence under the heading.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Metric::Threads => "Threads of the process under test, all peers connected and traffic flowing.",
            Metric::Rss => "Resident set of the process under test, all peers connected and traffic flowing.",
            Metric::P50 => "Half of the round trips took no longer.",
            Metric::P99 => "One round trip in 100 took longer.",
            Metric::P999 => "One round trip in 1,000 took longer.",
            Metric::Throughput => {
                "Messages that arrived, or requests that were answered, per second of the measured time."
            }
            Metric::Bandwidth => "Payload bytes that arrived, without headers (1 MB is 1,000,000 bytes).",
            Metric::Cpu => "User and system time of the process under test, divided by the messages.",
            Metric::Switches => {
                "Voluntary and involuntary switches of all threads under test, divided by the messages."
            }
            Metric::Connect => "From the first dial until the last peer was open.",
        }
    }

    /// Its name within a sentence.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Metric::Threads => "thread count",
            Metric::Rss => "resident memory",
            Metric::P50 => "median round trip",
            Metric::P99 => "p99 round trip",
            Metric::P999 => "p99.9 round trip",
            Metric::Throughput => "throughput",
            Metric::Bandwidth => "payload throughput",
            Metric::Cpu => "CPU time per message",
            Metric::Switches => "context switches per message",
            Metric::Connect => "connect time",
        }
    }

    /// What its numbers are.
    pub(crate) fn quantity(self) -> Quantity {
        match self {
            Metric::Threads | Metric::Switches => Quantity::Count,
            Metric::Rss => Quantity::Bytes,
            Metric::P50 | Metric::P99 | Metric::P999 | Metric::Cpu | Metric::Connect => Quantity::Nanoseconds,
            Metric::Throughput => Quantity::MessagesPerSecond,
            Metric::Bandwidth => Quantity::BytesPerSecond,
        }
    }

    /// The percentile it is, from 0 to 1, when it is one.
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            Metric::P50 => Some(0.5),
            Metric::P99 => Some(0.99),
            Metric::P999 => Some(0.999),
            _ => None,
        }
    }

    /// Whether more of it is better.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Metric::Throughput | Metric::Bandwidth)
    }

    /// Whether it is a cost that is divided by the messages of the measured peers.
    pub(crate) fn is_per_message(self) -> bool {
        matches!(self, Metric::Cpu | Metric::Switches)
    }

    /// Whether it depends on how many requests are in flight and on who makes the load, so that no line may join
    /// points that differ in them.
    pub(crate) fn depends_on_load(self) -> bool {
        !matches!(self, Metric::Threads | Metric::Rss | Metric::Connect)
    }

    /// The figure of one sample in base units (nanoseconds, bytes, ...), with its decoded histogram; `None` when the
    /// sample cannot tell.
    pub(crate) fn of_sample(self, sample: &Sample, histogram: Option<&Histogram<u64>>) -> Option<f64> {
        if let Some(quantile) = self.quantile() {
            return quantile_of(histogram?, quantile);
        }
        // Every process has a thread: one without was not looked at, as the programs of bare verbs are not.
        let looked_at = sample.server.threads > 0;
        let of_process =
            matches!(self, Metric::Threads | Metric::Rss | Metric::Cpu | Metric::Switches | Metric::Connect);
        if of_process && !looked_at {
            return None;
        }
        let seconds = sample.elapsed_ns as f64 / 1e9;
        let value = match self {
            Metric::Threads => sample.server.threads as f64,
            Metric::Rss => sample.server.rss as f64,
            Metric::Throughput => sample.messages as f64 / seconds,
            Metric::Bandwidth => sample.bytes as f64 / seconds,
            Metric::Cpu => cpu_ns(&sample.server) / sample.messages as f64,
            Metric::Switches => {
                let switches = sample.server.ctx_voluntary as f64 + sample.server.ctx_involuntary as f64;
                switches / sample.messages as f64
            }
            Metric::Connect => sample.connect_ns as f64,
            Metric::P50 | Metric::P99 | Metric::P999 => return None,
        };
        // Nothing happened in no time: 0/0, and no figure.
        value.is_finite().then_some(value)
    }
}

/// The value at a quantile in nanoseconds; `None` for an empty histogram.
pub(crate) fn quantile_of(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64)
}

/// User and system time of a process in nanoseconds.
pub(crate) fn cpu_ns(probe: &Probe) -> f64 {
    (probe.cpu_user_us as f64 + probe.cpu_sys_us as f64) * 1e3
}
