//! Where the time of messages went inside the side under test, when that was timed.

use super::table::{Columns, NONE, Row, Table};
use crate::analysis::along::Place;
use crate::analysis::group::{Cell, Group};
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::charts::{Axis, Caption, DrawError, Mark, Plot, Series};
use crate::format::{self, Quantity};
use crate::record::{Latency, Sample, Stages};

use super::figure::Figure;

/// A stage: what it is called, what it is, and how it is read.
type Stage = (&'static str, &'static str, fn(&Stages) -> Option<&Latency>);

const STAGES: [Stage; 5] = [
    ("read", "from readable to decoded", |it| it.read.as_ref()),
    ("dispatched", "from decoded to the end of the callback", |it| it.dispatched.as_ref()),
    ("queued", "from send to taken up", |it| it.queued.as_ref()),
    ("woken", "from the wake-up to running", |it| it.woken.as_ref()),
    ("written", "from taken up to written", |it| it.written.as_ref()),
];

/// The breakdown at one place; `None` when nobody timed stages there.
///
/// # Errors
///
/// When the plot cannot be drawn.
pub(super) fn figure(group: &Group<'_>, place: Place, section: &str) -> Result<Option<Figure>, DrawError> {
    let timed: Vec<(&Kind, &Cell<'_>)> = group
        .kinds
        .iter()
        .filter_map(|kind| Some((kind, group.cell(kind, place)?)))
        .filter(|(_, cell)| cell.rounds.iter().any(|it| it.sample.stages.is_some()))
        .collect();
    if timed.is_empty() {
        return Ok(None);
    }
    let series: Vec<Series> = timed.iter().map(|(kind, cell)| series(kind, cell)).collect();
    let values = series.iter().flat_map(|one| &one.marks).flat_map(|mark| [mark.y, mark.interval.0, mark.interval.1]);
    let names: Vec<&str> = STAGES.iter().map(|(name, _, _)| *name).collect();
    let plot = Plot { y: Axis::values("µs, median", values), x: Axis::names("stage", &names), series };
    let id = format!("{section}-stages-{place}");
    let at = group.along.at(&[place]);
    let caption = Caption {
        id: id.clone(),
        title: format!("Time of each stage {at}"),
        description: "Median time of each stage of a message, by messenger. All figures are in the table below."
            .to_string(),
    };
    let meanings: Vec<String> = STAGES.iter().map(|(name, meaning, _)| format!("{name}: {meaning}")).collect();
    Ok(Some(Figure {
        id,
        metric: None,
        title: format!("Where the time went {at}"),
        meaning: format!("Inside the side under test; {}. {}", meanings.join("; "), cost(&timed)),
        note: None,
        svg: plot.draw(&caption)?,
        table: table(&timed, &at),
    }))
}

/// What timing the stages costs, by the round trips with and without it.
fn cost(timed: &[(&Kind, &Cell<'_>)]) -> String {
    let each = timed.iter().filter_map(|(kind, cell)| {
        let ratios = cell.rounds.iter().filter_map(|it| {
            let with = it.sample.stages.as_ref()?.round_trip.as_ref()?.p50_ns;
            Some(with as f64 / it.sample.latency.as_ref()?.p50_ns as f64)
        });
        let ratio = Interval::of_ratios(ratios)?;
        let spread = crate::analysis::findings::ratio_spread(&ratio);
        Some(format!("{} for {} ({spread})", format::ratio(ratio.median), kind.label()))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        return String::new();
    }
    format!("With this timing on, the median round trip is {} of that without.", format::list(&each))
}

fn series(kind: &Kind, cell: &Cell<'_>) -> Series {
    let marks = STAGES.iter().enumerate().filter_map(|(number, (name, _, read))| {
        let medians = cell.rounds.iter().filter_map(|it| Some(read(it.sample.stages.as_ref()?)?.p50_ns as f64 / 1e3));
        let interval = Interval::over(medians)?;
        let shown = Quantity::Nanoseconds.show(interval.median * 1e3);
        Some(Mark {
            x: number as f64,
            y: interval.median,
            interval: (interval.low, interval.high),
            tip: format!("{} {name}: {shown}", kind.label()),
        })
    });
    Series {
        slot: kind.slot,
        name: kind.label().to_string(),
        named: false,
        pieces: Vec::new(),
        faint: Vec::new(),
        marks: marks.collect(),
    }
}

fn table(timed: &[(&Kind, &Cell<'_>)], at: &str) -> Table {
    let columns = timed.iter().map(|(kind, _)| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: ["p50, µs", "p99, µs"].map(str::to_string).to_vec(),
    });
    let median = |cell: &Cell<'_>, read: &dyn Fn(&Sample) -> Option<f64>| {
        cell.median_of_known(read).map_or(NONE.to_string(), |ns| format::number(ns / 1e3))
    };
    let rows = STAGES.iter().map(|(name, _, read)| Row {
        heading: (*name).to_string(),
        cells: timed
            .iter()
            .flat_map(|(_, cell)| {
                let of = |sample: &Sample| read(sample.stages.as_ref()?).cloned();
                [
                    median(cell, &|sample| Some(of(sample)?.p50_ns as f64)),
                    median(cell, &|sample| Some(of(sample)?.p99_ns as f64)),
                ]
            })
            .collect(),
    });
    Table {
        caption: format!("Time of each stage {at}; medians of the rounds."),
        rows_are: "stage",
        columns: columns.collect(),
        rows: rows.collect(),
        note: None,
    }
}
