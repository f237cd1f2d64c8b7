//! What a message costs the side under test, counted and not timed: the figures that do not swing with the machine.

use super::table::{Columns, NONE, Row, Table};
use crate::analysis::along::{Along, Place};
use crate::analysis::group::{Cell, Group};
use crate::analysis::metric::cpu_ns;
use crate::format;
use crate::record::{Sample, Workload};

/// A row: what it counts, and how it is read off a sample; `None` when that does not tell.
type Count = (&'static str, fn(&Sample) -> Option<f64>);

const COUNTS: [Count; 10] = [
    ("CPU time, µs", |s| looked_at(s).then(|| per_message(s, cpu_ns(&s.server) / 1e3))),
    ("context switches", |s| looked_at(s).then(|| per_message(s, switches(s)))),
    ("read calls", |s| counted(s, "msgr_read_calls")),
    ("write calls", |s| counted(s, "msgr_write_calls")),
    ("waits for readiness (epoll_wait)", |s| counted(s, "msgr_wait_calls")),
    ("wake-ups of another thread", |s| counted(s, "msgr_wake_calls")),
    ("bytes a read call", |s| ratio(s, "msgr_recv_bytes", "msgr_read_calls")),
    ("bytes a write call", |s| ratio(s, "msgr_send_bytes", "msgr_write_calls")),
    ("bytes copied in memory", |s| counted(s, "msgr_copied_bytes")),
    ("allocations", |s| {
        let heap = s.allocations.as_ref().filter(|heap| heap.messages > 0)?;
        Some(heap.count as f64 / heap.messages as f64)
    }),
];

/// The counts at the first and the last place; none where a neighbour's messages would be among them.
pub(super) fn tables(group: &Group<'_>) -> Vec<Table> {
    if matches!(group.along, Along::Beside(_)) {
        return Vec::new();
    }
    let mut ends: Vec<Place> = group.places.first().into_iter().chain(group.places.last()).copied().collect();
    ends.dedup();
    ends.into_iter().map(|place| table(group, place)).collect()
}

fn table(group: &Group<'_>, place: Place) -> Table {
    let cells: Vec<(Columns, &Cell<'_>)> = group
        .kinds
        .iter()
        .filter_map(|kind| {
            let names = vec!["a message".to_string()];
            let columns = Columns { heading: kind.label().to_string(), class: kind.slot.class(), names };
            Some((columns, group.cell(kind, place)?))
        })
        .collect();
    let rows = COUNTS.iter().map(|(name, read)| Row {
        heading: (*name).to_string(),
        cells: cells
            .iter()
            .map(|(_, cell)| cell.median_of_known(read).map_or(NONE.to_string(), format::number))
            .collect(),
    });
    let rows = rows.collect();
    let message = match group.workload {
        Workload::PingPong | Workload::UnderLoad => "A message is a request and its reply.",
        Workload::Stream => "A message goes one way.",
    };
    Table {
        caption: format!(
            "What a message costs the side under test {}, median over rounds. {message}",
            group.along.at(&[place])
        ),
        rows_are: "count",
        columns: cells.into_iter().map(|(columns, _)| columns).collect(),
        rows,
        note: None,
    }
}

/// Every process has a thread: one without was not looked at, as the programs of bare verbs are not.
fn looked_at(sample: &Sample) -> bool {
    sample.server.threads > 0
}

fn switches(sample: &Sample) -> f64 {
    sample.server.ctx_voluntary as f64 + sample.server.ctx_involuntary as f64
}

fn per_message(sample: &Sample, count: f64) -> f64 {
    count / sample.messages.max(1) as f64
}

fn counted(sample: &Sample, name: &str) -> Option<f64> {
    Some(per_message(sample, *sample.server.counts.get(name)? as f64))
}

fn ratio(sample: &Sample, of: &str, to: &str) -> Option<f64> {
    let counts = &sample.server.counts;
    let (of, to) = (*counts.get(of)?, *counts.get(to)?);
    (to > 0).then(|| of as f64 / to as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Builder;

    #[test]
    fn counts_are_divided_by_the_messages_of_the_interval_and_absent_where_nobody_counted() {
        let run = Builder::default().each(&["async", "tcp"], &[1, 4], 3, |sample| {
            if sample.messenger == "async" {
                sample.server.counts.insert("msgr_read_calls".to_string(), 12_500);
                sample.server.counts.insert("msgr_recv_bytes".to_string(), 25_000);
            }
        });
        let run = run.build();
        let tables = tables(&Group::all(&run)[0]);
        assert_eq!(tables.len(), 2);
        let row = |name: &str| tables[0].rows.iter().find(|row| row.heading == name).map(|row| row.cells.clone());
        assert_eq!(row("read calls"), Some(vec!["1.25".to_string(), NONE.to_string()]));
        assert_eq!(row("bytes a read call"), Some(vec!["2".to_string(), NONE.to_string()]));
        assert_eq!(row("write calls"), Some(vec![NONE.to_string(); 2]));
    }
}
