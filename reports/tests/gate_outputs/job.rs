//! Whole jobs on made-up pairs, and the files of their records.

use std::collections::BTreeMap;
use std::fs;

use hdrhistogram::Histogram;
use msgr_reports::gate::{Cell, Facts, Gate, GateRecord, Next, Pair, Side, Stage, Values, write};
use msgr_reports::record::{Environment, Latency, Warning, Workload};

pub(crate) fn cell(messenger: &str, control: bool) -> Cell {
    Cell { messenger: messenger.to_string(), workload: Workload::PingPong, size: 64, peers: 1, in_flight: 1, control }
}

pub(crate) fn plan() -> Vec<Cell> {
    vec![cell("async", true), cell("async", false), cell("simple", false)]
}

pub(crate) fn facts() -> Facts {
    let side = |commit: &str| Side {
        commit: commit.to_string(),
        binary_hash: format!("{commit}{commit}"),
        flags: "--release --locked".to_string(),
    };
    Facts {
        tool_version: "0.1.0".to_string(),
        started: "2026-11-22T12:00:00Z".to_string(),
        elapsed_s: 61.5,
        command: ["msgr-bench", "gate", "--seed", "7"].map(str::to_string).to_vec(),
        environment: Environment { cpu_model: "a CPU".to_string(), cpus: 2, ..Environment::default() },
        baseline: side("aaaa"),
        candidate: side("bbbb"),
        acceptance: None,
        injected_percent: None,
        warnings: vec![Warning { kind: "governor".to_string(), text: "The governor is powersave.".to_string() }],
    }
}

/// One side whose round trips take some 50 us times `factor`, by a series that the pair's number decides.
pub(crate) fn values(number: usize, factor: f64) -> Values {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    for i in 0..200_u64 {
        let ns = 40_000.0 + 100.0 * (i * 37 % 200) as f64 + 500.0 * (number % 7) as f64;
        histogram.record((ns * factor) as u64).unwrap();
    }
    let latency = Latency::from_histogram(&histogram).unwrap();
    Values {
        p50_ns: latency.p50_ns as f64,
        p99_ns: latency.p99_ns as f64,
        cpu_ns: 9_000.0 + (number % 5) as f64,
        latency: Some(latency),
    }
}

/// A whole job in which side B of each cell takes so many times as long.
pub(crate) fn job(factors: [f64; 3], facts: Facts) -> GateRecord {
    let mut gate = Gate::new(plan(), 7).unwrap();
    let mut number = 0;
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        let (a, b) = (values(number, 1.0), values(number + 3, factors[cell]));
        gate.feed(cell, Pair { order: orders[0], stage: Stage::Main, a, b }).unwrap();
        number += 1;
    }
    gate.finish(facts)
}

pub(crate) const REGRESSION: [f64; 3] = [1.0, 1.0, 1.3];

/// The files of a record, by name.
pub(crate) fn written(record: &GateRecord) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    write(record, dir.path()).unwrap();
    let files = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap())).collect()
}
