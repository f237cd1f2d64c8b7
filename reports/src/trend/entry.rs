//! The types of a line of the trend file, version 1.
//!
//! `reports/schema/trend.v1.json` is generated from these types; a change of meaning bumps [`SCHEMA`].

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Serialize};

use crate::gate::{Cell, CellRecord, Decision, GateRecord, Metric, Outcome, Verdict, little_steal};
use crate::record::Environment;

/// Name and version of a line, the value of [`Entry::schema`].
pub const SCHEMA: &str = "msgr.trend.v1";

/// One job of the gate, as a line of a trend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When the job began, RFC 3339 in UTC.
    pub started: String,
    /// Commit of the candidate; empty when unknown.
    pub commit: String,
    /// Commit of the baseline that it was held against; empty when unknown.
    pub baseline: String,
    /// Version of the `msgr-bench` that ran the job.
    pub tool_version: String,
    /// The machine.
    pub host: Host,
    /// What the job came to.
    pub outcome: Outcome,
    /// The figures, but for the A/A cell; none of a job without a verdict, or of an unfit machine.
    pub cells: Vec<CellFigures>,
}

/// What tells one machine from another: figures of different ones are never put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// CPU model as the kernel names it.
    pub cpu_model: String,
    /// CPUs that could be used.
    pub cpus: u32,
    /// Kernel name and release: with another kernel a machine is another one to a latency.
    pub kernel: String,
}

/// One cell with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellFigures {
    /// What was measured.
    #[serde(flatten)]
    pub cell: Cell,
    /// One for each metric that was looked at.
    pub figures: Vec<Figure>,
}

/// One metric of one cell. Changes are shares of the baseline: 0.05 is 5 % slower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// Median of the candidate, nanoseconds.
    pub ns: f64,
    /// The change from the baseline, estimated from pairs.
    pub change: f64,
    /// Its lower bound at 95 %.
    pub low: f64,
    /// Its upper bound at 95 %.
    pub high: f64,
}

impl Entry {
    /// The line of a job.
    #[must_use]
    pub fn of(record: &GateRecord) -> Entry {
        let facts = &record.facts;
        let compared = record.cells.iter().filter(|cell| !cell.cell.control);
        Entry {
            schema: SCHEMA.to_string(),
            started: facts.started.clone(),
            commit: facts.candidate.commit.clone(),
            baseline: facts.baseline.commit.clone(),
            tool_version: facts.tool_version.clone(),
            host: Host::of(&facts.environment),
            outcome: record.outcome,
            cells: if counts(record) { compared.map(CellFigures::of).collect() } else { Vec::new() },
        }
    }

    /// The line as it was read, if its figures are possible: times above zero, and changes above -100 %.
    pub(super) fn checked(self) -> Result<Entry, serde_json::Error> {
        let mut figures = self.cells.iter().flat_map(|cell| &cell.figures);
        let possible = |one: &Figure| one.ns > 0.0 && [one.change, one.low, one.high].iter().all(|share| *share > -1.0);
        match figures.find(|figure| !possible(figure)) {
            Some(figure) => Err(serde_json::Error::custom(format!("no figure of a metric is {figure:?}"))),
            None => Ok(self),
        }
    }
}

/// Whether the figures of a job say something of the program.
fn counts(record: &GateRecord) -> bool {
    let unfit = record.cells.iter().flat_map(|cell| &cell.decisions).any(|one| one.verdict == Verdict::Unfit);
    let has_verdict = !matches!(record.outcome, Outcome::Error | Outcome::Refused);
    has_verdict && !unfit && little_steal(record.facts.environment.steal).is_ok()
}

impl Host {
    fn of(environment: &Environment) -> Host {
        Host { cpu_model: environment.cpu_model.clone(), cpus: environment.cpus, kernel: environment.kernel.clone() }
    }
}

impl CellFigures {
    fn of(cell: &CellRecord) -> CellFigures {
        CellFigures { cell: cell.cell.clone(), figures: cell.decisions.iter().filter_map(Figure::of).collect() }
    }
}

impl Figure {
    /// `None` without a look.
    fn of(decision: &Decision) -> Option<Figure> {
        let look = decision.looks.last()?;
        // A flag flatters the pairs that raised it; the fresh ones do not know of it.
        let (change, low, high) = match &decision.confirmation {
            Some(fresh) => (fresh.estimate, fresh.low, fresh.high),
            None => (look.estimate, look.no_smaller_than, look.no_larger_than),
        };
        Some(Figure { metric: decision.metric, ns: look.b_ns, change, low, high })
    }
}

/// The JSON schema of a line, generated from the types of this module, as it stands in `reports/schema/trend.v1.json`.
#[must_use]
pub fn schema_json() -> String {
    format!("{:#}\n", schemars::schema_for!(Entry).as_value())
}
