//! Made-up trends.

use fastrand::Rng;
use msgr_reports::gate::{Cell, Metric, Outcome};
use msgr_reports::record::Workload;
use msgr_reports::trend::{CellFigures, Entry, Figure, Host, SCHEMA, Trend};

/// Scatter of the logarithm of a median from job to job, most of the time, and in one job of ten.
const SCATTER: f64 = 0.07;
const SCATTER_WILD: f64 = 0.24;

/// Scatter of the logarithm of an estimate from pairs.
const SCATTER_OF_PAIRS: f64 = 0.02;

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// What a machine in the cloud does from one job to the next: a standard deviation of 0.1, with heavy tails.
fn noise(rng: &mut Rng) -> f64 {
    let wild = rng.u8(0..10) == 0;
    normal(rng) * if wild { SCATTER_WILD } else { SCATTER }
}

pub(crate) fn host(name: &str) -> Host {
    Host { cpu_model: name.to_string(), cpus: 2, kernel: "Linux 6.1.0".to_string() }
}

fn cell() -> Cell {
    let messenger = "async".to_string();
    Cell { messenger, workload: Workload::PingPong, size: 64, peers: 1, in_flight: 1, control: false }
}

/// The job of commit `number` on its predecessor, whose metrics take so many nanoseconds.
pub(crate) fn job(number: usize, host: &Host, ns: [f64; 3], change: f64) -> Entry {
    let figure = |(metric, ns): (Metric, f64)| Figure { metric, ns, change, low: change - 0.03, high: change + 0.03 };
    let figures = Metric::ALL.into_iter().zip(ns).map(figure).collect();
    Entry {
        schema: SCHEMA.to_string(),
        started: format!("2026-{:02}-{:02}T12:00:00Z", number / 28 + 1, number % 28 + 1),
        commit: format!("{:07x}abc", number + 1),
        baseline: format!("{number:07x}abc"),
        tool_version: "0.1.0".to_string(),
        host: host.clone(),
        outcome: Outcome::Pass,
        cells: vec![CellFigures { cell: cell(), figures }],
    }
}

/// Jobs of one commit after another. `machine` and `program` say by which factor each is slower at a job.
pub(crate) fn trend(seed: u64, jobs: usize, machine: impl Fn(usize) -> f64, program: impl Fn(usize) -> f64) -> Trend {
    let mut rng = Rng::with_seed(seed);
    let entries = (0..jobs).map(|number| {
        let at = machine(number) * program(number);
        let ns = [50_000.0, 120_000.0, 9_000.0].map(|usual: f64| usual * at * noise(&mut rng).exp());
        let step = program(number) / program(number.saturating_sub(1));
        let change = step * (normal(&mut rng) * SCATTER_OF_PAIRS).exp() - 1.0;
        job(number, &host("a CPU"), ns, change)
    });
    Trend { entries: entries.collect(), skipped: Vec::new() }
}

/// Nothing changes.
pub(crate) fn never(_: usize) -> f64 {
    1.0
}

/// By so much from a job on.
pub(crate) fn from(first: usize, factor: f64) -> impl Fn(usize) -> f64 {
    move |number| if number >= first { factor } else { 1.0 }
}
