//! Lasting shifts are named, and nothing else is.
//!
//! `cargo test -p msgr-reports --test trend -- --nocapture` prints how often.

use msgr_reports::trend::{Host, Trend};

use crate::made_up::{from, host, never, trend};

const SEEDS: u64 = 200;

/// Share of the trends of a step that must name it.
const FOUND_MIN: f64 = 0.95;

/// How many of [`SEEDS`] trends name a shift of a metric.
fn named(metric: &str, make: impl Fn(u64) -> Trend) -> u64 {
    let names = |trend: &Trend| trend.shifts().iter().any(|sentence| sentence.starts_with(metric));
    (0..SEEDS).filter(|seed| names(&make(*seed))).count() as u64
}

#[test]
fn a_machine_in_the_cloud_alone_makes_no_shift() {
    for jobs in [20, 40, 60, 100] {
        let named = (0..SEEDS).filter(|seed| !trend(*seed, jobs, never, never).shifts().is_empty()).count();
        println!("| no step, {jobs} jobs | {named} of {SEEDS} |");
        assert_eq!(named, 0, "{jobs} jobs");
    }
}

#[test]
fn a_step_of_a_fifth_is_named_once_it_has_lasted() {
    for (jobs, least) in [(40, 0.4), (45, 0.8), (50, FOUND_MIN), (60, FOUND_MIN)] {
        let named = named("p50", |seed| trend(seed, jobs, never, from(30, 1.2)));
        println!("| +20 % from the 31st job on, {jobs} jobs | {named} of {SEEDS} |");
        assert!(named as f64 >= least * SEEDS as f64, "{jobs} jobs: {named}");
    }
}

#[test]
fn a_named_step_says_how_much_since_when_and_that_the_pairs_saw_it() {
    let sentences = trend(1, 60, never, from(30, 1.2)).shifts();
    let p50 = sentences.iter().find(|sentence| sentence.starts_with("p50 of async ping-pong, 64 B, 1 peer")).unwrap();
    for words in ["higher since", "of 2026-02-", "µs over the 30 jobs before", "on 2 × a CPU, Linux 6.1.0"] {
        assert!(p50.contains(words), "{p50}");
    }
    assert!(p50.ends_with("it is the program."), "{p50}");
}

#[test]
fn a_machine_that_became_slower_is_told_from_a_program_that_did() {
    let sentences = trend(1, 60, from(30, 1.3), never).shifts();
    assert!(!sentences.is_empty());
    assert!(sentences.iter().all(|one| one.ends_with("it is the machine rather than the program.")), "{sentences:?}");
}

#[test]
fn where_a_commit_was_not_measured_the_pairs_are_not_asked() {
    let mut trend = trend(1, 60, never, from(30, 1.2));
    trend.entries.remove(30);
    let sentences = trend.shifts();
    assert!(sentences.iter().any(|one| one.contains("A commit there was not measured")), "{sentences:?}");
}

/// The jobs of the trend on another machine, `slower` times slower, from a job on.
fn moved(mut trend: Trend, to: &Host, first: usize, slower: f64) -> Trend {
    for entry in &mut trend.entries[first..] {
        entry.host = to.clone();
        entry.cells.iter_mut().flat_map(|cell| &mut cell.figures).for_each(|figure| figure.ns *= slower);
    }
    trend
}

#[test]
fn a_commit_that_another_machine_measured_is_no_gap() {
    let mut trend = trend(1, 60, never, from(30, 1.2));
    trend.entries[30].host = host("another CPU");
    let sentences = trend.shifts();
    assert!(sentences.iter().any(|one| one.ends_with("it is the program.")), "{sentences:?}");
}

#[test]
fn two_machines_with_levels_of_their_own_make_no_shift() {
    for seed in 0..SEEDS {
        let after = moved(trend(seed, 60, never, never), &host("another CPU"), 30, 2.0);
        assert_eq!(after.shifts(), [""; 0], "seed {seed}");
    }
    // On one machine it would be named.
    let same = moved(trend(1, 60, never, never), &host("a CPU"), 30, 2.0);
    assert!(!same.shifts().is_empty());
}
