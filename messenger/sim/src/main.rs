//! `msgr-sim`: plays schedules and reports what they reached.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)] // as the library does

mod report;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use msgr::coverage::{self, Counts};
use msgr_sim::schedule::{self, Outcome, Violation};

/// Seeds one job takes at once.
const CHUNK: u64 = 64;
/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Plays schedules of sends, breaks, races, resets and restarts between messengers in memory, and checks that each message
/// arrives once and in order where the policy promises it.
#[derive(Parser)]
struct Options {
    /// How many schedules to play; each is made from its number.
    #[arg(long, default_value_t = 20_000)]
    schedules: u64,
    /// The number of the first.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Plays this one only.
    #[arg(long, conflicts_with_all = ["schedules", "first"])]
    seed: Option<u64>,
    /// Prints what happens, of one schedule.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Leaves out steps of one schedule as long as it still fails.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Schedules played at the same time; they do not depend on it.
    #[arg(long)]
    jobs: Option<usize>,
    /// Fails unless everything was reached so often; a full run of 1,000,000 schedules asks for 1000.
    #[arg(long)]
    reach: Option<u64>,
    /// Prints only the violation, if there is one.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) if options.shrink => one(schedule::shrink(seed)),
        Some(seed) => one(schedule::run(seed, options.trace)),
        None => many(&options),
    }
}

fn one(result: Result<Outcome, Violation>) -> ExitCode {
    match result {
        Ok(outcome) => {
            println!("{outcome:?}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("seed {}: {}", violation.seed, violation.what);
            ExitCode::FAILURE
        }
    }
}

/// What the jobs have done together.
#[derive(Default)]
struct Sum {
    outcome: Outcome,
    counts: Counts,
    violation: Option<Violation>,
}

fn many(options: &Options) -> ExitCode {
    let last = options.first.saturating_add(options.schedules);
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into)).max(1);
    let begun = Instant::now();
    let (next, done) = (AtomicU64::new(options.first), AtomicU64::new(0));
    // Schedules from here on need not be played: one before them has failed.
    let end = AtomicU64::new(last);
    let sum = Mutex::new(Sum::default());
    thread::scope(|scope| {
        let (finished, progress) = mpsc::channel::<()>();
        for _ in 0..jobs {
            let finished = finished.clone();
            let (next, done, end, sum) = (&next, &done, &end, &sum);
            scope.spawn(move || {
                job(next, done, end, sum);
                drop(finished);
            });
        }
        drop(finished);
        while progress.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            if !options.quiet {
                show_progress(done.load(Relaxed), options.schedules, begun);
            }
        }
    });
    let sum = sum.into_inner().unwrap();
    if let Some(Violation { seed, what }) = sum.violation {
        println!("seed {seed}: {what}");
        if !options.quiet {
            println!("replay it with: just sim --seed {seed} --trace");
        }
        return ExitCode::FAILURE;
    }
    let reach = options.reach.or((options.schedules >= report::FULL_RUN).then_some(report::FULL_REACH));
    if options.quiet {
        return ExitCode::SUCCESS;
    }
    report::print(&sum.outcome, &sum.counts, options.schedules, begun.elapsed(), reach)
}

fn show_progress(done: u64, of: u64, begun: Instant) {
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    let mut out = std::io::stderr();
    let line = format!("{done} of {of} schedules, {rate:.0} a second");
    let written = if out.is_terminal() { write!(out, "\r{line} ") } else { writeln!(out, "{line}") };
    // Nobody to show it to is no reason to stop.
    drop(written);
}

/// Plays chunks of schedules until there are no more.
fn job(next: &AtomicU64, done: &AtomicU64, end: &AtomicU64, sum: &Mutex<Sum>) {
    let mut outcome = Outcome::default();
    drop(coverage::take());
    loop {
        let first = next.fetch_add(CHUNK, Relaxed);
        if first >= end.load(Relaxed) {
            break;
        }
        for seed in first..first + CHUNK {
            if seed >= end.load(Relaxed) {
                break;
            }
            match schedule::run(seed, false) {
                Ok(one) => outcome += one,
                Err(violation) => {
                    end.fetch_min(seed, Relaxed);
                    let mut sum = sum.lock().unwrap();
                    if sum.violation.as_ref().is_none_or(|other| seed < other.seed) {
                        sum.violation = Some(violation);
                    }
                }
            }
            done.fetch_add(1, Relaxed);
        }
    }
    let mut sum = sum.lock().unwrap();
    sum.outcome += outcome;
    sum.counts += &coverage::take();
}
