//! What the receive half allocates for the fuzzer's inputs. A test binary of its own: other tests would allocate too.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::alloc::System;
use std::fs;
use std::path::Path;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn the_decoder_holds_no_more_than_its_input_explains() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/decoder");
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        msgr_sim::fuzz::decoder_within(&fs::read(path).unwrap(), live);
    }
}
