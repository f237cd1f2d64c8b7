//! The verdict as a self-contained HTML page.

use askama::Template;

use super::decision::{Look, Verdict};
use super::figures::{self, Figure};
use super::record::{CellRecord, GateRecord, Metric, Side};
use super::thresholds::{AGREEMENT_MIN, CONFIRM_PAIRS, LATENCY_CHANGE_MIN_NS, LOOKS};
use super::words;
use super::write::WriteError;
use crate::analysis::kind::Kind;
use crate::format::{self, Quantity, percent, signed_percent};

/// A line of the table of verdicts.
struct Line {
    class: &'static str,
    cell: String,
    leads_to: String,
    cells: Vec<String>,
    verdict: &'static str,
    look: &'static str,
}

/// A look, as a line of the ladder.
struct Rung {
    metric: &'static str,
    cells: Vec<String>,
}

/// One cell.
struct Section {
    id: String,
    title: String,
    sentences: Vec<String>,
    figures: Vec<Figure>,
    rungs: Vec<Rung>,
}

/// A name and what it is.
struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "gate.html")]
struct Page<'a> {
    record: &'a GateRecord,
    heading: &'static str,
    lines: Vec<Line>,
    sections: Vec<Section>,
    levels: Vec<(&'static str, [String; 3])>,
    looks: String,
    agreement: String,
    confirm_pairs: u32,
    sides: Vec<(&'static str, Vec<Fact>)>,
    machine: Vec<Fact>,
    reproduce: String,
}

/// Draws a record as a page: one HTML text that needs nothing else. The same record gives the same bytes.
pub(super) fn render(record: &GateRecord) -> Result<String, WriteError> {
    let sections: Result<Vec<Section>, WriteError> =
        record.cells.iter().enumerate().map(|(number, cell)| section(number, cell)).collect();
    let facts = &record.facts;
    let looks: Vec<String> = LOOKS.iter().map(|look| look.pairs.to_string()).collect();
    let page = Page {
        record,
        heading: words::heading(record.outcome),
        lines: record.cells.iter().enumerate().flat_map(|(number, cell)| lines(number, cell)).collect(),
        sections: sections?,
        levels: Metric::ALL.into_iter().map(levels).collect(),
        looks: format::list(&looks),
        agreement: percent(AGREEMENT_MIN),
        confirm_pairs: CONFIRM_PAIRS,
        sides: vec![("A, the baseline", side(&facts.baseline)), ("B, the candidate", side(&facts.candidate))],
        machine: machine(record),
        reproduce: format::shell(&facts.command),
    };
    page.render().map_err(|error| WriteError::Draw(error.to_string()))
}

fn id(number: usize) -> String {
    format!("cell-{}", number + 1)
}

fn lines(number: usize, cell: &CellRecord) -> impl Iterator<Item = Line> {
    cell.decisions.iter().map(move |decision| {
        let look = decision.looks.last();
        let median = |of: Option<f64>| of.map_or_else(|| "–".to_string(), words::time);
        Line {
            class: Kind::new(&cell.cell.messenger).slot.class(),
            cell: words::cell(&cell.cell),
            leads_to: id(number),
            cells: vec![
                words::metric(decision.metric).to_string(),
                median(look.map(|look| look.a_ns)),
                median(look.map(|look| look.b_ns)),
                words::change(look),
            ],
            verdict: words::verdict(decision.verdict),
            look: match decision.verdict {
                Verdict::Pass | Verdict::Inconclusive => "same",
                Verdict::Improved => "better",
                Verdict::Regression | Verdict::Unfit => "worse",
            },
        }
    })
}

fn section(number: usize, cell: &CellRecord) -> Result<Section, WriteError> {
    let id = id(number);
    let mut drawn = Vec::new();
    for decision in &cell.decisions {
        drawn.extend(figures::pairs(cell, decision, &id)?);
    }
    drawn.extend(figures::percentiles(cell, &id)?);
    let rung = |(metric, look): (Metric, &Look)| Rung {
        metric: words::metric(metric),
        cells: vec![
            format::count(u64::from(look.pairs)),
            words::change(Some(look)),
            words::coverage(look),
            percent(look.agreement),
            signed_percent(look.no_larger_than),
            percent(look.least_effect),
            look.declined_by.map_or("none: flagged", words::rule).to_string(),
        ],
    };
    let looks = cell.decisions.iter().flat_map(|one| one.looks.iter().map(|look| (one.metric, look)));
    Ok(Section {
        id,
        title: words::cell(&cell.cell),
        sentences: cell.decisions.iter().map(|decision| decision.sentence.clone()).collect(),
        figures: drawn,
        rungs: looks.map(rung).collect(),
    })
}

fn levels(metric: Metric) -> (&'static str, [String; 3]) {
    let absolute = match metric {
        Metric::P50 | Metric::P99 => words::time(LATENCY_CHANGE_MIN_NS),
        Metric::Cpu => "none".to_string(),
    };
    (words::metric(metric), [percent(metric.margin()), percent(metric.action()), absolute])
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    let value: String = value.into();
    Fact { name, value: if value.is_empty() { "unknown".to_string() } else { value } }
}

fn side(side: &Side) -> Vec<Fact> {
    vec![
        fact("Commit", side.commit.as_str()),
        fact("Hash of the binary", side.binary_hash.as_str()),
        fact("Flags", if side.flags.is_empty() { "none" } else { &side.flags }),
    ]
}

fn machine(record: &GateRecord) -> Vec<Fact> {
    let facts = &record.facts;
    let host = &facts.environment;
    vec![
        fact("CPU", host.cpu_model.as_str()),
        fact("CPUs usable", format::count(u64::from(host.cpus))),
        fact("Memory", Quantity::Bytes.show(host.memory as f64)),
        fact("Kernel", host.kernel.as_str()),
        fact("CPU time stolen", if host.virtualised { percent(host.steal) } else { "no virtual machine".to_string() }),
        fact("Frequency governor", host.governor.as_deref().unwrap_or("none")),
        fact("Mitigations", host.mitigations.join(", ")),
        fact("Load average", format!("{:.2} before, {:.2} after (one minute)", host.load_before, host.load_after)),
        fact("Compiler", host.rustc.as_str()),
        fact("Seed", record.seed.to_string()),
        fact("Acceptance", facts.acceptance.as_deref().unwrap_or("none")),
    ]
}
