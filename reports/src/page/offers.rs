//! What was offered at a fixed rate, and what became of it.

use super::table::{Columns, NONE, Row, Table};
use crate::analysis::along::Place;
use crate::analysis::group::Group;
use crate::analysis::kind::Kind;
use crate::format::{self, Quantity};
use crate::record::OpenLoop;

/// A column: its heading, and nanoseconds read off a sample.
type Column = (&'static str, fn(&OpenLoop) -> Option<u64>);

/// The columns of each messenger after the first, which is what it answered.
const COLUMNS: [Column; 4] = [
    ("service p50, µs", |open| Some(open.service.as_ref()?.p50_ns)),
    ("service p99, µs", |open| Some(open.service.as_ref()?.p99_ns)),
    ("sent late p50, µs", |open| Some(open.late.as_ref()?.p50_ns)),
    ("sent late p99, µs", |open| Some(open.late.as_ref()?.p99_ns)),
];

/// Offered and answered, and how late the generator was; `None` when the loop was not open.
pub(super) fn table(group: &Group<'_>) -> Option<Table> {
    let samples = || group.cells().flat_map(|(_, _, cell)| cell.rounds.iter().map(|measured| measured.sample));
    let first = samples().find_map(|sample| sample.open_loop.as_ref())?.offered_per_s;
    let offered = if samples().all(|sample| sample.open_loop.as_ref().is_some_and(|it| it.offered_per_s == first)) {
        format!("Offered: {}. ", Quantity::MessagesPerSecond.show(first))
    } else {
        String::new()
    };
    let columns = group.kinds.iter().map(|kind| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: ["answered, /s"].into_iter().chain(COLUMNS.map(|(name, _)| name)).map(str::to_string).collect(),
    });
    let rows = group.places.iter().map(|place| Row {
        heading: group.row(*place),
        cells: group.kinds.iter().flat_map(|kind| cells(group, kind, *place)).collect(),
    });
    Some(Table {
        caption: format!(
            "{offered}Service is the round trip from when a request was sent; the latency above counts from when it was to \
             be sent, and so has how late it was too. Medians of the rounds."
        ),
        rows_are: group.along.heading(),
        columns: columns.collect(),
        rows: rows.collect(),
        note: None,
    })
}

fn cells(group: &Group<'_>, kind: &Kind, place: Place) -> Vec<String> {
    let Some(cell) = group.cell(kind, place) else { return vec![NONE.to_string(); 1 + COLUMNS.len()] };
    let show = |median: Option<f64>| median.map_or(NONE.to_string(), format::number);
    let answered = show(cell.median_of(|sample| sample.messages as f64 * 1e9 / sample.elapsed_ns.max(1) as f64));
    let over = if cell.is_overloaded() { " (overloaded)" } else { "" };
    let nanoseconds = COLUMNS.map(|(_, read)| {
        cell.median_of(move |sample| sample.open_loop.as_ref().and_then(read).map_or(0.0, |ns| ns as f64 / 1e3))
    });
    [format!("{answered}{over}")].into_iter().chain(nanoseconds.map(show)).collect()
}
