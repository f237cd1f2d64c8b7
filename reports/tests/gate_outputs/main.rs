//! What the gate decides and writes: an exit code that fits, the same bytes each time, XML that CI systems read, and text
//! that stays text.
#![allow(clippy::unwrap_used)]

mod files;
mod job;
mod junit;
#[path = "../support/mod.rs"]
mod support;
mod verdicts;
