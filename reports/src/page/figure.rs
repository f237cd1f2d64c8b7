//! One figure along the places of a group: its plot and its table.

use super::table::{self, Table};
use crate::analysis::along::{Along, Place, neighbour};
use crate::analysis::group::{Group, Point};
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::analysis::metric::Metric;
use crate::charts::{Axis, Caption, DrawError, Mark, Plot, Series};
use crate::format::{self, Unit};

/// A plot with its heading and its table.
pub(super) struct Figure {
    /// Identifier within the page.
    pub(super) id: String,
    /// What is plotted; none for percentile curves.
    pub(super) metric: Option<Metric>,
    /// Heading.
    pub(super) title: String,
    /// What it shows, in a sentence.
    pub(super) meaning: String,
    /// What its figures can tell at all, when that needs saying.
    pub(super) note: Option<&'static str>,
    /// The plot.
    pub(super) svg: String,
    /// The same figures as numbers.
    pub(super) table: Table,
}

impl Figure {
    /// The figure of a metric along the group's places; `None` when no sample has it.
    ///
    /// # Errors
    ///
    /// When the plot cannot be drawn.
    pub(super) fn new(group: &Group<'_>, metric: Metric, section: &str) -> Result<Option<Figure>, DrawError> {
        let id = format!("{section}-{}", metric.slug());
        let Some((plot, caption, unit)) = plot(group, metric, &id) else { return Ok(None) };
        Ok(Some(Figure {
            id,
            metric: Some(metric),
            note: None,
            title: metric.title().to_string(),
            meaning: metric.meaning().to_string(),
            svg: plot.draw(&caption)?,
            table: table::of_metric(group, metric, unit),
        }))
    }
}

/// The plot of a metric, what it is called and the unit of its figures; `None` when no sample has it.
pub(super) fn plot(group: &Group<'_>, metric: Metric, id: &str) -> Option<(Plot, Caption, Unit)> {
    let lines: Vec<(&Kind, Vec<(Place, Point)>)> = group
        .kinds
        .iter()
        .map(|kind| (kind, group.series(kind, metric)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points.iter().map(|(_, point)| point));
    let middle = Interval::over(all().map(|point| point.value))?;
    let unit = metric.quantity().unit_for(middle.median);
    let values = all().flat_map(|point| [point.value, point.interval.low, point.interval.high]);
    let y = Axis::values(&axis_name(metric, unit), values.map(|value| value / unit.factor));
    let plot = match group.places.as_slice() {
        // A line needs two places; one place compares messengers side by side.
        [only] => side_by_side(group, &lines, *only, metric, unit, y),
        _ => Plot {
            x: axis(group),
            y,
            series: lines.iter().map(|(kind, points)| series(group, kind, points, metric, unit)).collect(),
        },
    };
    let caption = Caption {
        id: id.to_string(),
        title: format!("{} against {}", metric.title(), group.along.against()),
        description: describe(group.along, &lines, metric),
    };
    Some((plot, caption, unit))
}

/// The horizontal axis of a group.
fn axis(group: &Group<'_>) -> Axis {
    let places: Vec<f64> = group.places.iter().map(|place| *place as f64).collect();
    match group.along {
        Along::Peers => Axis::places("connected peers (log scale)", &places, |place| format::count(place as u64)),
        Along::Size => Axis::places("payload (log scale)", &places, |place| format::size(place as u64)),
        Along::Rate => Axis::values("requests offered a second", places),
        Along::Beside(what) => Axis::names("beside", &["nothing else", neighbour(what)]),
    }
}

fn axis_name(metric: Metric, unit: Unit) -> String {
    match metric {
        Metric::Threads => "threads".to_string(),
        Metric::Switches => "switches a message".to_string(),
        Metric::Cpu => format!("{} a message", unit.name),
        Metric::P50 | Metric::P99 | Metric::P999 => format!("{}, round trip", unit.name),
        _ => unit.name.to_string(),
    }
}

fn series(group: &Group<'_>, kind: &Kind, points: &[(Place, Point)], metric: Metric, unit: Unit) -> Series {
    let load = |place: Place| group.cell(kind, place).and_then(|cell| cell.load());
    let joins = |one: Place, two: Place| !metric.depends_on_load() || load(one) == load(two);
    let at = |(place, point): &(Place, Point)| (*place as f64, point.value / unit.factor);

    Series {
        slot: kind.slot,
        name: kind.label().to_string(),
        named: true,
        pieces: points
            .chunk_by(|(one, _), (two, _)| joins(*one, *two))
            .map(|piece| piece.iter().map(at).collect())
            .collect(),
        faint: Vec::new(),
        marks: points
            .iter()
            .map(|(place, point)| mark(group.along, kind, *place, *place as f64, point, metric, unit))
            .collect(),
    }
}

/// The plot of a single place: one spot for each messenger, with a stem where the axis begins at zero.
fn side_by_side(
    group: &Group<'_>,
    lines: &[(&Kind, Vec<(Place, Point)>)],
    place: Place,
    metric: Metric,
    unit: Unit,
    y: Axis,
) -> Plot {
    let names: Vec<&str> = lines.iter().map(|(kind, _)| kind.label()).collect();
    let stems = y.begins_at_zero();
    let series = lines.iter().enumerate().map(|(i, (kind, points))| {
        let x = i as f64;
        let stem = |(_, point): &(Place, Point)| vec![(x, 0.0), (x, point.value / unit.factor)];
        Series {
            slot: kind.slot,
            name: kind.label().to_string(),
            named: false,
            pieces: if stems { points.iter().map(stem).collect() } else { Vec::new() },
            faint: Vec::new(),
            marks: points
                .iter()
                .map(|(place, point)| mark(group.along, kind, *place, x, point, metric, unit))
                .collect(),
        }
    });
    let series = series.collect();
    Plot { x: Axis::names(&group.along.at(&[place]), &names), y, series }
}

fn mark(along: Along, kind: &Kind, place: Place, x: f64, point: &Point, metric: Metric, unit: Unit) -> Mark {
    Mark {
        x,
        y: point.value / unit.factor,
        interval: (point.interval.low / unit.factor, point.interval.high / unit.factor),
        tip: tip(along, kind, place, point, metric),
    }
}

/// `async at 64 peers: 118 µs (110 µs–124 µs)`.
fn tip(along: Along, kind: &Kind, place: Place, point: &Point, metric: Metric) -> String {
    let quantity = metric.quantity();
    let head = format!("{} {}: {}", kind.label(), along.at(&[place]), quantity.show(point.value));
    if point.interval.rounds < 2 {
        return head;
    }
    let (low, high) = (quantity.show(point.interval.low), quantity.show(point.interval.high));
    format!("{head} ({low}–{high}, {})", format::plural(point.interval.rounds as u64, "round"))
}

/// The ends of each line, for those who cannot see it.
fn describe(along: Along, lines: &[(&Kind, Vec<(Place, Point)>)], metric: Metric) -> String {
    let quantity = metric.quantity();
    let ends: Vec<String> = lines
        .iter()
        .filter_map(|(kind, points)| {
            let ((first, from), (last, to)) = (points.first()?, points.last()?);
            let start = format!("{} {}", quantity.show(from.value), along.at(&[*first]));
            if first == last {
                return Some(format!("{}: {start}", kind.label()));
            }
            let end = format!("{} {}", quantity.show(to.value), along.at(&[*last]));
            Some(format!("{}: from {start} to {end}", kind.label()))
        })
        .collect();
    format!("{}. All figures are in the table below.", ends.join("; "))
}
