//! The files that a record is written as.

use std::fs;
use std::path::Path;

use msgr_reports::gate::{GateRecord, Metric, schema_json};

use crate::job::{REGRESSION, facts, job, written};
use crate::junit::check_junit;
use crate::support::check_page;

#[test]
fn the_same_pairs_give_the_same_bytes_in_every_output() {
    let files = written(&job(REGRESSION, facts()));
    assert_eq!(files, written(&job(REGRESSION, facts())));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["gate.html", "gate.json", "gate.junit.xml", "gate.md"]);
    let read: GateRecord = serde_json::from_str(&files["gate.json"]).unwrap();
    assert_eq!(files, written(&read));
}

#[test]
fn the_summary_begins_with_the_verdict_and_has_one_row_a_comparison() {
    let markdown = &written(&job(REGRESSION, facts()))["gate.md"];
    assert!(markdown.starts_with("## Regression\n\n2 of 6 comparisons are slower"), "{markdown}");
    let table = markdown.split("\n\n").find(|part| part.starts_with("| cell")).unwrap();
    assert_eq!(table.lines().count(), 2 + 9);
    let order = ["| cell", "### Before you trust it", "### Reproduce", "<details>"];
    let places: Vec<usize> = order.iter().map(|part| markdown.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_page_loads_nothing_names_every_plot_and_has_a_table_below_each() {
    let page = &written(&job(REGRESSION, facts()))["gate.html"];
    check_page(page, 3 * (Metric::ALL.len() + 1));
}

#[test]
fn text_of_a_record_is_never_markup() {
    let hostile = "<script>alert(\"1\")</script>&'|`*";
    let mut facts = facts();
    facts.command.push(hostile.to_string());
    facts.warnings[0].text = hostile.to_string();
    facts.warnings[0].kind = hostile.to_string();
    facts.environment.cpu_model = hostile.to_string();
    facts.baseline.commit = hostile.to_string();
    facts.acceptance = Some(hostile.to_string());
    facts.started = hostile.to_string();
    let mut record = job(REGRESSION, facts);
    record.cells[1].cell.messenger = hostile.to_string();
    let files = written(&record);
    assert!(!files["gate.html"].contains("<script"));
    check_junit(&files["gate.junit.xml"]);
    // Only the command stands as it is, in its fence.
    let (before, after) = files["gate.md"].split_once("### Reproduce").unwrap();
    let after = after.split_once("<details>").unwrap().1;
    assert!(!before.contains("<script") && !after.contains("<script"));
}

#[test]
fn the_checked_in_schema_is_generated_from_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/gate.v1.json");
    assert!(
        fs::read_to_string(path).unwrap() == schema_json(),
        "reports/schema/gate.v1.json differs from the types of reports/src/gate/. If the change keeps old records \
         readable, regenerate it with\n\n    cargo run -p msgr-reports --example gate_schema > \
         reports/schema/gate.v1.json\n\nIf it changes what a member means, bump gate::SCHEMA."
    );
}
