//! Small synthetic records for the tests of this crate.

use hdrhistogram::Histogram;

use crate::analysis::findings;
use crate::analysis::group::Group;
use crate::record::{Environment, Latency, OpenLoop, Plan, Probe, Run, SCHEMA, Sample, Workload};

/// Builds a record sample by sample.
#[derive(Default)]
pub(crate) struct Builder {
    samples: Vec<Sample>,
}

impl Builder {
    /// Adds one sample of each messenger at each peer count in each round, after `change` had its way with it.
    pub(crate) fn each(
        mut self,
        messengers: &[&str],
        peers: &[u32],
        rounds: u32,
        change: impl Fn(&mut Sample),
    ) -> Builder {
        for round in 0..rounds {
            for &peers in peers {
                for messenger in messengers {
                    let mut sample = sample(messenger, peers, round);
                    change(&mut sample);
                    self.samples.push(sample);
                }
            }
        }
        self
    }

    /// Leaves out the samples that `keep` refuses.
    pub(crate) fn keep(mut self, keep: impl Fn(&Sample) -> bool) -> Builder {
        self.samples.retain(keep);
        self
    }

    /// Gives a sample `count` round trips of `ns` nanoseconds each.
    pub(crate) fn constant_latency(sample: &mut Sample, ns: u64, count: u64) {
        let mut histogram = Histogram::new(3).unwrap();
        histogram.record_n(ns, count).unwrap();
        sample.latency = Some(Latency::from_histogram(&histogram).unwrap());
    }

    /// Makes a sample one of an open loop that was offered `offered` requests a second, each sent `late` nanoseconds late.
    pub(crate) fn under_load(sample: &mut Sample, offered: f64, late: u64) {
        let mut histogram = Histogram::new(3).unwrap();
        histogram.record_n(late, sample.messages).unwrap();
        let late = Latency::from_histogram(&histogram).unwrap();
        sample.workload = Workload::UnderLoad;
        sample.open_loop = Some(OpenLoop {
            share: None,
            offered_per_s: offered,
            unsent: 0,
            service: sample.latency.clone(),
            late: Some(late),
        });
    }

    /// The record.
    pub(crate) fn build(self) -> Run {
        Run {
            schema: SCHEMA.to_string(),
            tool_version: "0.1.0".to_string(),
            started: "2026-11-22T12:00:00Z".to_string(),
            elapsed_s: 12.0,
            partial: false,
            command: vec!["msgr-bench".to_string(), "run".to_string()],
            plan: Plan { rounds: 3, ..Plan::default() },
            environment: Environment { cpus: 8, release: true, ..Environment::default() },
            warnings: Vec::new(),
            samples: self.samples,
        }
    }
}

fn sample(messenger: &str, peers: u32, round: u32) -> Sample {
    Sample {
        round,
        measure: 0,
        messenger: messenger.to_string(),
        load_messenger: "async".to_string(),
        workload: Workload::PingPong,
        size: 4096,
        peers,
        in_flight: 16,
        elapsed_ns: 1_000_000_000,
        messages: 10_000,
        bytes: 40_960_000,
        latency: None,
        open_loop: None,
        beside: None,
        harness_ns: None,
        connect_ns: 1_000_000,
        server: Probe { threads: 4, rss: 4_000_000, ..Probe::default() },
        load: Probe::default(),
        stages: None,
        allocations: None,
    }
}

/// The sentences about one topic that the record's only group supports.
pub(crate) fn text(run: &Run, topic: &str) -> Vec<String> {
    let groups = Group::all(run);
    let all = groups.iter().flat_map(findings::of);
    all.filter(|finding| finding.topic == topic).map(|finding| finding.text).collect()
}
