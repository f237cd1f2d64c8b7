//! The types of `run.json`, version 1.
//!
//! A record holds what was measured and nothing derived: one [`Sample`] per process pair, in the order in which they
//! ran, with its whole latency histogram. Ratios, intervals and findings are computed when a page is drawn, so that
//! one record can be drawn many ways. `reports/schema/run.v1.json` is generated from these types; a change of meaning
//! bumps [`SCHEMA`].

mod environment;
mod histogram;
mod io;
mod plan;
mod sample;

pub use environment::{Environment, Limit};
pub use histogram::{HistogramError, merge};
pub use io::RecordError;
pub(crate) use io::{Head, write_atomically};
pub use plan::{Measure, Plan};
pub use sample::{Allocations, Beside, Latency, Neighbour, OpenLoop, Probe, Sample, Stages, Workload};

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
