//! What a neighbour got done while others were measured beside it.

use super::table::{Columns, NONE, Row, Table};
use crate::analysis::along::{self, ALONE, Along};
use crate::analysis::group::{Cell, Group};
use crate::analysis::kind::Kind;
use crate::format::{self, Quantity};
use crate::record::{Beside, Neighbour};

/// A row: what it says, and how it is read off what the neighbour did.
type Figure = (&'static str, fn(&Beside) -> Option<f64>);

/// The table of the neighbour; `None` when there was none.
pub(super) fn table(group: &Group<'_>) -> Option<Table> {
    let Along::Beside(what) = group.along else { return None };
    let place = *group.places.iter().find(|place| **place != ALONE)?;
    let cells: Vec<(&Kind, &Cell<'_>)> =
        group.kinds.iter().filter_map(|kind| Some((kind, group.cell(kind, place)?))).collect();
    let one = cells.iter().find_map(|(_, cell)| cell.rounds.iter().find_map(|it| it.sample.beside.as_ref()))?;
    let figures: &[Figure] = match what {
        Neighbour::Flood | Neighbour::Bulk => &[
            ("messages that arrived, /s", |it| Some(it.per_s)),
            ("payload, MB/s", |it| Some(it.per_s * it.size as f64 / 1e6)),
        ],
        Neighbour::SlowReader => &[("answers read, /s", |it| Some(it.per_s))],
        Neighbour::Connects => &[
            ("peers connected, /s", |it| Some(it.per_s)),
            ("dial to first answer p50, µs", |it| Some(it.latency.as_ref()?.p50_ns as f64 / 1e3)),
            ("dial to first answer p99, µs", |it| Some(it.latency.as_ref()?.p99_ns as f64 / 1e3)),
        ],
    };
    let columns = cells.iter().map(|(kind, _)| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: vec!["median".to_string()],
    });
    let rows = figures.iter().map(|(name, read)| Row {
        heading: (*name).to_string(),
        cells: cells
            .iter()
            .map(|(_, cell)| {
                let known = cell.median_of_known(|sample| read(sample.beside.as_ref()?));
                known.map_or(NONE.to_string(), format::number)
            })
            .collect(),
    });
    Some(Table {
        caption: format!(
            "What {} did: {}, {} each; medians of the rounds.",
            along::neighbour(what),
            format::plural(u64::from(one.peers), "peer"),
            Quantity::Bytes.show(one.size as f64)
        ),
        rows_are: "figure",
        columns: columns.collect(),
        rows: rows.collect(),
        note: None,
    })
}
