//! The trials in small: that they run, see what they are to see, and leave nothing behind. How long anything takes is not
//! judged here.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use rustix::process::Signal;
use support::{Running, bench, fails, processes_with, succeeds};

const MARK: &str = "MSGR_BENCH_TRIAL_TEST_MARK";

/// The cells of the rows that begin with `messenger`.
fn rows(text: &str, messenger: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with(messenger));
    // Cells are two blanks apart at least.
    rows.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_soak_meets_failures_and_misses_no_message() {
    let text = succeeds("soak --messages 20000 --rounds 1 --fail-one-in 100 --failures 50 --seed 7");
    for messenger in ["simple", "async"] {
        let row = &rows(&text, messenger)[0];
        assert_eq!(row[1], "40000", "{text}");
        assert_eq!(row[5..9], ["0"; 4], "{text}");
    }
    assert!(text.contains("every promise was kept"));
}

#[test]
fn a_soak_that_meets_too_few_failures_does_not_count() {
    let output = bench("soak --messengers async --messages 100 --peers 2 --rounds 1").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("BROKEN async: only"));
}

#[test]
fn survivors_of_kills_hear_what_their_policies_promise() {
    let text = succeeds("kill --kills 8 --peers 2 --seed 7");
    // Two sides of four pairs of policies.
    assert_eq!(rows(&text, "simple").len() + rows(&text, "async").len(), 16, "{text}");
}

/// A short abuse that is not judged by the clock. Each of the messengers has a share of the phases. Handshakes may take
/// long, for those of good peers must not be cut off on a busy machine.
fn abuse(messenger: &str, phases: &str) {
    let text = succeeds(&format!(
        "abuse --messengers {messenger} --abuse {phases} --connections 50 --duration 300ms --rounds 1 --p99-at-most 1e9 \
         --seed 7 --set ms_connection_ready_timeout=3"
    ));
    assert_eq!(rows(&text, messenger).len(), phases.split(',').count(), "{text}");
}

#[test]
fn a_little_abuse_of_simple_is_told_by_its_counters_and_survived() {
    abuse("simple", "stops,garbage,crc,unsent,deaf,files");
}

#[test]
fn a_little_abuse_of_async_is_told_by_its_counters_and_survived() {
    abuse("async", "silent,sequence,lengths,handshakes,deaf");
}

#[test]
fn files_and_threads_come_back_after_connects_and_drops() {
    let text = succeeds("leaks --connects 500 --growth 64MiB --seed 7");
    for messenger in ["simple", "async"] {
        let row = &rows(&text, messenger)[0];
        assert_eq!((&row[2], &row[4]), (&row[3], &row[5]), "{text}");
    }
}

#[test]
fn ctrl_c_ends_a_trial_and_its_processes() {
    let mark = std::process::id().to_string();
    let mut soak = Running::start("soak --messages 1000000000 --rounds 1", false, (MARK, &mark));
    support::wait_for("the nodes", || processes_with(MARK, &mark) >= 3);
    soak.signal(Signal::INT);
    assert_eq!(soak.wait(), Some(130));
    assert_eq!(processes_with(MARK, &mark), 0);
}

#[test]
fn a_trial_that_is_killed_leaves_no_process() {
    let mark = format!("{}-killed", std::process::id());
    let mut kill = Running::start("kill --kills 1000", false, (MARK, &mark));
    support::wait_for("the nodes", || processes_with(MARK, &mark) >= 3);
    kill.signal(Signal::KILL);
    assert_eq!(kill.wait(), None);
    support::wait_for("the nodes to end", || processes_with(MARK, &mark) == 0);
}

#[test]
fn usage_errors_say_what_to_do() {
    fails("abuse --abuse flood", 2, &["silent, stops"]);
    fails("soak --messages 3", 2, &["--messages"]);
    fails("kill --kills 0", 2, &["from 1"]);
    fails("soak --messengers tcp", 2, &["floor"]);
}
