//! The error rates of the gate, from jobs that are made up.
#![allow(clippy::unwrap_used)]

use fastrand::Rng;
use msgr_reports::gate::{
    Cell, ErrorRates, Facts, Gate, GateRecord, Next, Order, Pair, RatesError, Side, Stage, Values,
};
use msgr_reports::record::Workload;

fn cell(messenger: &str, peers: u32, control: bool) -> Cell {
    let workload = Workload::PingPong;
    Cell { messenger: messenger.to_string(), workload, size: 64, peers, in_flight: peers, control }
}

fn plan() -> Vec<Cell> {
    vec![cell("async", 1, true), cell("simple", 1, false), cell("async", 1, false)]
}

/// A job whose latencies scatter by `scatter`, with a candidate whose messages take longer by so many percent of the median.
fn job(seed: u64, plan: Vec<Cell>, scatter: f64, percent: Option<f64>, second: f64) -> GateRecord {
    let mut rng = Rng::with_seed(seed);
    let controls: Vec<bool> = plan.iter().map(|cell| cell.control).collect();
    let mut gate = Gate::new(plan, seed).unwrap();
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        for order in orders {
            let mut sample = |is_second: bool, is_b: bool| {
                let noise = 1.0 + scatter * (rng.f64() + rng.f64() - 1.0);
                let place = if is_second { second } else { 1.0 };
                let slower = percent.filter(|_| is_b && !controls[cell]).unwrap_or(0.0) / 100.0;
                let ns = 50_000.0 * noise * place;
                Values { p50_ns: ns + 50_000.0 * slower, p99_ns: 2.0 * ns, cpu_ns: ns / 5.0, latency: None }
            };
            let (a, b) = (sample(order == Order::BFirst, false), sample(order == Order::AFirst, true));
            gate.feed(cell, Pair { order, stage: Stage::Main, a, b }).unwrap();
        }
    }
    let side = || Side { binary_hash: "aaaa".to_string(), ..Side::default() };
    gate.finish(Facts {
        baseline: side(),
        candidate: side(),
        injected_percent: percent,
        elapsed_s: 100.0 + seed as f64,
        ..Facts::default()
    })
}

/// Ten jobs of each sort.
fn jobs(scatter: f64) -> Vec<GateRecord> {
    let sorts = [None, Some(10.0), Some(20.0)].into_iter().enumerate();
    sorts
        .flat_map(|(sort, percent)| (0..10).map(move |i| job(100 * sort as u64 + i, plan(), scatter, percent, 1.0)))
        .collect()
}

#[test]
fn a_quiet_machine_keeps_every_promise_and_the_same_seed_gives_the_same_tables() {
    let jobs = jobs(0.05);
    let rates = ErrorRates::of(&jobs, 7).unwrap();
    assert_eq!(rates.missed(), Vec::<String>::new());
    let tables = rates.markdown();
    assert!(tables.contains("| measured | 10 | 0 | 0 | 0 | 20 |\n| played | 190 | 0 | 0 | 0 | 20 |"), "{tables}");
    assert!(
        tables.contains("| 20.0 % of p50 | async | +20.2 % | 10 of 10, p50 10 | 90 of 90, p50 90 | 100.0 % | 95.0 % |"),
        "{tables}"
    );
    assert!(
        tables.contains("took 1 min 45 s (median) and 1 min 49 s at most; played were at least 200 pairs a cell"),
        "{tables}"
    );
    assert_eq!(tables, ErrorRates::of(&jobs, 7).unwrap().markdown());
}

#[test]
fn what_is_not_found_and_what_takes_too_long_is_missed() {
    let mut jobs = jobs(0.05);
    for job in &mut jobs {
        job.facts.elapsed_s *= 10.0;
    }
    let noisy = (0..10).map(|i| job(900 + i, plan(), 0.9, None, 1.0));
    let jobs: Vec<GateRecord> =
        jobs.into_iter().filter(|job| job.facts.injected_percent.is_some()).chain(noisy).collect();
    let missed = ErrorRates::of(&jobs, 7).unwrap().missed();
    assert!(missed.iter().any(|one| one.contains("a p50 of async that is 10.0 % slower was found in")), "{missed:?}");
    assert!(missed.iter().any(|one| one.contains("the longest job of identical programs took 16 min")), "{missed:?}");
}

#[test]
fn a_played_job_draws_the_order_of_its_pairs_anew() {
    // What runs second is 30 % slower: called A or B at random, it raises no alarm.
    let mut jobs = jobs(0.02);
    jobs.retain(|job| job.facts.injected_percent.is_some());
    jobs.extend((0..10).map(|i| job(i, plan(), 0.02, None, 1.3)));
    let tables = ErrorRates::of(&jobs, 7).unwrap().markdown();
    let played = tables.lines().find(|line| line.starts_with("| played |")).unwrap();
    assert!(played.starts_with("| played | 190 | 0 |"), "{tables}");
}

#[test]
fn too_few_jobs_other_plans_and_other_programs_have_no_rates() {
    let all = jobs(0.05);
    assert_eq!(ErrorRates::of(&all[1..], 7), Err(RatesError::Few { found: 9, sort: "of identical programs" }));
    let mut other = all.clone();
    other[3] = job(3, vec![cell("async", 1, true), cell("async", 16, false)], 0.05, None, 1.0);
    assert_eq!(ErrorRates::of(&other, 7), Err(RatesError::Plans));
    let mut other = all;
    other[3].facts.candidate.binary_hash = "bbbb".to_string();
    assert!(ErrorRates::of(&other, 7).is_err_and(|error| error.to_string().contains("(aaaa and bbbb)")));
}
