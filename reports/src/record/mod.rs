//! The types of `run.json`, version 1.
//!
//! A record holds what was measured and nothing derived: one [`Sample`] per process pair, in the order in which they
//! ran, with its whole latency histogram. Ratios, intervals and findings are computed when a page is drawn, so that
//! one record can be drawn many ways. `reports/schema/run.v1.json` is generated from these types; a change of meaning
//! bumps [`SCHEMA`].

mod environment;
mod histogram;
mod io;
mod sample;

pub use environment::{Environment, Limit};
pub use histogram::{HistogramError, merge};
pub use io::RecordError;
pub(crate) use io::write_atomically;
pub use sample::{Allocations, Latency, OpenLoop, Probe, Sample, Stages, Workload};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name and version of the record format, the value of [`Run::schema`].
pub const SCHEMA: &str = "msgr.run.v1";

/// One run: the plan, the machine it ran on, and every sample taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of the `msgr-bench` that wrote the record.
    pub tool_version: String,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// Wall-clock seconds from the first sample to the last.
    pub elapsed_s: f64,
    /// True when the run was interrupted and samples are missing.
    pub partial: bool,
    /// The command line that reproduces the run, program name first.
    pub command: Vec<String>,
    /// What was asked for.
    pub plan: Plan,
    /// The machine, the kernel and their limits.
    pub environment: Environment,
    /// What the reader must know before trusting a figure.
    pub warnings: Vec<Warning>,
    /// Every sample, in the order in which they were taken.
    pub samples: Vec<Sample>,
}

impl Run {
    /// Whether bare verbs were measured.
    pub(crate) fn has_verbs(&self) -> bool {
        self.samples.iter().any(|sample| sample.messenger == crate::analysis::kind::VERBS)
    }
}

/// What a run was asked to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Messengers under test, by kind (`simple`, `async`).
    pub messengers: Vec<String>,
    /// Peer counts.
    pub peers: Vec<u32>,
    /// Payload sizes in bytes.
    pub sizes: Vec<u64>,
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// Requests in flight per connection at one peer (ping-pong), or the window in messages (stream).
    pub depth: u32,
    /// Requests in flight in all, at more than one peer.
    pub active: u32,
    /// Messenger of the load side at more than one peer.
    pub load_messenger: String,
    /// How the two sides were pinned: `none` or `split`.
    pub pin: String,
    /// Measured time of a sample, milliseconds, after the warm-up.
    pub duration_ms: u64,
    /// Unmeasured time before it, milliseconds.
    pub warmup_ms: u64,
    /// How often each point was measured, each time in fresh processes.
    pub rounds: u32,
    /// Seed of the order in which the points of each round were taken.
    pub seed: u64,
    /// Payload bytes of replies; 64 in records that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<u64>,
    /// Requests a second under load, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// A stall of the side under test, injected: how long and how often, as on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<String>,
    /// Options set on both sides, by their `ms_*` names.
    pub options: BTreeMap<String, String>,
    /// Options set on the load side alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub load_options: BTreeMap<String, String>,
}

/// Something about a run that its reader must know, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Short stable name, such as `load-average` or `sample-failed`.
    pub kind: String,
    /// What was noticed and what to do, as a sentence.
    pub text: String,
}

/// The JSON schema of a record, generated from the types of this module, as it stands in
/// `reports/schema/run.v1.json`.
pub fn schema_json() -> String {
    format!("{:#}\n", schemars::schema_for!(Run).as_value())
}
