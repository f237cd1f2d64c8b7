//! The figures of a cell on a machine: its latencies job by job, and its changes chained from commit to commit.

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

/// A figure with its table.
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) meaning: &'static str,
    pub(super) svg: String,
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

/// The p50 and p99 of every job, with an upright line where the level shifts; `None` without a figure.
pub(super) fn latency(
    machine: &Machine<'_>,
    cell: &Cell,
    lines: &[Line<'_>],
    id: &str,
) -> Result<Option<Figure>, DrawError> {
    let lines: Vec<&Line<'_>> = lines.iter().filter(|line| line.metric != Metric::Cpu).collect();
    let all = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.figure.ns));
    let Some(middle) = Interval::over(all()) else { return Ok(None) };
    let unit = Quantity::Nanoseconds.unit_for(middle.median);
    let series = lines.iter().map(|line| {
        let at = |point: &Point<'_>| (point.job as f64, point.figure.ns / unit.factor);
        let mark = |point: &Point<'_>| {
            let (x, y) = at(point);
            let tip = format!("{}: {} {}", words::job(point.entry), line.name(), time(point.figure.ns));
            Mark { x, y, interval: (y, y), tip }
        };
        let mut series =
            line.series(cell, vec![line.points.iter().map(at).collect()], line.points.iter().map(mark).collect());
        // Between two jobs, from edge to edge.
        let upright = |shift: &Shift| {
            let x = line.points[shift.at].job as f64 - 0.5;
            vec![(x, 0.0), (x, f64::INFINITY)]
        };
        series.faint = line.shifts.iter().map(upright).collect();
        series
    });
    let plot = Plot {
        x: jobs(machine),
        y: Axis::values(&format!("{}, round trip", unit.name), all().map(|ns| ns / unit.factor)),
        series: series.collect(),
    };
    let ends = |line: &&Line<'_>| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!("{} from {} to {}", line.name(), time(first.figure.ns), time(last.figure.ns)))
    };
    let id = format!("{id}-latency");
    let caption = caption(&id, "Latency", cell, lines.iter().filter_map(ends).collect());
    let columns = lines.iter().map(|line| line.name().to_string());
    Ok(Some(Figure {
        svg: plot.draw(&caption)?,
        id,
        title: format!("{}: latency", cell_words(cell)),
        meaning: "Medians of the candidate of each job. They are the machine's as much as the program's; an upright line is a shift.",
        columns: columns.collect(),
        rows: rows(machine, &lines, |point| vec![time(point.figure.ns)]),
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
            Mark { x, y, interval: point.chain.interval(), tip }
        };
        let pieces = line.points.chunk_by(|_, next| next.chain.joined);
        let pieces = pieces.map(|piece| piece.iter().map(at).collect()).collect();
        line.series(cell, pieces, line.points.iter().map(mark).collect())
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
        meaning: "The product of the estimates from each baseline to its candidate, with its 90 % interval, which grows with every \
                  step. The machine cancels out. A line is broken where a commit between was not measured.",
        columns: columns.collect(),
        rows: rows(machine, &lines, |point| {
            let figure = point.figure;
            let (low, high) = (signed_percent(figure.low), signed_percent(figure.high));
            let step = format!("{} ({low} to {high})", signed_percent(figure.change));
            vec![step, signed_percent(point.chain.change())]
        }),
    }))
}

/// The horizontal axis: the jobs of a machine.
fn jobs(machine: &Machine<'_>) -> Axis {
    let names: Vec<String> = machine.entries.iter().map(|entry| words::commit(&entry.commit)).collect();
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
