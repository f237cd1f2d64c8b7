//! The figures of a trend by machine, cell and metric, and their changes chained from commit to commit.

use std::collections::HashMap;

use super::entry::{Entry, Figure, Host};
use crate::gate::{Cell, Metric};

/// Latest jobs of a machine that are drawn and searched for shifts: more would not fit a plot, and what a level was half a year
/// ago helps nobody.
pub(super) const JOBS_MAX: usize = 100;

/// One machine with its latest jobs.
pub(super) struct Machine<'a> {
    pub(super) host: &'a Host,
    /// At most [`JOBS_MAX`], the earliest first.
    pub(super) entries: Vec<&'a Entry>,
    /// Jobs before those.
    pub(super) older: usize,
}

/// One job's figure of a metric.
pub(super) struct Point<'a> {
    /// Number of the job among those of its machine.
    pub(super) job: usize,
    pub(super) entry: &'a Entry,
    pub(super) figure: &'a Figure,
    pub(super) chain: Chain,
}

/// Where the chained changes stand after a job.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// Logarithm of the factor from the first baseline.
    level: f64,
    /// Square of half of the interval of that.
    spread: f64,
    /// Whether its baseline was measured before, as a candidate. If not, what changed in between is not known: the chain goes on
    /// as though nothing had.
    pub(super) joined: bool,
}

impl Chain {
    /// The change from the first baseline, as a share.
    pub(super) fn change(self) -> f64 {
        self.level.exp_m1()
    }

    /// The interval of it: the steps err each for themselves.
    pub(super) fn interval(self) -> (f64, f64) {
        let half = self.spread.sqrt();
        ((self.level - half).exp_m1(), (self.level + half).exp_m1())
    }

    /// The change from here to `later`, as a share.
    pub(super) fn change_to(self, later: Chain) -> f64 {
        (later.level - self.level).exp_m1()
    }
}

/// The machines of a trend, the one with the latest job first.
pub(super) fn machines(entries: &[Entry]) -> Vec<Machine<'_>> {
    let mut machines: Vec<Machine<'_>> = Vec::new();
    for entry in entries.iter().rev() {
        let known = machines.iter().position(|machine| machine.host == &entry.host);
        let known = known.unwrap_or_else(|| {
            machines.push(Machine { host: &entry.host, entries: Vec::new(), older: 0 });
            machines.len() - 1
        });
        let machine = &mut machines[known];
        if machine.entries.len() < JOBS_MAX {
            machine.entries.push(entry);
        } else {
            machine.older += 1;
        }
    }
    for machine in &mut machines {
        machine.entries.reverse();
    }
    machines
}

impl<'a> Machine<'a> {
    /// What was measured here, in the order in which it came up.
    pub(super) fn cells(&self) -> Vec<&'a Cell> {
        let mut cells: Vec<&Cell> = Vec::new();
        for cell in self.entries.iter().flat_map(|entry| &entry.cells) {
            if !cells.contains(&&cell.cell) {
                cells.push(&cell.cell);
            }
        }
        cells
    }

    /// One metric of a cell, job by job.
    pub(super) fn series(&self, cell: &Cell, metric: Metric) -> Vec<Point<'a>> {
        series(&self.entries, cell, metric)
    }
}

/// One metric of a cell, job by job, of the jobs that have it.
pub(super) fn series<'a>(entries: &[&'a Entry], cell: &Cell, metric: Metric) -> Vec<Point<'a>> {
    let mut points: Vec<Point<'a>> = Vec::new();
    let mut chains: HashMap<&str, Chain> = HashMap::new();
    for (job, entry) in entries.iter().enumerate() {
        let of_cell = entry.cells.iter().find(|one| one.cell == *cell);
        let Some(figure) = of_cell.and_then(|one| one.figures.iter().find(|figure| figure.metric == metric)) else {
            continue;
        };
        // By commit, not by job: a job that was repeated is no second step.
        let before = chains.get(entry.baseline.as_str());
        let from = before.copied().or(points.last().map(|point| point.chain));
        let from = from.unwrap_or(Chain { level: 0.0, spread: 0.0, joined: false });
        let half = (figure.high.ln_1p() - figure.low.ln_1p()) / 2.0;
        let chain = Chain {
            level: from.level + figure.change.ln_1p(),
            spread: from.spread + half * half,
            joined: before.is_some(),
        };
        if !entry.commit.is_empty() {
            chains.insert(&entry.commit, chain);
        }
        points.push(Point { job, entry, figure, chain });
    }
    points
}
