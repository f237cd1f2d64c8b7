//! The figures of a cell on a machine: its latency job by job, and its changes chained from commit to commit.

use super::entry::Entry;
use super::series::{Machine, Point};
use super::shift::Shift;
use super::words;
use crate::analysis::interval::Interval;
use crate::analysis::kind::{Kind, Slot};
use crate::charts::{Axis, Caption, DrawError, Mark, Plot, Series};
use crate::format::{self, Quantity, signed_percent};
use crate::gate::words::{cell as cell_words, time};
use crate::gate::{Cell, Metric};

/// Commits that are named below a plot; more would run into each other.
const NAMES_MAX: usize = 5;

/// A figure with its table.
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) meaning: &'static str,
    pub(super) svg: String,
    /// That of the headings first.
    pub(super) columns: Vec<String>,
    /// Heading and cells.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// One metric of a cell, with its shifts.
pub(super) struct Line<'a> {
    pub(super) metric: Metric,
    pub(super) points: Vec<Point<'a>>,
    pub(super) shifts: Vec<Shift>,
}

impl Line<'_> {
    /// Its name beside the line, which has little room.
    fn name(&self) -> &'static str {
        match self.metric {
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::Cpu => "CPU",
        }
    }

    /// Its look: the messenger's own for the median, greys for the others.
    fn slot(&self, cell: &Cell) -> Slot {
        match self.metric {
            Metric::P50 => Kind::new(&cell.messenger).slot,
            Metric::P99 => Slot::FloorEpoll,
            Metric::Cpu => Slot::FloorSpin,
        }
    }

    fn of_job(&self, job: usize) -> Option<&Point<'_>> {
        self.points.iter().find(|point| point.job == job)
    }

    fn series(&self, cell: &Cell, pieces: Vec<Vec<(f64, f64)>>, marks: Vec<Mark>) -> Series {
        let (slot, name) = (self.slot(cell), self.name().to_string());
        Series { slot, name, named: true, pieces, faint: Vec::new(), marks }
    }
}

/// One metric of every job, with an upright line where its level shifts; `None` without a figure.
pub(super) fn level(
    machine: &Machine<'_>,
    cell: &Cell,
    line: &Line<'_>,
    id: &str,
) -> Result<Option<Figure>, DrawError> {
    let all = || line.points.iter().map(|point| point.figure.ns);
    let Some(middle) = Interval::over(all()) else { return Ok(None) };
    let unit = Quantity::Nanoseconds.unit_for(middle.median);
    let at = |point: &Point<'_>| (point.job as f64, point.figure.ns / unit.factor);
    let mark = |point: &Point<'_>| {
        let (x, y) = at(point);
        Mark { x, y, interval: (y, y), tip: format!("{}: {}", words::job(point.entry), time(point.figure.ns)) }
    };
    // Between two jobs, from edge to edge.
    let upright = |shift: &Shift| {
        let x = line.points[shift.at].job as f64 - 0.5;
        vec![(x, 0.0), (x, f64::INFINITY)]
    };
    let series = Series {
        slot: Kind::new(&cell.messenger).slot,
        name: line.name().to_string(),
        named: false,
        pieces: vec![line.points.iter().map(at).collect()],
        faint: line.shifts.iter().map(upright).collect(),
        marks: line.points.iter().map(mark).collect(),
    };
    let plot = Plot {
        x: jobs(machine),
        y: Axis::values(&format!("{}, round trip", unit.name), all().map(|ns| ns / unit.factor)),
        series: vec![series],
    };
    let ends = line.points.first().zip(line.points.last());
    let ends = ends.map(|(first, last)| format!("from {} to {}", time(first.figure.ns), time(last.figure.ns)));
    let id = format!("{id}-{}", line.name());
    let caption = caption(&id, line.name(), cell, ends.into_iter().collect());
    Ok(Some(Figure {
        svg: plot.draw(&caption)?,
        id,
        title: format!("{}: {}", cell_words(cell), line.name()),
        meaning: "Of the candidate of each job. It is the machine's as much as the program's; an upright line is a lasting shift.",
        columns: vec!["job, the latest first".to_string(), line.name().to_string()],
        rows: rows(machine, &[line], |point| vec![time(point.figure.ns)]),
    }))
}

/// The chained changes of every metric; `None` without a figure.
pub(super) fn chain(
    machine: &Machine<'_>,
    cell: &Cell,
    lines: &[Line<'_>],
    id: &str,
) -> Result<Option<Figure>, DrawError> {
    let lines: Vec<&Line<'_>> = lines.iter().collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().next().is_none() {
        return Ok(None);
    }
    let series = lines.iter().map(|line| {
        let at = |point: &Point<'_>| (point.job as f64, point.chain.change());
        let mark = |point: &Point<'_>| {
            let (x, y) = at(point);
            let tip = format!("{}: {} {} so far", words::job(point.entry), line.name(), signed_percent(y));
            Mark { x, y, interval: (y, y), tip }
        };
        let pieces = |at: &dyn Fn(&Point<'_>) -> (f64, f64)| {
            let pieces = line.points.chunk_by(|_, next| next.chain.joined);
            pieces.map(|piece| piece.iter().map(at).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let mut series = line.series(cell, pieces(&at), line.points.iter().map(mark).collect());
        // Those of the others would hide the lines.
        if line.metric == Metric::P50 {
            series.faint = pieces(&|point| (point.job as f64, point.chain.interval().0));
            series.faint.extend(pieces(&|point| (point.job as f64, point.chain.interval().1)));
        }
        series
    });
    let shares = points().flat_map(|point| {
        let (low, high) = point.chain.interval();
        [low, high]
    });
    let plot =
        Plot { x: jobs(machine), y: Axis::changes("change from the first baseline", shares), series: series.collect() };
    let ends = |line: &&Line<'_>| {
        let last = line.points.last()?;
        Some(format!("{} {}", line.name(), signed_percent(last.chain.change())))
    };
    let id = format!("{id}-chain");
    let caption = caption(&id, "Changes so far", cell, lines.iter().filter_map(ends).collect());
    let columns =
        lines.iter().flat_map(|line| [format!("{} by pairs", line.name()), format!("{} so far", line.name())]);
    Ok(Some(Figure {
        svg: plot.draw(&caption)?,
        id,
        title: format!("{}: changes by pairs, chained", cell_words(cell)),
        meaning: "The estimates from each baseline to its candidate, multiplied; the machine cancels out. Thin lines: the 90 % \
                  interval of p50, which grows with every step. A line is broken where a commit between was not measured here.",
        columns: std::iter::once("job, the latest first".to_string()).chain(columns).collect(),
        rows: rows(machine, &lines, |point| {
            let figure = point.figure;
            let (low, high) = (signed_percent(figure.low), signed_percent(figure.high));
            let step = format!("{} ({low} to {high})", signed_percent(figure.change));
            let (low, high) = point.chain.interval();
            let so_far = format!(
                "{} ({} to {})",
                signed_percent(point.chain.change()),
                signed_percent(low),
                signed_percent(high)
            );
            vec![step, so_far]
        }),
    }))
}

/// The horizontal axis: the jobs of a machine, of which some are named, each in the middle of its share of the axis.
fn jobs(machine: &Machine<'_>) -> Axis {
    let all = machine.entries.len();
    let named = all.min(NAMES_MAX);
    let middles: Vec<usize> = (0..named).map(|number| (2 * number + 1) * all / (2 * named)).collect();
    let name = |(job, entry): (usize, &&Entry)| {
        if middles.contains(&job) { words::commit(&entry.commit) } else { String::new() }
    };
    let names: Vec<String> = machine.entries.iter().enumerate().map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Axis::names("commit, in the order of time", &names)
}

fn caption(id: &str, what: &str, cell: &Cell, ends: Vec<String>) -> Caption {
    Caption {
        id: id.to_string(),
        title: format!("{what}: {}", cell_words(cell)),
        description: format!("{}. All figures are in the table below.", format::capital(&ends.join("; "))),
    }
}

/// A row for each job that has a figure, the latest first; `cells` of each line, which are as many for every point.
fn rows(
    machine: &Machine<'_>,
    lines: &[&Line<'_>],
    cells: impl Fn(&Point<'_>) -> Vec<String>,
) -> Vec<(String, Vec<String>)> {
    let width = lines.iter().find_map(|line| line.points.first()).map_or(0, |point| cells(point).len());
    let row = |(job, entry): (usize, &&Entry)| {
        let found: Vec<Option<&Point<'_>>> = lines.iter().map(|line| line.of_job(job)).collect();
        found.iter().any(Option::is_some).then(|| {
            let cells = found.iter().flat_map(|point| point.map_or_else(|| vec!["–".to_string(); width], &cells));
            (words::job(entry), cells.collect())
        })
    };
    machine.entries.iter().enumerate().rev().filter_map(row).collect()
}
