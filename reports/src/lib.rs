//! Run records, and the pages drawn from them.
//!
//! `record` owns the types of `run.json`; everything else turns a record into HTML. Nothing here measures, opens a
//! socket or reads a clock: the same record always gives the same page.
#![forbid(unsafe_code)]

mod analysis;
mod charts;
mod format;
pub mod page;
pub mod record;
#[cfg(test)]
mod testing;
