//! The rates as Markdown.

use std::fmt::Write;

use super::{ALARMS_MAX, Ends, ErrorRates, Found, PLAYED, Power, SECONDS_MAX};
use crate::format::{percent, signed_percent};

/// All tables.
pub(super) fn render(rates: &ErrorRates) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line("Identical programs:\n".into());
    line("| jobs | how many | called slower | inconclusive | of these unfit | pairs a cell |".into());
    line("|---|---:|---:|---:|---:|---:|".into());
    for (name, ends) in [("measured", rates.live), ("played", rates.played)] {
        let Ends { jobs, slower, inconclusive, unfit, pairs, cells } = ends;
        let pairs = pairs as f64 / cells.max(1) as f64;
        line(format!("| {name} | {jobs} | {slower} | {inconclusive} | {unfit} | {pairs:.0} |"));
    }
    let took = |seconds: Option<f64>| seconds.map_or_else(|| "–".into(), minutes);
    line(format!(
        "\nA measured job took {} (median) and {} at most; played were at least {} pairs a cell.\n",
        took(super::super::judge::median(rates.seconds.iter().copied())),
        took(rates.seconds.last().copied()),
        rates.tape
    ));
    line("Slower programs, by cells in which it was found, and in how many of these p50 was the metric, or one of those:\n".into());
    line("| each message longer by | messenger | p50 as measured | measured | played | together | promised |".into());
    line("|---|---|---:|---:|---:|---:|---:|".into());
    for power in &rates.power {
        line(format!(
            "| {} of p50 | {} | {} | {} | {} | {} | {} |",
            percent(power.percent / 100.0),
            power.messenger,
            signed_percent(power.seen),
            found(power.live),
            found(power.played),
            percent(power.live.and(power.played).share()),
            percent(power.bar)
        ));
    }
    line("\nPlayed, by cell:\n".into());
    let head: Vec<String> = PLAYED.iter().map(|share| format!("{} |", signed_percent(share / 100.0))).collect();
    line(format!("| cell | {}", head.join(" ")));
    line(format!("|---|{}", "---:|".repeat(PLAYED.len())));
    for (name, shares) in &rates.cells {
        let shares: Vec<String> = shares.iter().map(|share| format!("{} |", percent(*share))).collect();
        line(format!("| {name} | {}", shares.join(" ")));
    }
    out
}

fn found(found: Found) -> String {
    format!("{} of {}, p50 {}", found.found, found.cells, found.by_p50)
}

fn minutes(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

pub(super) fn missed_alarms(alarms: f64) -> String {
    format!(
        "{} of the jobs of identical programs were called slower, more than {}",
        percent(alarms),
        percent(ALARMS_MAX)
    )
}

pub(super) fn missed_power(power: &Power) -> String {
    format!(
        "a p50 of {} that is {} slower was found in {} of the cells, fewer than {}",
        power.messenger,
        percent(power.percent / 100.0),
        percent(power.live.and(power.played).share()),
        percent(power.bar)
    )
}

/// `which` is 0 for the median and 1 for the longest, as in [`SECONDS_MAX`].
pub(super) fn missed_time(which: usize, took: f64) -> String {
    let of = ["the median", "the longest"][which];
    format!("{of} job of identical programs took {}, more than {}", minutes(took), minutes(SECONDS_MAX[which]))
}
