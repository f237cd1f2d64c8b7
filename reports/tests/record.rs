//! Records survive writing and reading, and a bad one is refused with words that say what to do.

use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use msgr_reports::record::{Latency, Run, SCHEMA, merge};
use tempfile::TempDir;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run.v1.json")
}

/// What loading a file with this text says.
fn complaint(text: &str) -> String {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("run.json");
    std::fs::write(&path, text).expect("a temporary file");
    Run::load(&path).expect_err("the record is bad").to_string()
}

#[test]
fn the_kept_record_of_version_1_stays_readable() {
    let run = Run::load(&fixture()).unwrap();
    assert_eq!(run.schema, "msgr.run.v1");
    assert_eq!(run.samples.len(), 63);
    let recorded: u64 = run
        .samples
        .iter()
        .filter_map(|sample| sample.latency.as_ref())
        .map(|latency| latency.histogram().unwrap().len())
        .sum();
    assert_eq!(recorded, 54 * 40_000);
}

#[test]
fn a_record_is_the_same_after_writing_and_reading() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run.json");
    Run::load(&fixture()).unwrap().save(&path).unwrap();
    let first = std::fs::read_to_string(&path).unwrap();
    Run::load(&path).unwrap().save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn a_record_that_cannot_be_written_leaves_the_old_one() {
    let dir = TempDir::new().unwrap();
    // A directory cannot be replaced by a file.
    let path = dir.path().join("run.json");
    std::fs::create_dir(&path).unwrap();
    let error = Run::load(&fixture()).unwrap().save(&path).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("free space"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let error = Run::load(Path::new("/no/such/run.json")).unwrap_err().to_string();
    assert!(error.contains("/no/such/run.json") && error.contains("give the path of a run.json"), "{error}");
}

#[test]
fn another_version_is_named_with_what_to_do() {
    let error = complaint(r#"{"schema": "msgr.run.v9", "samples": "in a shape of its own"}"#);
    assert!(error.contains("msgr.run.v9") && error.contains(SCHEMA), "{error}");
    assert!(error.contains("draw it with the msgr-bench that wrote it"), "{error}");
}

#[test]
fn a_record_cut_short_is_told_from_one_that_never_was_json() {
    let whole = std::fs::read_to_string(fixture()).unwrap();
    assert!(complaint(&whole[..whole.len() / 2]).contains("ends in the middle"));
    assert!(complaint("").contains("ends in the middle"));
    assert!(complaint("<html>").contains("is not JSON"));
}

#[test]
fn json_that_is_no_record_is_refused() {
    assert!(complaint("{}").contains("no member \"schema\""));
    assert!(complaint("[1, 2]").contains("is no run record"));
    let error = complaint(&format!(r#"{{"schema": "{SCHEMA}"}}"#));
    assert!(error.contains("does not follow reports/schema/run.v1.json: missing field"), "{error}");
}

#[test]
fn a_histogram_comes_back_as_it_was_stored() {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    for ns in 1..=10_000 {
        histogram.record(ns * 100).unwrap();
    }
    let latency = Latency::from_histogram(&histogram).unwrap();
    assert_eq!(latency.histogram().unwrap(), histogram);
    assert_eq!((latency.count, latency.max_ns), (10_000, histogram.max()));
    assert_eq!(latency.p99_ns, histogram.value_at_quantile(0.99));
}

#[test]
fn a_damaged_histogram_is_an_error_and_not_a_panic() {
    let histogram = Histogram::<u64>::new(3).unwrap();
    let mut latency = Latency::from_histogram(&histogram).unwrap();
    for hdr in ["", "AAAA", "not base64!"] {
        latency.hdr = hdr.to_string();
        assert!(latency.histogram().is_err(), "{hdr}");
    }
}

#[test]
fn percentiles_of_several_rounds_come_from_merged_values() {
    let (mut fast, mut slow) = (Histogram::<u64>::new(3).unwrap(), Histogram::<u64>::new(3).unwrap());
    fast.record_n(10, 900).unwrap();
    slow.record_n(1_000, 100).unwrap();
    let merged = merge([&fast, &slow]).unwrap().unwrap();
    // An average of the two medians would be 505.
    assert_eq!(merged.value_at_quantile(0.5), 10);
    assert_eq!(merged.len(), 1_000);
    assert!(merge([]).unwrap().is_none());
}
