//! JUnit that CI systems read, and that fails where the job does.

use std::collections::BTreeMap;

use msgr_reports::gate::Metric;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::job::{REGRESSION, facts, job, written};

/// An element of JUnit XML.
struct Element {
    name: &'static str,
    parent: &'static str,
    attributes: &'static [&'static str],
    /// Those that it must have.
    needed: &'static [&'static str],
}

/// What the schema that Jenkins' xUnit plugin validates against (junit-10.xsd) allows of what there is here.
const ALLOWED: [Element; 7] = [
    Element {
        name: "testsuites",
        parent: "",
        attributes: &["name", "time", "tests", "failures", "errors"],
        needed: &[],
    },
    Element {
        name: "testsuite",
        parent: "testsuites",
        attributes: &["name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname"],
        needed: &["name", "tests", "failures", "errors"],
    },
    Element {
        name: "testcase",
        parent: "testsuite",
        attributes: &["name", "time", "classname", "group"],
        needed: &["name", "classname"],
    },
    Element { name: "skipped", parent: "testcase", attributes: &["type", "message"], needed: &[] },
    Element { name: "error", parent: "testcase", attributes: &["type", "message"], needed: &["message"] },
    Element { name: "failure", parent: "testcase", attributes: &["type", "message"], needed: &["message"] },
    Element { name: "system-out", parent: "testcase", attributes: &[], needed: &[] },
];

pub(crate) fn check_junit(xml: &str) {
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
