//! What the gate writes: the same bytes each time, an exit code that fits, XML that CI systems read, and text that stays text.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use msgr_reports::gate::{
    Cell, Facts, Gate, GateError, GateRecord, Metric, Next, Order, Outcome, Pair, Rule, Side, Stage, Values, Verdict,
    schema_json, write,
};
use msgr_reports::record::{Environment, Latency, Warning, Workload};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

fn cell(messenger: &str, control: bool) -> Cell {
    Cell { messenger: messenger.to_string(), workload: Workload::PingPong, size: 64, peers: 1, in_flight: 1, control }
}

fn plan() -> Vec<Cell> {
    vec![cell("async", true), cell("async", false), cell("simple", false)]
}

fn facts() -> Facts {
    let side = |commit: &str| Side {
        commit: commit.to_string(),
        binary_hash: format!("{commit}{commit}"),
        flags: "--release --locked".to_string(),
    };
    Facts {
        tool_version: "0.1.0".to_string(),
        started: "2026-11-22T12:00:00Z".to_string(),
        elapsed_s: 61.5,
        command: ["msgr-bench", "gate", "--seed", "7"].map(str::to_string).to_vec(),
        environment: Environment { cpu_model: "a CPU".to_string(), cpus: 2, ..Environment::default() },
        baseline: side("aaaa"),
        candidate: side("bbbb"),
        acceptance: None,
        warnings: vec![Warning { kind: "governor".to_string(), text: "The governor is powersave.".to_string() }],
    }
}

/// One side whose round trips take some 50 us times `factor`, by a series that the pair's number decides.
fn values(number: usize, factor: f64) -> Values {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    for i in 0..200_u64 {
        let ns = 40_000.0 + 100.0 * (i * 37 % 200) as f64 + 500.0 * (number % 7) as f64;
        histogram.record((ns * factor) as u64).unwrap();
    }
    let latency = Latency::from_histogram(&histogram).unwrap();
    Values {
        p50_ns: latency.p50_ns as f64,
        p99_ns: latency.p99_ns as f64,
        cpu_ns: 9_000.0 + (number % 5) as f64,
        latency: Some(latency),
    }
}

/// A whole job in which side B of each cell takes so many times as long.
fn job(factors: [f64; 3], facts: Facts) -> GateRecord {
    let mut gate = Gate::new(plan(), 7).unwrap();
    let mut number = 0;
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        let (a, b) = (values(number, 1.0), values(number + 3, factors[cell]));
        gate.feed(cell, Pair { order: orders[0], stage: Stage::Main, a, b }).unwrap();
        number += 1;
    }
    gate.finish(facts)
}

const REGRESSION: [f64; 3] = [1.0, 1.0, 1.3];

/// The files of a record, by name.
fn written(record: &GateRecord) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    write(record, dir.path()).unwrap();
    let files = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap())).collect()
}

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
fn the_seed_decides_the_order_and_each_side_is_first_in_half_of_the_pairs() {
    let record = job([1.0; 3], facts());
    for cell in &record.cells {
        let first = cell.pairs.iter().filter(|pair| pair.order == Order::AFirst).count();
        assert_eq!(first * 2, cell.pairs.len());
    }
    assert_ne!(Gate::new(plan(), 7).unwrap().next(), Gate::new(plan(), 8).unwrap().next());
    assert_eq!(Gate::new(plan(), 7).unwrap().next(), Gate::new(plan(), 7).unwrap().next());
}

#[test]
fn a_slower_cell_fails_is_confirmed_by_fresh_pairs_and_leaves_the_others_alone() {
    let record = job(REGRESSION, facts());
    assert_eq!((record.outcome, record.exit_code), (Outcome::Regression, 1));
    let verdicts: Vec<Verdict> = record.cells[2].decisions.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Regression, Verdict::Regression, Verdict::Pass]);
    let fresh = record.cells[2].decisions[0].confirmation.as_ref().unwrap();
    assert_eq!((fresh.first_pair, fresh.pairs, fresh.confirmed), (20, 40, true));
    assert!(record.cells[2].pairs[20..].iter().all(|pair| pair.stage == Stage::Confirm));
    assert!(record.cells[1].decisions.iter().all(|one| one.rule == Rule::Futility && one.looks.len() == 1));
}

#[test]
fn an_accepted_regression_passes_with_its_reason_and_an_empty_reason_accepts_nothing() {
    let with = |reason: &str| job(REGRESSION, Facts { acceptance: Some(reason.to_string()), ..facts() });
    let record = with("checks sums now");
    assert_eq!((record.outcome, record.exit_code), (Outcome::Accepted, 0));
    assert!(record.sentence.contains("checks sums now"), "{}", record.sentence);
    assert!(!written(&record)["gate.junit.xml"].contains("<failure"));
    assert_eq!(with("  ").outcome, Outcome::Regression);
}

#[test]
fn identical_programs_that_differ_make_the_machine_unfit_whatever_else_is_found() {
    for control in [1.3, 0.7] {
        let record = job([control, 1.0, 1.3], facts());
        assert_eq!((record.outcome, record.exit_code), (Outcome::Inconclusive, 3));
        assert!(!written(&record)["gate.junit.xml"].contains("<failure"));
    }
}

#[test]
fn a_faster_candidate_is_reported_and_passes() {
    let record = job([1.0, 0.7, 1.0], facts());
    assert_eq!((record.outcome, record.exit_code), (Outcome::Improved, 0));
    assert_eq!(record.cells[1].decisions[0].rule, Rule::Improvement);
}

#[test]
fn a_missing_or_damaged_sample_is_an_error_and_never_a_pass() {
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        for metric in 0..3 {
            let mut gate = Gate::new(plan(), 7).unwrap();
            let Next::Pairs { cell, orders, .. } = gate.next() else { panic!("nothing is asked for") };
            let mut b = values(0, 1.0);
            *[&mut b.p50_ns, &mut b.p99_ns, &mut b.cpu_ns][metric] = bad;
            let pair = Pair { order: orders[0], stage: Stage::Main, a: values(0, 1.0), b };
            assert!(matches!(gate.feed(cell, pair), Err(GateError::Sample { side: 'B', .. })));
            assert_eq!(gate.next(), Next::Done);
            let record = gate.finish(facts());
            assert_eq!((record.outcome, record.exit_code), (Outcome::Error, 2));
            assert!(written(&record)["gate.junit.xml"].contains("<error"));
        }
    }
}

#[test]
fn a_job_that_ended_early_or_could_not_measure_is_an_error() {
    let ended = Gate::new(plan(), 7).unwrap().finish(facts());
    assert_eq!((ended.outcome, ended.exit_code), (Outcome::Error, 2));
    assert!(ended.cells.iter().flat_map(|cell| &cell.decisions).all(|one| one.verdict == Verdict::Inconclusive));
    let mut gate = Gate::new(plan(), 7).unwrap();
    gate.fail("the candidate exited with 101.");
    assert_eq!(gate.next(), Next::Done);
    assert_eq!(gate.finish(facts()).sentence, "No verdict: the candidate exited with 101.");
}

#[test]
fn a_pair_that_nobody_asked_for_is_an_error() {
    let mut gate = Gate::new(plan(), 7).unwrap();
    let pair = Pair { order: Order::AFirst, stage: Stage::Main, a: values(0, 1.0), b: values(0, 1.0) };
    assert!(matches!(gate.feed(2, pair.clone()), Err(GateError::Unasked { cell: 2, .. })));
    assert_eq!(gate.finish(facts()).exit_code, 2);
    assert!(matches!(Gate::new(plan(), 7).unwrap().feed(99, pair), Err(GateError::Unasked { cell: 99, .. })));
}

#[test]
fn a_plan_needs_one_a_a_cell_and_something_to_compare() {
    assert_eq!(Gate::new(vec![cell("async", true)], 1).err(), Some(GateError::Cells(0)));
    assert_eq!(Gate::new(vec![cell("async", false)], 1).err(), Some(GateError::Controls(0)));
    let many = vec![cell("async", false); 33];
    assert_eq!(Gate::new(many, 1).err(), Some(GateError::Cells(33)));
}

#[test]
fn a_refused_machine_has_its_own_exit_code_and_all_outputs() {
    let record = GateRecord::refused(facts(), 7, "one CPU is usable; give the job two");
    assert_eq!((record.outcome, record.exit_code), (Outcome::Refused, 4));
    let files = written(&record);
    assert!(files.values().all(|text| text.contains("one CPU is usable")));
    check_junit(&files["gate.junit.xml"]);
}

#[test]
fn a_failure_in_junit_carries_the_sentence_and_the_command_that_repeats_it() {
    let record = job(REGRESSION, facts());
    let junit = &written(&record)["gate.junit.xml"];
    check_junit(junit);
    assert_eq!(junit.matches("<testcase ").count(), 3 * Metric::ALL.len());
    assert_eq!(junit.matches("<failure ").count(), 2);
    assert!(junit.contains("p50 is slower, +") && junit.contains("Reproduce: msgr-bench gate --seed 7"), "{junit}");
}

#[test]
fn an_inconclusive_job_is_skipped_in_junit_and_fails_nowhere() {
    let record = job([1.3, 1.0, 1.0], facts());
    let junit = &written(&record)["gate.junit.xml"];
    check_junit(junit);
    assert!(junit.contains("<skipped ") && !junit.contains("<failure ") && !junit.contains("<error "), "{junit}");
}

/// An element of JUnit XML.
struct Element {
    name: &'static str,
    parent: &'static str,
    attributes: &'static [&'static str],
    /// Those that it must have.
    needed: &'static [&'static str],
}

/// What the schema that Jenkins publishes for JUnit (junit-10.xsd) allows. `skipped` on `testsuites` is what Surefire and
/// pytest write besides.
const ALLOWED: [Element; 7] = [
    Element {
        name: "testsuites",
        parent: "",
        attributes: &["name", "time", "tests", "failures", "disabled", "errors", "skipped"],
        needed: &[],
    },
    Element {
        name: "testsuite",
        parent: "testsuites",
        attributes: &["name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname"],
        needed: &["name", "tests"],
    },
    Element {
        name: "testcase",
        parent: "testsuite",
        attributes: &["name", "assertions", "time", "classname", "status"],
        needed: &["name", "classname"],
    },
    Element { name: "skipped", parent: "testcase", attributes: &["type", "message"], needed: &[] },
    Element { name: "error", parent: "testcase", attributes: &["type", "message"], needed: &["message"] },
    Element { name: "failure", parent: "testcase", attributes: &["type", "message"], needed: &["message"] },
    Element { name: "system-out", parent: "testcase", attributes: &[], needed: &[] },
];

fn check_junit(xml: &str) {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<String> = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut promised: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                let name = check_element(&tag, &open, &mut promised);
                *seen.entry(name.clone()).or_default() += 1;
                open.push(name);
            }
            Event::Empty(tag) => *seen.entry(check_element(&tag, &open, &mut promised)).or_default() += 1,
            Event::End(_) => drop(open.pop().unwrap()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for (attribute, element) in
        [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
    {
        let found = seen.get(element).copied().unwrap_or(0);
        assert_eq!(promised[attribute], found, "the sum of {attribute}");
    }
}

/// Checks one element, and adds up the counts that the suites promise.
fn check_element(tag: &BytesStart<'_>, open: &[String], promised: &mut BTreeMap<String, u32>) -> String {
    let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
    let element = ALLOWED.iter().find(|element| element.name == name).unwrap();
    assert_eq!(open.last().map_or("", String::as_str), element.parent, "the parent of <{name}>");
    let mut attributes: Vec<String> = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.unwrap();
        let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
        assert!(element.attributes.contains(&key.as_str()), "<{name} {key}>");
        if let (true, Ok(count)) = (name == "testsuite", String::from_utf8_lossy(&attribute.value).parse::<u32>()) {
            *promised.entry(key.clone()).or_default() += count;
        }
        attributes.push(key);
    }
    assert!(
        element.needed.iter().all(|needed| attributes.iter().any(|have| have == needed)),
        "<{name}> has {attributes:?}"
    );
    name
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
    for needle in ["http://", "https://", "src=", "<script", "@import", "url(", "stroke=\"#", "fill=\"#"] {
        assert!(!page.contains(needle), "the page contains {needle}");
    }
    let figures: Vec<&str> = page.split("<figure ").skip(1).collect();
    assert_eq!(figures.len(), 3 * (Metric::ALL.len() + 1));
    for figure in figures {
        for part in ["<h3>", "role=\"img\"", "<title id=", "<desc id=", "<details>", "<caption>"] {
            assert!(figure.contains(part), "a figure lacks {part}");
        }
    }
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
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
        "reports/schema/gate.v1.json differs from the types of reports/src/gate/record.rs. If the change keeps old records readable, \
         regenerate it with\n\n    cargo run -p msgr-reports --example gate_schema > reports/schema/gate.v1.json\n\nIf it \
         changes what a member means, bump gate::SCHEMA."
    );
}
