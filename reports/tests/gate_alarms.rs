//! The whole rule of the gate on made-up series: identical programs raise no alarm however they are disturbed, and slower
//! ones are found.
//!
//! `cargo test -p msgr-reports --test gate_alarms -- --nocapture` prints both tables.
#![allow(clippy::unwrap_used)]

use fastrand::Rng;
use msgr_reports::gate::{Cell, Facts, Gate, GateRecord, Metric, Next, Order, Outcome, Pair, Stage, Values, Verdict};
use msgr_reports::record::Workload;

/// Jobs of each series.
const SEEDS: u64 = 200;

/// Jobs of a series without a change in which the gate may be wrong: 1 %.
const ALARMS_MAX: u64 = SEEDS / 100;

/// Which of the two sides a sample is of.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    A,
    B,
}

/// A sample that is to be made up: factors of the three metrics come from it.
struct Draw<'a> {
    rng: &'a mut Rng,
    /// Number of the pair within its cell, from 0.
    pair: usize,
    side: Side,
    first: bool,
}

/// What a program takes longer by, as a factor, for each of [`Metric::ALL`].
type Series<'a> = &'a dyn Fn(Draw<'_>) -> [f64; 3];

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

fn log_normal(rng: &mut Rng, sigma: f64) -> f64 {
    (normal(rng) * sigma).exp()
}

/// A spread of each metric of its own.
fn noisy(rng: &mut Rng, sigma: f64) -> [f64; 3] {
    [log_normal(rng, sigma), log_normal(rng, 2.0 * sigma), log_normal(rng, sigma / 2.0)]
}

fn silence(_: Draw<'_>) -> [f64; 3] {
    [1.0; 3]
}

fn log_normal_noise(draw: Draw<'_>) -> [f64; 3] {
    noisy(draw.rng, 0.15)
}

/// The logarithm has Cauchy's distribution, which has no mean; cut off where a sample would take seven times as long.
fn heavy_tails(draw: Draw<'_>) -> [f64; 3] {
    let mut cauchy = |scale: f64| (scale * normal(draw.rng) / normal(draw.rng)).clamp(-2.0, 2.0).exp();
    [cauchy(0.06), cauchy(0.12), cauchy(0.03)]
}

/// Each process falls into one of two modes, for all metrics alike, as with where a scheduler puts two threads.
fn bimodal(draw: Draw<'_>) -> [f64; 3] {
    let mode = if draw.rng.bool() { 1.6 } else { 1.0 };
    noisy(draw.rng, 0.05).map(|factor| factor * mode)
}

/// Both sides become slower alike while the job runs, by half within twenty pairs.
fn drift(draw: Draw<'_>) -> [f64; 3] {
    let slower = 1.0 + draw.pair as f64 / 40.0;
    noisy(draw.rng, 0.05).map(|factor| factor * slower)
}

/// One sample of B took fifty times as long.
fn single_spike(draw: Draw<'_>) -> [f64; 3] {
    let spike = if draw.pair == 7 && draw.side == Side::B { 50.0 } else { 1.0 };
    noisy(draw.rng, 0.05).map(|factor| factor * spike)
}

/// Whichever side runs first is 5 % slower.
fn order_bias(draw: Draw<'_>) -> [f64; 3] {
    let bias = if draw.first { 1.05 } else { 1.0 };
    noisy(draw.rng, 0.05).map(|factor| factor * bias)
}

const SERIES: [(&str, Series<'static>); 6] = [
    ("log-normal noise", &log_normal_noise),
    ("heavy tails", &heavy_tails),
    ("two modes", &bimodal),
    ("drift of both sides", &drift),
    ("a single spike", &single_spike),
    ("bias of the order", &order_bias),
];

fn plan() -> Vec<Cell> {
    let cell = |control| Cell {
        messenger: "async".to_string(),
        workload: Workload::PingPong,
        size: 64,
        peers: 1,
        in_flight: 1,
        control,
    };
    vec![cell(true), cell(false)]
}

/// A whole job, in which B takes `slower` times as long by every metric, with the series of the A/A cell and of the other.
fn job(seed: u64, series: [Series<'_>; 2], slower: [f64; 3]) -> GateRecord {
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let mut gate = Gate::new(plan(), seed).unwrap();
    let mut measured = [0, 0];
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        for order in orders {
            let mut sample = |side| {
                let first = (order == Order::AFirst) == (side == Side::A);
                let factors = series[cell](Draw { rng: &mut rng, pair: measured[cell], side, first });
                let change = if side == Side::B && cell == 1 { slower } else { [1.0; 3] };
                let ns = |i: usize, usual: f64| usual * factors[i] * change[i];
                Values { p50_ns: ns(0, 50_000.0), p99_ns: ns(1, 120_000.0), cpu_ns: ns(2, 9_000.0), latency: None }
            };
            let (a, b) = (sample(Side::A), sample(Side::B));
            gate.feed(cell, Pair { order, stage: Stage::Main, a, b }).unwrap();
            measured[cell] += 1;
        }
    }
    gate.finish(Facts::default())
}

#[test]
fn identical_programs_raise_no_alarm_however_both_are_disturbed() {
    println!("| series | alarms | flags | inconclusive | pairs, mean |");
    for (name, series) in SERIES {
        let jobs: Vec<GateRecord> = (0..SEEDS).map(|seed| job(seed, [&silence, series], [1.0; 3])).collect();
        let count = |outcome| jobs.iter().filter(|job| job.outcome == outcome).count() as u64;
        let flags =
            jobs.iter().flat_map(|job| &job.cells[1].decisions).filter(|one| one.confirmation.is_some()).count();
        let pairs = jobs.iter().map(|job| job.cells[1].pairs.len()).sum::<usize>() as f64 / SEEDS as f64;
        let alarms = count(Outcome::Regression);
        println!("| {name} | {alarms} of {SEEDS} | {flags} | {} | {pairs:.0} |", count(Outcome::Inconclusive));
        assert_eq!(count(Outcome::Error), 0, "{name}");
        assert!(alarms <= ALARMS_MAX, "{name}: {alarms} false alarms in {SEEDS} jobs");
    }
}

#[test]
fn a_disturbed_machine_is_called_unfit_by_its_a_a_cell_about_as_rarely() {
    for (name, series) in SERIES {
        let jobs = (0..SEEDS).map(|seed| job(seed, [series, &silence], [1.0; 3]));
        let unfit = jobs
            .filter(|job| job.cells[0].decisions.iter().any(|one| one.verdict == Verdict::Unfit))
            .inspect(|job| assert_eq!(job.exit_code, 3))
            .count() as u64;
        println!("| {name} | unfit {unfit} of {SEEDS} |");
        assert!(unfit <= ALARMS_MAX, "{name}: {unfit} of {SEEDS} jobs called unfit");
    }
}

/// Scatter of the logarithm of a pair's ratio on a busy machine of two cores, derived from how often pairs of recorded
/// runs found a slow-down: p50 of a program with one worker, p50 of one with a thread for each direction, p99 of
/// either.
const SCATTER: [(&str, Metric, f64); 3] =
    [("p50, one worker", Metric::P50, 0.15), ("p50, two threads", Metric::P50, 0.27), ("p99", Metric::P99, 0.35)];

/// Share of jobs that find a slow-down of one metric, and the mean number of pairs.
fn power(metric: Metric, scatter: f64, slower: f64) -> (f64, f64) {
    let index = Metric::ALL.iter().position(|one| *one == metric).unwrap();
    // A ratio of two samples scatters by the square root of two more than one.
    let sigma = scatter / std::f64::consts::SQRT_2;
    let series = move |draw: Draw<'_>| {
        let mut factors = [1.0; 3];
        factors[index] = log_normal(draw.rng, sigma);
        factors
    };
    let mut change = [1.0; 3];
    change[index] = slower;
    let jobs: Vec<GateRecord> = (0..SEEDS).map(|seed| job(seed, [&silence, &series], change)).collect();
    let found = jobs.iter().filter(|job| job.outcome == Outcome::Regression).count();
    let pairs: usize = jobs.iter().map(|job| job.cells[1].pairs.len()).sum();
    (found as f64 / SEEDS as f64, pairs as f64 / SEEDS as f64)
}

#[test]
fn slower_programs_are_found_the_more_surely_the_slower_they_are() {
    println!("| metric, scatter | +0 % | +10 % | +20 % | +30 % | (share found, mean pairs)");
    for (name, metric, scatter) in SCATTER {
        let found = [1.0, 1.1, 1.2, 1.3].map(|slower| power(metric, scatter, slower));
        let cells: Vec<String> =
            found.iter().map(|(share, pairs)| format!("{:.1} %, {pairs:.0}", share * 100.0)).collect();
        println!("| {name}, {scatter} | {} |", cells.join(" | "));
        let [nothing, ten, twenty, thirty] = found.map(|(share, _)| share);
        assert!(nothing <= 0.01, "{name}: {nothing}");
        assert!(ten <= twenty + 0.02 && twenty <= thirty + 0.02, "{name}: {found:?}");
        let least = if metric == Metric::P50 { (0.85, 0.95) } else { (0.3, 0.7) };
        assert!(twenty >= least.0 && thirty >= least.1, "{name}: {found:?}");
    }
}
