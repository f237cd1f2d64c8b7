//! The machine: what it is, what it allows, and which of its CPUs are used.

mod cpus;
mod environment;
mod limits;
mod read;

pub(crate) use cpus::{Cpus, allowed_count};
pub(crate) use environment::Watch;
pub(crate) use limits::{Limits, raise_open_files};
