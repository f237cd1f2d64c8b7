//! Ctrl-C, and worse.

mod support;

use rustix::process::Signal;
use support::{Running, processes_with, record, wait_for};

/// More samples than anybody waits for.
const ENDLESS: &str = "run --messengers tcp --peers 1,2 --rounds 1000 --duration 100ms --warmup 10ms";

const MARK: &str = "MSGR_BENCH_TEST_MARK";

#[test]
fn ctrl_c_leaves_a_partial_record_its_page_and_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().display().to_string();
    let mut run = Running::start(&format!("{ENDLESS} --out {mark}"), false, (MARK, &mark));
    assert!(run.line().contains("1/2000"));
    run.signal(Signal::INT);
    assert!(run.rest().iter().any(|line| line.contains("partial")));
    assert_eq!(run.wait(), Some(130));
    let record = record(dir.path());
    assert!(record.partial && !record.samples.is_empty() && record.samples.len() < 100);
    assert!(dir.path().join("index.html").exists());
    assert_eq!(processes_with(MARK, &mark), 0);
}

#[test]
fn a_run_that_is_killed_leaves_a_partial_record_and_its_children_end() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().display().to_string();
    let mut run = Running::start(&format!("{ENDLESS} --out {mark}"), false, (MARK, &mark));
    assert!(run.line().contains("1/2000"));
    run.signal(Signal::KILL);
    assert_eq!(run.wait(), None);
    assert!(record(dir.path()).partial);
    wait_for("the children to end", || processes_with(MARK, &mark) == 0);
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_a_readable_record() {
    // Within the first samples, between them, and while the record is written: 25 moments over half a second.
    for moment in 0..25 {
        let dir = tempfile::tempdir().unwrap();
        let run = Running::start(&format!("{ENDLESS} --out {}", dir.path().display()), false, (MARK, "any"));
        wait_for("the record", || dir.path().join("run.json").exists());
        std::thread::sleep(std::time::Duration::from_millis(moment * 20));
        drop(run);
        assert!(record(dir.path()).partial, "killed after {} ms", moment * 20);
    }
}

#[test]
fn a_load_by_hand_that_is_interrupted_records_the_time_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let serve = "serve --messenger tcp --bind 127.0.0.1:0 --control 127.0.0.1:0";
    let mut server = Running::start(serve, true, (MARK, "serve"));
    let first = server.line();
    let addresses: Vec<_> = first.split([' ', ',', ';']).filter(|word| word.contains("127.0.0.1:")).collect();
    let load = format!(
        "load --messenger tcp --connect {} --control {} --warmup 0s --duration 10m --out {}",
        addresses[0],
        addresses[1],
        dir.path().display()
    );
    let mut load = Running::start(&load, false, (MARK, "load"));
    assert!(load.line().contains("measuring"));
    // A few round trips.
    std::thread::sleep(std::time::Duration::from_millis(50));
    load.signal(Signal::INT);
    assert_eq!(load.wait(), Some(130));
    let record = record(dir.path());
    assert!(record.partial && record.samples.len() == 1 && record.samples[0].elapsed_ns < 600_000_000_000);
}
