//! `msgr-bench`: measures the messengers over real sockets, and judges nothing but its trials.
//!
//! The side under test and the load side are separate processes of this program (`serve` and `load`), so threads,
//! memory and CPU time belong to one side. `run` starts a fresh pair of them for every sample, in a random recorded
//! order with the bare-socket `floor` in between, and writes the record that `msgr-reports` draws.
//!
//! | module | what |
//! |---|---|
//! | `program` | the program, and what a program of somebody else's adds to it |
//! | `cli`, `parse`, `exit` | the command line and the exit codes |
//! | `kinds` | the table of messengers |
//! | `rdma`, `perftest` | the RDMA device and what of it this program was built with; bare verbs, the floor of RDMA |
//! | `serve`, `control` | the side under test, and how the load side asks what it cost |
//! | `load` | the load side: connects, warms up, measures; and neighbours |
//! | `zmq` | ZeroMQ, both sides, as far as this program was built with it |
//! | `floor` | bare TCP, both sides |
//! | `probe` | what a process costs, read from the kernel |
//! | `host` | limits, environment, CPUs |
//! | `run`, `speed` | many samples: scenarios, and the comparison with the bars |
//! | `report` | pages of records |
//! | `gate` | pairs of two programs, for the verdict of `msgr_reports::gate` |
//! | `shape` | counts that have no noise, next to committed ones |
//! | `trend` | verdicts of one commit after another, kept and drawn by `msgr_reports::trend` |
//! | `trials` | soak, kill, abuse, leaks: promises put to the test |
//! | `child` | processes of this program that one verb starts and ends |
#![forbid(unsafe_code)]

mod child;
mod cli;
mod control;
mod doctor;
mod exit;
mod floor;
mod gate;
mod host;
mod interrupt;
mod kinds;
mod load;
mod output;
mod parse;
mod perftest;
mod probe;
mod program;
mod rdma;
mod record;
mod report;
mod run;
mod serve;
mod shape;
mod speed;
mod text;
mod trend;
mod trials;
mod wire;
mod zmq;

pub use probe::Heap;
pub use program::Program;
