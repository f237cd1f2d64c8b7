//! `msgr-bench`: measures the messengers over real sockets, and judges nothing but its trials.
//!
//! The side under test and the load side are separate processes of this program (`serve` and `load`), so threads,
//! memory and CPU time belong to one side. `run` starts a fresh pair of them for every sample, in a random recorded
//! order with the bare-socket `floor` in between, and writes the record that `msgr-reports` draws.
//!
//! | module | what |
//! |---|---|
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
mod rdma;
mod record;
mod report;
mod run;
mod serve;
mod speed;
mod text;
mod trials;
mod wire;
mod zmq;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

pub use probe::Heap;

/// The program. `heap` reads the counters of a counting allocator, where there is one.
pub fn main(heap: Option<fn() -> Heap>) -> ExitCode {
    if let Some(heap) = heap {
        probe::count_heap_with(heap);
    }
    // Warnings are shown unless RUST_LOG asks for something else: they say why something takes its time.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let exit = match cli::Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|error| {
            output::error(&error);
            if interrupt::requested() { exit::Exit::Interrupted } else { exit::Exit::of(&error) }
        }),
        Err(usage) => {
            // Help and version are "errors" too, with exit code 0. Nothing is left to do when the text cannot be shown.
            let _ = usage.print();
            if usage.use_stderr() { exit::Exit::Error } else { exit::Exit::Done }
        }
    };
    exit.into()
}
