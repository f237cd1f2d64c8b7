//! Tables: the same figures as the plots, for those who want or need the numbers.

use crate::analysis::along::Place;
use crate::analysis::findings::ratio_spread;
use crate::analysis::group::{Cell, Group};
use crate::analysis::interval::Interval;
use crate::analysis::kind::{Kind, Slot};
use crate::analysis::metric::{Metric, quantile_of};
use crate::analysis::ratio::paired;
use crate::format::{self, Quantity, Unit};
use crate::record::{Sample, Workload};

/// What stands where there is no figure.
pub(super) const NONE: &str = "–";

/// Columns that belong together, under one heading.
pub(super) struct Columns {
    /// Heading over all of them.
    pub(super) heading: String,
    /// CSS class of the messenger they belong to, empty when none.
    pub(super) class: &'static str,
    /// Heading of each, with its unit.
    pub(super) names: Vec<String>,
}

/// A row: its heading, then its cells.
pub(super) struct Row {
    /// Heading.
    pub(super) heading: String,
    /// One cell a column.
    pub(super) cells: Vec<String>,
}

/// A table.
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// Heading of the column of row headings.
    pub(super) rows_are: &'static str,
    /// Its columns.
    pub(super) columns: Vec<Columns>,
    /// Its rows.
    pub(super) rows: Vec<Row>,
    /// What its figures can tell at all, when that needs saying.
    pub(super) note: Option<&'static str>,
}

/// A figure beside the main one: heading, and how to read it off a sample.
type Beside = (&'static str, fn(&Sample) -> f64);

/// What a table adds beside the figure of its plot.
fn beside(metric: Metric) -> &'static [Beside] {
    match metric {
        Metric::Cpu => &[
            ("user", |s| s.server.cpu_user_us as f64 * 1e3 / s.messages as f64),
            ("system", |s| s.server.cpu_sys_us as f64 * 1e3 / s.messages as f64),
            ("load side", |s| crate::analysis::metric::cpu_ns(&s.load) / s.messages as f64),
        ],
        Metric::Switches => &[
            ("voluntary", |s| s.server.ctx_voluntary as f64 / s.messages as f64),
            ("involuntary", |s| s.server.ctx_involuntary as f64 / s.messages as f64),
        ],
        Metric::Rss => &[("no peers", |s| s.server.rss_before as f64)],
        Metric::Threads => &[("load side", |s| s.load.threads as f64)],
        _ => &[],
    }
}

/// The table under a plot; all its figures are in `unit`.
pub(super) fn of_metric(group: &Group<'_>, metric: Metric, unit: Unit) -> Table {
    let beside = beside(metric);
    let columns = group.kinds.iter().map(|kind| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: [with_unit("point", unit), "interval".to_string()]
            .into_iter()
            .chain(beside.iter().map(|(name, _)| with_unit(name, unit)))
            .collect(),
    });
    let show = |value: f64| format::number(value / unit.factor);
    let cells = |kind: &Kind, place: Place| {
        let cell = group.cell(kind, place);
        let point = cell.and_then(|cell| cell.point(metric));
        let figure = point.map(|point| show(point.value));
        let interval = point.map(|point| spread(&point.interval, group.rounds(), show));
        let more = beside.iter().map(|(_, read)| cell?.median_of(read).map(show));
        let all: Vec<Option<String>> = [figure, interval].into_iter().chain(more).collect();
        all.into_iter().map(|text| text.unwrap_or_else(|| NONE.to_string()))
    };
    let rows = group.places.iter().map(|place| Row {
        heading: group.row(*place),
        cells: group.kinds.iter().flat_map(|kind| cells(kind, *place)).collect(),
    });
    let name = if unit.name.is_empty() { String::new() } else { format!(", in {}", unit.name) };
    Table {
        caption: format!("{}{name}; interval: {}.", metric.title(), Interval::describe(group.rounds())),
        rows_are: group.along.heading(),
        columns: columns.collect(),
        rows: rows.collect(),
        note: None,
    }
}

fn with_unit(name: &str, unit: Unit) -> String {
    if unit.name.is_empty() { name.to_string() } else { format!("{name}, {}", unit.name) }
}

/// `110–124`, with the number of rounds where it is not that of the whole group.
fn spread(interval: &Interval, rounds: usize, show: impl Fn(f64) -> String) -> String {
    let ends = if interval.rounds < 2 {
        NONE.to_string()
    } else {
        format!("{}–{}", show(interval.low), show(interval.high))
    };
    if interval.rounds == rounds { ends } else { format!("{ends} (n = {})", interval.rounds) }
}

/// The ratios of each messenger to each floor that its bytes could take.
pub(super) fn of_ratios(group: &Group<'_>) -> Vec<Table> {
    let to_tcp = group.floor().and_then(|floor| ratios_to(group, floor, group.messengers().collect()));
    let on_verbs = || group.messengers().filter(|kind| kind.slot == Slot::Rdma);
    let verbs = group.kinds.iter().find(|kind| kind.slot == Slot::Verbs);
    to_tcp.into_iter().chain(verbs.and_then(|floor| ratios_to(group, floor, on_verbs().collect()))).collect()
}

/// The ratios of messengers to a floor; `None` when there are no messengers.
fn ratios_to(group: &Group<'_>, floor: &Kind, kinds: Vec<&Kind>) -> Option<Table> {
    let metrics: &[Metric] = match group.workload {
        Workload::PingPong | Workload::UnderLoad => &[Metric::P50, Metric::P99, Metric::Throughput],
        Workload::Stream => &[Metric::Throughput, Metric::Cpu],
    };
    if kinds.is_empty() {
        return None;
    }
    let columns = kinds.iter().map(|kind| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: metrics.iter().map(|metric| metric.noun().to_string()).collect(),
    });
    let cell = |kind: &Kind, place: Place, metric: Metric| {
        let Some(ratio) = paired(group, kind, floor, place, metric) else {
            return NONE.to_string();
        };
        let median = format::ratio(ratio.median);
        format!("{median} ({})", ratio_spread(&ratio))
    };
    let rows = group.places.iter().map(|place| Row {
        heading: group.row(*place),
        cells: kinds.iter().flat_map(|kind| metrics.iter().map(|metric| cell(kind, *place, *metric))).collect(),
    });
    Some(Table {
        caption: format!(
            "Ratio to {} in the same round, and in brackets the {}.",
            floor.label(),
            Interval::describe_ratio(group.rounds())
        ),
        rows_are: group.along.heading(),
        columns: columns.collect(),
        rows: rows.collect(),
        note: None,
    })
}

/// The percentiles of all rounds together at one place.
pub(super) fn of_percentiles(group: &Group<'_>, place: Place, unit: Unit) -> Table {
    const QUANTILES: [(&str, f64); 6] =
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("largest", 1.0)];
    let shown: Vec<(&Kind, &Cell<'_>)> =
        group.kinds.iter().filter_map(|kind| Some((kind, group.cell(kind, place)?))).collect();
    let columns = shown.iter().map(|(kind, _)| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: vec![unit.name.to_string()],
    });
    let show = |cell: &Cell<'_>, quantile: f64| {
        let beyond = cell.recorded() as f64 * (1.0 - quantile);
        if quantile < 1.0 && beyond < super::curve::VALUES_BEYOND_MIN {
            return NONE.to_string();
        }
        let value = cell.merged.as_ref().and_then(|merged| quantile_of(merged, quantile));
        value.map_or(NONE.to_string(), |ns| format::number(ns / unit.factor))
    };
    let percentiles = QUANTILES.iter().map(|(name, quantile)| Row {
        heading: (*name).to_string(),
        cells: shown.iter().map(|(_, cell)| show(cell, *quantile)).collect(),
    });
    let counts = Row {
        heading: "round trips".to_string(),
        cells: shown.iter().map(|(_, cell)| format::count(cell.recorded())).collect(),
    };
    Table {
        caption: format!("Round trips {}, all rounds together, in {}.", group.along.at(&[place]), unit.name),
        rows_are: "percentile",
        columns: columns.collect(),
        rows: percentiles.chain([counts]).collect(),
        note: None,
    }
}

/// Named counts of a probe at the last place, by messenger; `None` when nobody has any.
pub(super) fn of_names(
    group: &Group<'_>,
    what: &str,
    rows_are: &'static str,
    read: impl Fn(&Sample) -> &std::collections::BTreeMap<String, u64>,
) -> Option<Table> {
    let place = *group.places.last()?;
    let shown: Vec<(&Kind, &Cell<'_>)> =
        group.kinds.iter().filter_map(|kind| Some((kind, group.cell(kind, place)?))).collect();
    let mut names: Vec<&String> = shown
        .iter()
        .flat_map(|(_, cell)| cell.rounds.iter().flat_map(|measured| read(measured.sample).keys()))
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let columns = shown.iter().map(|(kind, _)| Columns {
        heading: kind.label().to_string(),
        class: kind.slot.class(),
        names: vec!["median".to_string()],
    });
    let count = |cell: &Cell<'_>, name: &String| {
        let has = cell.rounds.iter().any(|measured| read(measured.sample).contains_key(name));
        let median = cell.median_of(|sample| read(sample).get(name).copied().unwrap_or(0) as f64);
        median.filter(|_| has).map_or(NONE.to_string(), |count| Quantity::Count.show(count))
    };
    let rows = names
        .into_iter()
        .map(|name| Row { heading: name.clone(), cells: shown.iter().map(|(_, cell)| count(cell, name)).collect() });
    let rows = rows.collect();
    Some(Table {
        caption: format!("{what} {}, median over rounds.", group.along.at(&[place])),
        rows_are,
        columns: columns.collect(),
        rows,
        note: None,
    })
}
