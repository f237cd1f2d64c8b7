//! Two records side by side, as a page.

use std::path::{Path, PathBuf};

use askama::Template;

use super::{PageError, provenance, write};
use crate::analysis::compare::{Change, Comparison, Pair, compare};
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::charts::{Axis, Caption, DrawError, Mark, Plot, Series};
use crate::format;
use crate::record::Run;

/// Name of the page within its directory.
pub const COMPARISON_NAME: &str = "compare.html";

/// A line of the table.
struct Line {
    messenger: String,
    class: &'static str,
    cells: Vec<String>,
    verdict: &'static str,
}

/// A group: its plot, and its table.
struct Part {
    id: String,
    title: String,
    svg: String,
    lines: Vec<Line>,
}

/// One record at the head of the page.
struct Side {
    name: &'static str,
    when: String,
    commit: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    summary: Vec<String>,
    sides: [Side; 2],
    /// What differs beside the program, which makes figures hard to compare.
    caveats: Vec<String>,
    parts: Vec<Part>,
}

/// Draws the comparison of two records into `dir`, and gives the path of the page.
///
/// # Errors
///
/// As [`write_page`](super::write_page).
pub fn write_comparison(before: &Run, after: &Run, dir: &Path) -> Result<PathBuf, PageError> {
    let comparison = compare(before, after);
    let parts = parts(&comparison).map_err(|error| PageError::Draw(error.to_string()))?;
    let page = Page {
        summary: comparison.summary(),
        sides: [side("A", before), side("B", after)],
        caveats: caveats(before, after),
        parts,
    };
    let text = page.render().map_err(|error| PageError::Draw(error.to_string()))?;
    write(&text, dir, COMPARISON_NAME)
}

fn side(name: &'static str, run: &Run) -> Side {
    Side {
        name,
        when: provenance::when(&run.started),
        commit: run.environment.git.clone().unwrap_or_else(|| "unknown".to_string()),
        machine: format!("{}, {}", run.environment.cpu_model, format::plural(u64::from(run.environment.cpus), "CPU")),
    }
}

/// What differs beside the program.
fn caveats(before: &Run, after: &Run) -> Vec<String> {
    let (one, two) = (&before.environment, &after.environment);
    let mut caveats = Vec::new();
    if (&one.cpu_model, one.cpus, &one.kernel) != (&two.cpu_model, two.cpus, &two.kernel) {
        caveats.push(
            "The records are from different machines or kernels: even ratios to the floor need not agree.".to_string(),
        );
    }
    if (&before.plan.options, &before.plan.pin) != (&after.plan.options, &after.plan.pin) {
        caveats.push("The runs had different options or pinning: what changed may be these.".to_string());
    }
    if before.plan.duration_ms != after.plan.duration_ms || before.plan.rounds != after.plan.rounds {
        caveats
            .push("The runs had samples of different length or number: their intervals differ in width.".to_string());
    }
    caveats
}

fn parts(comparison: &Comparison) -> Result<Vec<Part>, DrawError> {
    let with_pairs = comparison.groups.iter().filter(|group| !group.pairs.is_empty());
    let part = |(number, group): (usize, &crate::analysis::compare::Matched)| {
        let id = format!("group-{}", number + 1);
        Ok(Part {
            svg: plot(&group.pairs).draw(&Caption {
                id: format!("{id}-plot"),
                title: format!("Change from A to B: {}", group.title),
                description:
                    "Ratios to the floor of B relative to those of A, one mark for each row of the table below."
                        .to_string(),
            })?,
            id,
            title: group.title.clone(),
            lines: group.pairs.iter().map(line).collect(),
        })
    };
    with_pairs.enumerate().map(part).collect()
}

/// B relative to A for every row of the table, left to right, as a ratio that is 1 when nothing changed.
fn plot(pairs: &[Pair]) -> Plot {
    let mut series: Vec<Series> = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        let kind = Kind::new(&pair.messenger);
        let mark = Mark {
            x: number as f64,
            y: pair.after.median / pair.before.median,
            interval: (pair.after.low / pair.before.high, pair.after.high / pair.before.low),
            tip: format!("{} {}, {}: {}", pair.messenger, pair.place, pair.figure, change(pair)),
        };
        match series.iter_mut().find(|one| one.name == pair.messenger) {
            Some(one) => one.marks.push(mark),
            None => series.push(Series {
                slot: kind.slot,
                name: pair.messenger.clone(),
                named: false,
                pieces: Vec::new(),
                faint: Vec::new(),
                marks: vec![mark],
            }),
        }
    }
    let ends = series.iter().flat_map(|one| &one.marks).flat_map(|mark| [mark.interval.0, mark.interval.1, 1.0]);
    let y = Axis::values("B relative to A", ends);
    let names = vec![""; pairs.len()];
    Plot { x: Axis::names("rows of the table, in order", &names), y, series }
}

fn line(pair: &Pair) -> Line {
    let verdict = match pair.change {
        Change::None => "same",
        Change::Better => "better",
        Change::Worse => "worse",
    };
    Line {
        messenger: pair.messenger.clone(),
        class: pair.class,
        cells: vec![pair.place.clone(), pair.figure.to_string(), ratio(&pair.before), ratio(&pair.after), change(pair)],
        verdict,
    }
}

fn change(pair: &Pair) -> String {
    format::signed_percent(pair.after.median / pair.before.median - 1.0)
}

fn ratio(interval: &Interval) -> String {
    let ends = |value| format::ratio(value).trim_end_matches('×').to_string();
    format!("{} ({}–{})", format::ratio(interval.median), ends(interval.low), ends(interval.high))
}
