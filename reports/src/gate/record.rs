//! The types of `gate.json`, version 1.
//!
//! A record holds every pair as it was measured, and what the rules made of it: each look at each metric, and the rule that
//! declined it. `reports/schema/gate.v1.json` is generated from these types; a change of meaning bumps [`SCHEMA`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use crate::record::{Environment, Latency, Warning, Workload};

/// Name and version of the record format, the value of [`GateRecord::schema`].
pub const SCHEMA: &str = "msgr.gate.v1";

/// One job of the gate: what was compared, every pair, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRecord {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What the job came to.
    pub outcome: Outcome,
    /// The process's exit code for it.
    pub exit_code: u8,
    /// The verdict in words.
    pub sentence: String,
    /// What is known of the job from outside.
    #[serde(flatten)]
    pub facts: Facts,
    /// Seed of the order in which the sides of each pair ran.
    pub seed: u64,
    /// What was compared, in the order of the plan.
    pub cells: Vec<CellRecord>,
}

/// What is known of a job from outside the gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// Version of the `msgr-bench` that wrote the record.
    pub tool_version: String,
    /// When the job began, RFC 3339 in UTC.
    pub started: String,
    /// Wall-clock seconds of measuring.
    pub elapsed_s: f64,
    /// The command line that repeats the job, program name first.
    pub command: Vec<String>,
    /// The machine, the kernel and their limits.
    pub environment: Environment,
    /// Side A, which the candidate is held against.
    pub baseline: Side,
    /// Side B.
    pub candidate: Side,
    /// Reason of the commit trailer `Perf-Regression-Accepted`, when the candidate's commit has one. An empty one
    /// accepts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// Percent of the baseline's median by which every message of the candidate was slowed down on purpose, when it was: then
    /// the job is a test of the gate, and its verdict says nothing of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected_percent: Option<f64>,
    /// What the reader must know before trusting the verdict.
    pub warnings: Vec<Warning>,
}

/// One of the two programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Commit that it was built from.
    pub commit: String,
    /// Hash of the binary, in hexadecimal.
    pub binary_hash: String,
    /// Flags that it was built with, as given to the compiler.
    pub flags: String,
}

/// What a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No metric is slower by what is worth acting on.
    Pass,
    /// The same, and at least one is faster.
    Improved,
    /// A metric is slower, which fresh pairs confirmed.
    Regression,
    /// The same, and the commit says why that is accepted.
    Accepted,
    /// The machine cannot tell.
    Inconclusive,
    /// A sample is missing or no number, or measuring ended early.
    Error,
    /// The machine was found unfit before anything was measured.
    Refused,
}

impl Outcome {
    /// The exit code: 0 pass, improved or accepted; 1 regression; 2 error; 3 inconclusive; 4 environment refused.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Pass | Outcome::Improved | Outcome::Accepted => 0,
            Outcome::Regression => 1,
            Outcome::Error => 2,
            Outcome::Inconclusive => 3,
            Outcome::Refused => 4,
        }
    }
}

/// What is measured of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Messenger, by kind (`simple`, `async`).
    pub messenger: String,
    /// Workload.
    pub workload: Workload,
    /// Payload bytes of a request or message.
    pub size: u64,
    /// Connected peers.
    pub peers: u32,
    /// Requests in flight in all.
    pub in_flight: u32,
    /// Whether side B is a copy of the baseline: the A/A cell, which tells whether the machine can be trusted.
    pub control: bool,
}

/// One cell: its pairs in the order in which they were measured, and what the rules say of each metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellRecord {
    /// What was measured.
    pub cell: Cell,
    /// Every pair.
    pub pairs: Vec<Pair>,
    /// What became of each metric.
    pub decisions: Vec<Decision>,
}

/// Both sides measured back to back, each by fresh processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Which side ran first.
    pub order: Order,
    /// What the pair was measured for; [`Gate::feed`](super::Gate::feed) writes it.
    pub stage: Stage,
    /// The baseline.
    pub a: Values,
    /// The candidate, or in the A/A cell the copy.
    pub b: Values,
}

/// Which side of a pair ran first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The baseline.
    AFirst,
    /// The candidate.
    BFirst,
}

/// What a pair was measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The looks.
    Main,
    /// The confirmation of a flag.
    Confirm,
}

/// One side of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Values {
    /// Median latency, nanoseconds.
    pub p50_ns: f64,
    /// 99th percentile of the latency, nanoseconds.
    pub p99_ns: f64,
    /// CPU time of the side under test per message, nanoseconds.
    pub cpu_ns: f64,
    /// The whole histogram, when it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// A figure that both sides are compared by; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
    /// CPU time per message.
    Cpu,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 3] = [Metric::P50, Metric::P99, Metric::Cpu];

    /// Its value of one side, nanoseconds.
    #[must_use]
    pub fn of(self, values: &Values) -> f64 {
        match self {
            Metric::P50 => values.p50_ns,
            Metric::P99 => values.p99_ns,
            Metric::Cpu => values.cpu_ns,
        }
    }
}

/// The JSON schema of a record, generated from the types of this module, as it stands in `reports/schema/gate.v1.json`.
#[must_use]
pub fn schema_json() -> String {
    format!("{:#}\n", schemars::schema_for!(GateRecord).as_value())
}
