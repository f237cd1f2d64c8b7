//! The load: what was offered, how late it came, and what making it costs.

use super::warning;
use crate::analysis::group::Group;
use crate::analysis::harness;
use crate::analysis::kind::Kind;
use crate::format;
use crate::record::{Run, Sample, Warning};

/// Share of the median round trip that the generator may be late by: more, and the latency is in part its own.
const LATE_MAX: f64 = 0.1;

/// Share of the time of a message that counting and timing may take.
const HARNESS_MAX: f64 = 0.03;

pub(super) fn overloaded(groups: &[Group<'_>]) -> Option<Warning> {
    let over = |group: &Group<'_>| -> Vec<String> {
        let cells = group.cells().filter(|(_, _, cell)| cell.is_overloaded());
        cells.map(|(kind, place, _)| format!("{} {}", kind.label(), group.along.at(&[place]))).collect()
    };
    let names: Vec<String> = groups.iter().flat_map(over).collect();
    if names.is_empty() {
        return None;
    }
    let text = format!(
        "Fewer requests were answered than offered: {}. Such latencies say how long a queue grew, and are not compared; \
         repeat with a lower --rate.",
        format::list(&names)
    );
    warning("overloaded", text)
}

pub(super) fn late_generator(run: &Run) -> Option<Warning> {
    let is_late = |sample: &&Sample| {
        let late = sample.open_loop.as_ref().and_then(|open| open.late.as_ref());
        let typical = sample.latency.as_ref().map_or(0, |latency| latency.p50_ns);
        late.is_some_and(|late| late.p50_ns as f64 > typical as f64 * LATE_MAX)
    };
    let late = run.samples.iter().filter(is_late).count();
    if late == 0 {
        return None;
    }
    let text = format!(
        "In {} of {} the generator was late by more than {} of the median round trip, which its latencies contain. Give the \
         load side CPUs of its own (--pin split), or lower --rate.",
        format::count(late as u64),
        format::plural(run.samples.len() as u64, "sample"),
        format::percent(LATE_MAX)
    );
    warning("late-generator", text)
}

pub(super) fn heavy_harness(run: &Run) -> Option<Warning> {
    let (share, sample) = harness::heaviest(run)?;
    if share <= HARNESS_MAX {
        return None;
    }
    let text = format!(
        "Counting and timing takes {} of the time of a message at the fastest point ({}). Differences of that size are not the \
         messengers'; use larger messages or fewer in flight where they matter.",
        format::percent(share),
        Kind::new(&sample.messenger).label()
    );
    warning("harness", text)
}
