//! Verdicts in plain words, the same in every output.

use super::decision::{Decision, Look, Rule, Verdict};
use super::record::{Cell, CellRecord, Facts, Metric, Outcome};
use crate::format::{self, Quantity, percent, signed_percent};
use crate::record::Workload;

/// `async ping-pong, 64 B, 1 peer, 1 in flight`.
pub(crate) fn cell(cell: &Cell) -> String {
    let workload = match cell.workload {
        Workload::PingPong => "ping-pong",
        Workload::UnderLoad => "under load",
        Workload::Stream => "stream",
    };
    let control = if cell.control { "A/A: " } else { "" };
    let (size, peers) = (format::size(cell.size), format::peers(cell.peers));
    format!("{control}{} {workload}, {size}, {peers}, {} in flight", cell.messenger, cell.in_flight)
}

/// A metric's name.
pub(crate) fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::P50 => "p50",
        Metric::P99 => "p99",
        Metric::Cpu => "CPU per message",
    }
}

/// A verdict as a word of a table.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Improved => "improved",
        Verdict::Regression => "regression",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Unfit => "unfit",
    }
}

/// An outcome as a heading.
pub(crate) fn heading(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "Pass",
        Outcome::Improved => "Pass, and faster",
        Outcome::Regression => "Regression",
        Outcome::Accepted => "Regression, accepted",
        Outcome::Inconclusive => "Inconclusive",
        Outcome::Error => "Error",
        Outcome::Refused => "Refused",
    }
}

/// What a rule is, for tables of the ladder.
pub(super) fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Margin => "bound within the margin",
        Rule::ActionLevel => "estimate below the action level",
        Rule::Agreement => "too few pairs agree",
        Rule::AbsoluteChange => "absolute change too small",
        Rule::Confirmation => "fresh pairs",
        Rule::Futility => "upper bound below the action level",
        Rule::Improvement => "faster by every rule",
        Rule::LastLook => "open after the last look",
        Rule::Control => "identical programs differ",
        Rule::Stopped => "measuring ended before",
    }
}

/// A time in nanoseconds with its unit.
pub(crate) fn time(ns: f64) -> String {
    Quantity::Nanoseconds.show(ns)
}

/// `+9.8 % (+8.1 % to +11.2 %)`, or a dash without a look.
pub(super) fn change(look: Option<&Look>) -> String {
    let shown = |look: &Look| {
        let (low, high) = (signed_percent(look.low), signed_percent(look.high));
        format!("{} ({low} to {high})", signed_percent(look.estimate))
    };
    look.map_or_else(|| "–".to_string(), shown)
}

/// `99.5 %`: the chance that the interval of a look holds the truth.
pub(super) fn coverage(look: &Look) -> String {
    percent(1.0 - 2.0 * look.alpha)
}

/// What became of a metric, as a sentence.
pub(super) fn sentence(decision: &Decision) -> String {
    let name = metric(decision.metric);
    let Some(look) = decision.looks.last() else {
        return format!("{name}: measuring ended before the first look.");
    };
    let seen = change(Some(look));
    let pairs = look.pairs;
    let action = percent(decision.metric.action());
    let fresh = decision.confirmation.as_ref().map_or_else(String::new, |fresh| {
        let (estimate, low) = (signed_percent(fresh.estimate), signed_percent(fresh.low));
        format!("{} fresh pairs say {estimate}, at least {low}", fresh.pairs)
    });
    match (decision.verdict, decision.rule) {
        (Verdict::Pass, Rule::Confirmation) => {
            format!("{name} seemed slower after {pairs} pairs, {seen}, which was not confirmed: {fresh}.")
        }
        (Verdict::Pass, Rule::LastLook) => format!(
            "{name} {seen} after {pairs} pairs: no regression was found and none is larger than {}; one of less than {} \
             could go unseen here.",
            percent(look.no_larger_than.max(0.0)),
            percent(look.least_effect)
        ),
        (Verdict::Pass, _) => format!(
            "{name} {seen} after {pairs} pairs: no regression is larger than {}, which is below {action}.",
            percent(look.no_larger_than.max(0.0))
        ),
        (Verdict::Improved, _) => {
            format!("{name} is faster, {seen} after {pairs} pairs: from {} to {}.", time(look.a_ns), time(look.b_ns))
        }
        (Verdict::Regression, _) => format!(
            "{name} is slower, {seen} after {pairs} pairs of which {} agree: from {} to {}. {fresh}.",
            percent(look.agreement),
            time(look.a_ns),
            time(look.b_ns)
        ),
        (Verdict::Unfit, _) => {
            format!("{name} of identical programs differs, {seen} after {pairs} pairs: this machine cannot tell.")
        }
        (Verdict::Inconclusive, Rule::LastLook) => format!(
            "{name} {seen} after {pairs} pairs: a regression of up to {} cannot be ruled out; repeat on a quieter machine.",
            percent(look.no_larger_than)
        ),
        (Verdict::Inconclusive, _) => {
            format!("{name} {seen} after {pairs} pairs: measuring ended before it was settled.")
        }
    }
}

/// What the job came to, as a sentence or two; `reason` is what stands against any verdict, when something does.
pub(super) fn outcome(outcome: Outcome, cells: &[CellRecord], facts: &Facts, reason: Option<&str>) -> String {
    let all = || cells.iter().flat_map(|cell| cell.decisions.iter().map(move |decision| (cell, decision)));
    let count = |verdict| all().filter(|(_, decision)| decision.verdict == verdict).count() as u64;
    let named = |verdict| {
        let found = all().filter(|(_, decision)| decision.verdict == verdict);
        let names: Vec<String> =
            found.map(|(of, decision)| format!("{} of {}", metric(decision.metric), cell(&of.cell))).collect();
        names.join("; ")
    };
    let because = reason.unwrap_or("no reason is known").trim_end_matches('.');
    let compared = format::plural(all().filter(|(of, _)| !of.cell.control).count() as u64, "comparison");
    let of_all = format!(" of {compared}");
    match outcome {
        Outcome::Pass => format!("None of {compared} is slower by what is worth acting on."),
        Outcome::Improved => format!(
            "None of {compared} is slower, and {} faster: {}.",
            are(count(Verdict::Improved), ""),
            named(Verdict::Improved)
        ),
        Outcome::Regression => format!(
            "{} slower, confirmed by fresh pairs: {}.",
            are(count(Verdict::Regression), &of_all),
            named(Verdict::Regression)
        ),
        Outcome::Accepted => format!(
            "{} slower, confirmed by fresh pairs, and accepted by the commit ({}): {}.",
            are(count(Verdict::Regression), &of_all),
            facts.acceptance.as_deref().unwrap_or_default().trim(),
            named(Verdict::Regression)
        ),
        Outcome::Inconclusive if reason.is_some() => format!("Nothing that was found counts: {because}."),
        Outcome::Inconclusive if count(Verdict::Unfit) > 0 => format!(
            "This machine tells identical programs apart ({}), so nothing that was found on it counts: run the gate on a \
             quieter one.",
            named(Verdict::Unfit)
        ),
        Outcome::Inconclusive => format!(
            "No regression was confirmed, but {} too noisy to tell: {}.",
            are(count(Verdict::Inconclusive), ""),
            named(Verdict::Inconclusive)
        ),
        Outcome::Error => format!("No verdict: {because}."),
        Outcome::Refused => format!("Nothing was measured: {because}."),
    }
}

/// `1 of 6 comparisons is`, `2 are`.
fn are(count: u64, of_all: &str) -> String {
    format!("{}{of_all} {}", format::count(count), if count == 1 { "is" } else { "are" })
}
