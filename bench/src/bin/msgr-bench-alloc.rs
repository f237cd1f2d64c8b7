//! `msgr-bench` with an allocator that counts. `msgr-bench run` starts it as the side under test for a short pass of
//! its own, so that counting never slows what is timed.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;

use msgr_bench::{Heap, Program};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let heap = || {
        let stats = ALLOCATOR.stats();
        Heap { count: (stats.allocations + stats.reallocations) as u64, bytes: stats.bytes_allocated as u64 }
    };
    Program::new().counting_heap(heap).main()
}
