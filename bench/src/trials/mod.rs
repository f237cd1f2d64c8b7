//! Trials: promises of the messengers, put to the test by processes that break things on purpose.
//!
//! | verb | what it does |
//! |---|---|
//! | `soak` | a million messages while sockets fail: none lost, doubled, out of order or changed |
//! | `kill` | either side is killed, again and again: the other hears what its policy promises, and goes on |
//! | `abuse` | peers that stall, lie and flood: good peers hardly notice, memory stays bounded |
//! | `leaks` | thousands of connects and drops: files, threads and memory come back |
//!
//! Each uses [nodes](mod@node), which are processes of this program with one side's messengers. A trial ends with
//! [`Exit::Broken`](crate::exit::Exit) when a promise was broken. docs/TRIALS.md says how to read the output.

mod abuse;
mod args;
mod kill;
mod leaks;
pub(crate) mod node;
mod nodes;
mod raw;
mod soak;
mod steps;
mod verdict;

pub(crate) use abuse::abuse;
pub(crate) use args::{AbuseArgs, KillArgs, LeaksArgs, SoakArgs};
pub(crate) use kill::kill;
pub(crate) use leaks::leaks;
pub(crate) use node::node;
pub(crate) use soak::soak;
