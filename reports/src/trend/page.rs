//! A trend as one self-contained HTML page.

use std::path::{Path, PathBuf};

use askama::Template;

use super::entry::Entry;
use super::figures::{self, Figure, Line};
use super::file::Trend;
use super::series::{self, JOBS_MAX, Machine};
use super::shift::{self, SCORE_MIN, SIDE_MIN, Shift};
use super::words;
use crate::charts::DrawError;
use crate::format;
use crate::gate::words::heading;
use crate::gate::{Cell, Metric};
use crate::page::{PageError, write};

/// Name of the page within its directory.
pub const PAGE_NAME: &str = "trend.html";

/// Machines that are drawn, those of the latest jobs: each has three figures a cell, and a page of more opens slowly.
const MACHINES_MAX: usize = 4;

/// One machine.
struct Section {
    id: String,
    title: String,
    jobs: String,
    figures: Vec<Figure>,
    lines: Vec<JobLine>,
}

/// A job, as a line of the table.
struct JobLine {
    started: String,
    cells: [String; 4],
}

#[derive(Template)]
#[template(path = "trend.html")]
struct Page<'a> {
    summary: String,
    skipped: &'a [String],
    shifts: Vec<String>,
    sections: Vec<Section>,
    undrawn: Vec<String>,
    jobs_max: usize,
    side_min: usize,
    score_min: f64,
    schema: &'static str,
}

impl Trend {
    /// The lasting shifts of every machine, metric and cell, as sentences.
    #[must_use]
    pub fn shifts(&self) -> Vec<String> {
        let whole: Vec<&Entry> = self.entries.iter().collect();
        let mut sentences = Vec::new();
        for machine in series::machines(&self.entries) {
            let cells = machine.cells().into_iter();
            for (cell, line) in cells.flat_map(|cell| lines(&machine, cell).map(|line| (cell, line))) {
                let steps = series::series(&whole, cell, line.metric);
                let said = |shift: &Shift| {
                    let seen = shift.seen(&line.points, &steps);
                    words::shift(cell, line.metric, shift, seen, &line.points, machine.host)
                };
                sentences.extend(line.shifts.iter().map(said));
            }
        }
        sentences
    }

    /// The page: one HTML text that needs nothing else. The same trend gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`PageError::Draw`] when a figure or the template cannot be rendered.
    pub fn render(&self) -> Result<String, PageError> {
        let machines = series::machines(&self.entries);
        let drawn = machines.iter().take(MACHINES_MAX).enumerate();
        let sections: Result<Vec<Section>, DrawError> =
            drawn.map(|(number, machine)| section(number, machine)).collect();
        let page = Page {
            summary: summary(&self.entries, machines.len()),
            skipped: &self.skipped,
            shifts: self.shifts(),
            sections: sections.map_err(|error| PageError::Draw(error.to_string()))?,
            undrawn: machines.iter().skip(MACHINES_MAX).map(|machine| words::host(machine.host)).collect(),
            jobs_max: JOBS_MAX,
            side_min: SIDE_MIN,
            score_min: SCORE_MIN,
            schema: super::SCHEMA,
        };
        page.render().map_err(|error| PageError::Draw(error.to_string()))
    }
}

/// Draws a trend into `dir`, which is made when missing, and gives the path of the page.
///
/// # Errors
///
/// [`PageError::Write`] when the directory or the file cannot be written, [`PageError::Draw`] when a figure cannot be drawn.
pub fn write_page(trend: &Trend, dir: &Path) -> Result<PathBuf, PageError> {
    write(&trend.render()?, dir, PAGE_NAME)
}

fn summary(entries: &[Entry], machines: usize) -> String {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return "no job yet".to_string() };
    format!(
        "{} on {}, from {} to {}",
        format::plural(entries.len() as u64, "job"),
        format::plural(machines as u64, "machine"),
        words::job(first),
        words::job(last)
    )
}

fn lines<'a>(machine: &Machine<'a>, cell: &Cell) -> [Line<'a>; Metric::ALL.len()] {
    Metric::ALL.map(|metric| {
        let points = machine.series(cell, metric);
        let shifts = shift::find(&points, metric);
        Line { metric, points, shifts }
    })
}

fn section(number: usize, machine: &Machine<'_>) -> Result<Section, DrawError> {
    let id = format!("machine-{}", number + 1);
    let mut drawn = Vec::new();
    for (number, cell) in machine.cells().into_iter().enumerate() {
        let (lines, id) = (lines(machine, cell), format!("{id}-cell-{}", number + 1));
        for line in lines.iter().filter(|line| line.metric != Metric::Cpu) {
            drawn.extend(figures::level(machine, cell, line, &id)?);
        }
        drawn.extend(figures::chain(machine, cell, &lines, &id)?);
    }
    let mut jobs = format::plural(machine.entries.len() as u64, "job");
    if machine.older > 0 {
        jobs = format!("the latest {jobs} of {}", format::count((machine.entries.len() + machine.older) as u64));
    }
    let line = |entry: &&Entry| JobLine {
        started: entry.started.clone(),
        cells: [
            words::commit(&entry.commit),
            words::commit(&entry.baseline),
            heading(entry.outcome).to_string(),
            entry.tool_version.clone(),
        ],
    };
    Ok(Section {
        id,
        title: words::host(machine.host),
        jobs: format::capital(&jobs),
        figures: drawn,
        lines: machine.entries.iter().rev().map(line).collect(),
    })
}
