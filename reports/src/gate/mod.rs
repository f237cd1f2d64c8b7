//! The verdict of a latency gate: is the candidate slower than the baseline, on a machine where nothing is ever the
//! same twice?
//!
//! Both are binaries, measured in pairs back to back in random order. [`Gate`] says what to measure next and is fed the
//! pairs; [`Gate::finish`] gives the [`GateRecord`]. Nothing here starts a process or reads a clock. A metric is called
//! slower only when every rule agrees (`thresholds` has each with its reason) and fresh pairs confirm it; a machine
//! that tells identical programs apart gets no verdict at all.

mod course;
mod decide;
mod decision;
mod figures;
mod judge;
mod junit;
mod machine;
mod markdown;
mod page;
mod rates;
mod record;
mod thresholds;
pub(crate) mod words;
mod write;

pub use decide::{Gate, GateError, Next};
pub use decision::{Confirmation, Decision, Look, Rule, Verdict};
pub use machine::{Unfit, enough_cpus, little_steal};
pub use rates::{ErrorRates, RatesError};
pub use record::{
    Cell, CellRecord, Facts, GateRecord, Metric, Order, Outcome, Pair, SCHEMA, Side, Stage, Values, schema_json,
};
pub use write::{JSON_NAME, JUNIT_NAME, MARKDOWN_NAME, PAGE_NAME, WriteError, Written, clear, write};
