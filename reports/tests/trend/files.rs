//! Trend files: what is added is read again, and what is damaged or newer is told.

use std::fs;
use std::io::Write;
use std::path::Path;

use msgr_reports::gate::{Cell, Facts, Gate, GateRecord, Next, Outcome, Pair, Stage, Values};
use msgr_reports::record::{Environment, Workload};
use msgr_reports::trend::{Entry, Trend, TrendError, schema_json};

use crate::made_up::{job, never, trend};

/// The verdict of a job in which the candidate takes so many times as long; of the A/A cell, the copy.
fn verdict(control: f64, candidate: f64, steal: f64) -> GateRecord {
    let workload = Workload::PingPong;
    let cell = |control| Cell { messenger: "async".into(), workload, size: 64, peers: 1, in_flight: 1, control };
    let mut gate = Gate::new(vec![cell(true), cell(false)], 1).unwrap();
    let side = |factor: f64| Values {
        p50_ns: 50_000.0 * factor,
        p99_ns: 120_000.0 * factor,
        cpu_ns: 9_000.0 * factor,
        latency: None,
    };
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        let b = side([control, candidate][cell]);
        gate.feed(cell, Pair { order: orders[0], stage: Stage::Main, a: side(1.0), b }).unwrap();
    }
    gate.finish(Facts { environment: Environment { steal, ..Environment::default() }, ..Facts::default() })
}

fn added(to: &Path, entry: &Entry) {
    let mut trend = if to.exists() { Trend::load(to).unwrap() } else { Trend::default() };
    assert!(trend.add(entry.clone(), to).unwrap());
}

#[test]
fn a_verdict_becomes_a_line_without_its_control_cell() {
    let entry = Entry::of(&verdict(1.0, 1.1, 0.0));
    assert_eq!((entry.outcome, entry.cells.len()), (Outcome::Regression, 1));
    let p50 = &entry.cells[0].figures[0];
    assert!((p50.ns - 55_000.0).abs() < 1e-6 && (p50.change - 0.1).abs() < 1e-9, "{p50:?}");
    assert!(!serde_json::to_string(&entry).unwrap().contains('\n'));
}

#[test]
fn figures_of_a_machine_that_is_unfit_are_left_out() {
    for unfit in [verdict(1.4, 1.0, 0.0), verdict(1.0, 1.0, 0.5), GateRecord::refused(Facts::default(), 1, "one CPU")] {
        let entry = Entry::of(&unfit);
        assert_eq!((entry.outcome, entry.cells.len()), (unfit.outcome, 0));
    }
}

#[test]
fn lines_are_read_as_they_were_added_and_none_is_added_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trend.jsonl");
    let made = trend(1, 5, never, never);
    // Added in any order, they are told in that of time.
    for number in [2, 0, 1, 4, 3] {
        added(&path, &made.entries[number]);
    }
    let mut read = Trend::load(&path).unwrap();
    assert_eq!(read, made);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!read.add(made.entries[3].clone(), &path).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn a_line_that_was_cut_off_is_skipped_and_the_next_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trend.jsonl");
    let made = trend(1, 3, never, never);
    added(&path, &made.entries[0]);
    let line = serde_json::to_string(&made.entries[1]).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&line.as_bytes()[..line.len() / 2]).unwrap();
    let read = Trend::load(&path).unwrap();
    assert_eq!((read.entries.len(), read.skipped.len()), (1, 1));
    assert!(read.skipped[0].starts_with("Line 2 of") && read.skipped[0].contains("was skipped"), "{:?}", read.skipped);
    added(&path, &made.entries[2]);
    let read = Trend::load(&path).unwrap();
    assert_eq!(read.entries, [made.entries[0].clone(), made.entries[2].clone()]);
}

/// What is said of a file that holds a good line and then `line`.
fn refused(line: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trend.jsonl");
    added(&path, &trend(1, 1, never, never).entries[0]);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(line.as_bytes()).unwrap();
    Trend::load(&path).unwrap_err().to_string()
}

#[test]
fn lines_of_another_version_or_of_something_else_are_errors_that_say_what_to_do() {
    let good = serde_json::to_string(&trend(1, 1, never, never).entries[0]).unwrap();
    let newer = refused(&good.replace("msgr.trend.v1", "msgr.trend.v2"));
    assert!(newer.starts_with("line 2 of") && newer.contains("\"msgr.trend.v2\""), "{newer}");
    assert!(newer.ends_with("use the msgr-bench that wrote it"), "{newer}");
    let foreign = refused("{\"a\":1}\n");
    assert!(foreign.contains("is of no trend"), "{foreign}");
    let broken = refused(&good.replace("\"started\"", "\"begun\""));
    assert!(broken.contains("does not follow reports/schema/trend.v1.json"), "{broken}");
    let mut impossible = job(1, &trend(1, 1, never, never).entries[0].host, [0.0; 3], 0.0);
    impossible.commit.clear();
    let impossible = refused(&serde_json::to_string(&impossible).unwrap());
    assert!(impossible.contains("no figure of a metric"), "{impossible}");
}

#[test]
fn a_file_of_another_kind_is_no_trend() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.json");
    fs::write(&path, serde_json::to_string_pretty(&verdict(1.0, 1.0, 0.0)).unwrap()).unwrap();
    assert!(matches!(Trend::load(&path), Err(TrendError::NotATrend { .. })));
    fs::write(&path, [0_u8, 159, 146, 150, b'\n']).unwrap();
    assert!(matches!(Trend::load(&path), Err(TrendError::NotATrend { .. })));
}

#[test]
fn the_checked_in_schema_is_generated_from_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/trend.v1.json");
    assert!(
        fs::read_to_string(path).unwrap() == schema_json(),
        "reports/schema/trend.v1.json differs from the types of reports/src/trend/entry.rs. If the change keeps old lines \
         readable, regenerate it with\n\n    cargo run -p msgr-reports --example trend_schema > \
         reports/schema/trend.v1.json\n\nIf it changes what a member means, bump trend::SCHEMA."
    );
}
