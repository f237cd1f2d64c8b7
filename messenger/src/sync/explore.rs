//! Running a test under many schedules, for builds with `--cfg msgr_shuttle`.
//!
//! A failing schedule is printed. `MSGR_SCHEDULE=<what was printed> just concurrency <name of the test>` runs that one
//! again; code that was changed in between may not come by the same choices, which ends the test too.

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Where the choices begin, unless `SHUTTLE_RANDOM_SEED` says otherwise. Fixed, so that a test that failed once fails again.
const SEED: u64 = 27;
/// Preemptions at unlikely places that the second half of the schedules concentrates on. Few bugs need more.
const DEPTH: usize = 3;
/// Operations after which a schedule is taken to spin. The longest test takes a few thousand.
const STEPS_MAX: usize = 100_000;
/// Stack of each thread, bytes: unoptimised code needs more than shuttle gives it.
const STACK: usize = 256 << 10;

/// Runs `body` under this many schedules, times `MSGR_SCHEDULES` if that is set: one half with every choice random, which
/// mixes thoroughly, the other with few preemptions at random places, which lets threads fall far behind.
///
/// # Panics
/// When a schedule makes `body` panic, comes to a state in which no thread can go on, or does not end.
pub fn schedules(number: usize, body: impl Fn() + Send + Sync + 'static) {
    let body = std::sync::Arc::new(body);
    if replayed(&body) {
        return;
    }
    let number = number * times();
    let again = std::sync::Arc::clone(&body);
    run(RandomScheduler::new_from_seed(SEED, number.div_ceil(2)), move || body());
    run(PctScheduler::new_from_seed(SEED, DEPTH, number / 2), move || again());
}

/// Runs `body` under every schedule there is, and returns how many there are. For a handful of operations only.
///
/// # Panics
/// As [`schedules`], and when there are more than `most`: then it is too much to be explored like this.
pub fn all(most: usize, body: impl Fn() + Send + Sync + 'static) {
    let body = std::sync::Arc::new(body);
    if replayed(&body) {
        return;
    }
    let number = run(DfsScheduler::new(Some(most), false), move || body());
    assert!(number < most, "more than {most} schedules");
    eprintln!("{number} schedules, all there are");
}

fn replayed(body: &std::sync::Arc<impl Fn() + Send + Sync + 'static>) -> bool {
    let Ok(schedule) = std::env::var("MSGR_SCHEDULE") else { return false };
    let body = std::sync::Arc::clone(body);
    let schedule: String = schedule.split_whitespace().collect();
    run(ReplayScheduler::new_from_encoded(&schedule), move || body());
    true
}

fn run(scheduler: impl Scheduler + 'static, body: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.stack_size = STACK;
    // It says that weak orderings are taken for SeqCst: see docs/decisions/0010.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(body)
}

fn times() -> usize {
    std::env::var("MSGR_SCHEDULES").map_or(1, |times| times.parse().expect("MSGR_SCHEDULES is a number"))
}
