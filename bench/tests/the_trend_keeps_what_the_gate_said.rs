//! The verb `trend`, on verdicts that were made up.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use msgr_reports::gate::{self, Cell, Facts, Gate, Next, Pair, Side, Stage, Values};
use msgr_reports::record::Workload;
use support::{bench, fails, succeeds};

/// Writes the verdict of the job of commit `number` into a directory of its own, and gives its record.
fn verdict(dir: &Path, number: usize, p50_ns: f64) -> PathBuf {
    let workload = Workload::PingPong;
    let cell = |control| Cell { messenger: "async".into(), workload, size: 64, peers: 1, in_flight: 1, control };
    let mut gate = Gate::new(vec![cell(true), cell(false)], 1).unwrap();
    let values = Values { p50_ns, p99_ns: 2.0 * p50_ns, cpu_ns: p50_ns / 5.0, latency: None };
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        let pair = Pair { order: orders[0], stage: Stage::Main, a: values.clone(), b: values.clone() };
        gate.feed(cell, pair).unwrap();
    }
    let side = |number: usize| Side { commit: format!("{number:012x}"), ..Side::default() };
    let started = format!("2026-01-{:02}T00:00:00Z", number + 1);
    let facts = Facts { started, baseline: side(number), candidate: side(number + 1), ..Facts::default() };
    gate::write(&gate.finish(facts), &dir.join(number.to_string())).unwrap().json
}

/// The arguments that add `records` to the trend in `dir`.
fn adding(dir: &Path, records: &[PathBuf]) -> String {
    let adds: Vec<String> = records.iter().map(|record| format!("--add {}", record.display())).collect();
    format!("trend {0}/trend.jsonl {1} --out {0}", dir.display(), adds.join(" "))
}

#[test]
fn verdicts_become_lines_a_page_and_a_word_about_a_shift_and_none_fails() {
    let dir = tempfile::tempdir().unwrap();
    let slower = |number: usize| if number < 15 { 50_000.0 } else { 70_000.0 };
    let records: Vec<PathBuf> = (0..30).map(|number| verdict(dir.path(), number, slower(number))).collect();
    let said = succeeds(&adding(dir.path(), &records[..2]));
    assert_eq!(said, format!("{}/trend.html\n", dir.path().display()));
    let said = succeeds(&adding(dir.path(), &records[2..]));
    assert!(said.starts_with("p50 of async ping-pong") && said.contains("40.0 % higher"), "{said}");
    let file = fs::read_to_string(dir.path().join("trend.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 30);
    assert!(fs::read_to_string(dir.path().join("trend.html")).unwrap().contains("30 jobs on 1 machine"));
    // Drawn again it is the same, and what is there is not added twice.
    let page = fs::read(dir.path().join("trend.html")).unwrap();
    let output = bench(&adding(dir.path(), &records[3..4])).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("already"));
    assert_eq!(fs::read_to_string(dir.path().join("trend.jsonl")).unwrap(), file);
    assert_eq!(fs::read(dir.path().join("trend.html")).unwrap(), page);
}

#[test]
fn a_line_that_was_cut_off_is_told_and_a_newer_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trend.jsonl");
    succeeds(&adding(dir.path(), &[verdict(dir.path(), 0, 50_000.0)]));
    let whole = fs::read_to_string(&file).unwrap();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&whole.as_bytes()[..100]).unwrap();
    let output = bench(&adding(dir.path(), &[verdict(dir.path(), 1, 50_000.0)])).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Line 2 of"), "{output:?}");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    fs::write(&file, whole.replace("msgr.trend.v1", "msgr.trend.v9")).unwrap();
    fails(&adding(dir.path(), &[]), 2, &["msgr.trend.v9", "use the msgr-bench that wrote it"]);
}

#[test]
fn files_that_are_missing_or_of_another_kind_are_named_and_nothing_is_added() {
    let dir = tempfile::tempdir().unwrap();
    fails(&adding(dir.path(), &[]), 2, &["trend.jsonl", "--add gate.json"]);
    let good = verdict(dir.path(), 0, 50_000.0);
    let other = dir.path().join("other.json");
    fs::write(&other, "{\"schema\":\"msgr.run.v1\"}").unwrap();
    for bad in [other, dir.path().join("missing.json"), PathBuf::from("/dev/null")] {
        fails(&adding(dir.path(), &[good.clone(), bad.clone()]), 2, &[&bad.display().to_string(), "`msgr-bench gate`"]);
        assert!(!dir.path().join("trend.jsonl").exists());
    }
    fails(&format!("trend {} --add {}", dir.path().display(), good.display()), 2, &["cannot read"]);
    fails(
        &format!("trend /no/such/trend --add {}", good.display()),
        2,
        &["cannot add to /no/such/trend", "free space"],
    );
}
