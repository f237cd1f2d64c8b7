//! The verdict as JUnit XML, which CI systems show test by test.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::decision::{Decision, Verdict};
use super::record::{CellRecord, GateRecord, Outcome};
use super::words;
use crate::format;

/// Draws a record as JUnit XML: one suite a cell, one test case a metric. A test case fails only where the job does, so that
/// whoever counts red tests and whoever reads the exit code see the same.
///
/// # Errors
///
/// When the XML cannot be written, which text of a record cannot cause.
pub(super) fn render(record: &GateRecord) -> Result<String, SerializeError> {
    let mut report = Report::new("msgr-gate");
    for cell in &record.cells {
        let mut suite = TestSuite::new(words::cell(&cell.cell));
        suite.add_test_cases(cell.decisions.iter().map(|decision| case(record, cell, decision)));
        report.add_test_suite(suite);
    }
    if matches!(record.outcome, Outcome::Error | Outcome::Refused) {
        let mut suite = TestSuite::new("gate");
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let kind = if record.outcome == Outcome::Error { "error" } else { "refused" };
        status.set_message(record.sentence.as_str()).set_type(kind).set_description(explain(record, &record.sentence));
        let mut case = TestCase::new("verdict", status);
        case.set_classname("gate");
        suite.add_test_case(case);
        report.add_test_suite(suite);
    }
    Ok(without_skipped_in_all(report.to_string()?))
}

/// The same without the attribute `skipped` of `testsuites`. Every suite has its own, and the schema that Jenkins validates
/// against (junit-10.xsd of its xUnit plugin) allows none there.
fn without_skipped_in_all(mut xml: String) -> String {
    const NAME: &str = " skipped=\"";
    let Some(start) = xml.find("<testsuites ") else { return xml };
    let head = xml[start..].split('>').next().unwrap_or_default();
    let attribute = head.find(NAME).and_then(|at| {
        let value = head[at + NAME.len()..].find('"')?;
        Some(start + at..start + at + NAME.len() + value + 1)
    });
    if let Some(attribute) = attribute {
        xml.replace_range(attribute, "");
    }
    xml
}

fn case(record: &GateRecord, cell: &CellRecord, decision: &Decision) -> TestCase {
    let mut status = match (decision.verdict, record.outcome) {
        (Verdict::Pass | Verdict::Improved, _) => TestCaseStatus::success(),
        (Verdict::Regression, Outcome::Regression) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (Verdict::Regression | Verdict::Inconclusive | Verdict::Unfit, _) => TestCaseStatus::skipped(),
    };
    // What does not count although it was found: accepted, or found on a machine that is unfit.
    let uncounted = decision.verdict == Verdict::Regression && record.outcome != Outcome::Regression;
    let message = if uncounted { &record.sentence } else { &decision.sentence };
    // None of these is shown of a success, which says it elsewhere.
    status
        .set_message(message.as_str())
        .set_type(words::verdict(decision.verdict))
        .set_description(explain(record, &decision.sentence));
    let passed = matches!(status, TestCaseStatus::Success { .. });
    let mut case = TestCase::new(words::metric(decision.metric), status);
    case.set_classname(words::cell(&cell.cell));
    if passed {
        case.set_system_out(decision.sentence.as_str());
    }
    case
}

/// A sentence, and the command that repeats the job.
fn explain(record: &GateRecord, sentence: &str) -> String {
    format!("{sentence}\nReproduce: {}", format::shell(&record.facts.command))
}
