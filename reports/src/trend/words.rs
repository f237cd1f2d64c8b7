//! A trend in plain words.

use super::entry::{Entry, Host};
use super::series::Point;
use super::shift::{Seen, Shift};
use crate::format::{self, signed_percent};
use crate::gate::words::{cell, metric, time};
use crate::gate::{Cell, Metric};

/// Digits of a commit that tell it apart from others.
const COMMIT_DIGITS: usize = 7;

/// `2 × a CPU, Linux 6.1.0`.
pub(super) fn host(host: &Host) -> String {
    format!("{} × {}, {}", host.cpus, host.cpu_model, host.kernel)
}

/// A commit in short.
pub(super) fn commit(commit: &str) -> String {
    if commit.is_empty() { "unknown".to_string() } else { commit.chars().take(COMMIT_DIGITS).collect() }
}

/// The day of a time.
fn day(started: &str) -> &str {
    started.split('T').next().unwrap_or(started)
}

/// The commit and the day of a job.
pub(super) fn job(entry: &Entry) -> String {
    format!("{} of {}", commit(&entry.commit), day(&entry.started))
}

/// A shift, as a sentence or two.
pub(super) fn shift(
    of: &Cell,
    which: Metric,
    shift: &Shift,
    seen: Option<Seen>,
    points: &[Point<'_>],
    on: &Host,
) -> String {
    let jobs = |number: usize| format::plural(number as u64, "job");
    let change = shift.change();
    let seen = match seen {
        Some(Seen { change, is_it: true }) => {
            format!("The pairs saw it too ({}): it is the program.", signed_percent(change))
        }
        Some(Seen { change, is_it: false }) => {
            format!("The pairs saw {} there: it is the machine rather than the program.", signed_percent(change))
        }
        None => "A commit there was not measured, so it can be the program or the machine.".to_string(),
    };
    format!(
        "{} of {} is {} {} since {}: {} over the {} before, {} over the {} since, on {}. {seen}",
        metric(which),
        cell(of),
        format::percent(change.abs()),
        if change > 0.0 { "higher" } else { "lower" },
        job(points[shift.at].entry),
        time(shift.before.0),
        jobs(shift.before.1),
        time(shift.since.0),
        jobs(shift.since.1),
        host(on)
    )
}
