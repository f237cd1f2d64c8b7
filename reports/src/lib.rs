//! Run records, and the pages drawn from them.
//!
//! [`record`] owns the types of `run.json`; everything else turns a record into HTML: `analysis` makes points,
//! intervals, ratios and sentences of samples, `charts` draws, [`page`] puts both on a page with tables, and `format`
//! writes every number. [`gate`] says what to measure of two
//! builds, and whether the second is slower; [`trend`] keeps and draws what it said of one commit after another. Nothing here measures, opens a socket or reads a clock: the same record always gives the same
//! page.
#![forbid(unsafe_code)]

mod analysis;
mod charts;
mod format;
pub mod gate;
pub mod page;
pub mod record;
#[cfg(test)]
mod testing;
pub mod trend;

pub use analysis::compare::{Change, Comparison, Pair, compare};
