//! Samples that are missing, empty or too few.

use super::warning;
use crate::analysis::findings::{ROUNDS_MIN, TAIL_VALUES_MIN};
use crate::analysis::group::Group;
use crate::analysis::kind::FLOOR;
use crate::analysis::metric::Metric;
use crate::format;
use crate::record::{Measure, Run, Sample, Warning};

pub(super) fn partial(run: &Run) -> Option<Warning> {
    if !run.partial {
        return None;
    }
    let text = "The run was interrupted and samples are missing. What is here was measured in full; repeat the run \
                for the rest.";
    warning("partial", text.to_string())
}

pub(super) fn few_rounds(groups: &[Group<'_>]) -> Option<Warning> {
    let rounds = groups.iter().map(Group::rounds).max()?;
    if rounds >= ROUNDS_MIN {
        return None;
    }
    let text = format!(
        "Each point rests on {}, so the page claims no difference between messengers. Repeat with --rounds \
         {ROUNDS_MIN} or more.",
        format::plural(rounds as u64, "round")
    );
    warning("few-rounds", text)
}

pub(super) fn missing_points(run: &Run) -> Option<Warning> {
    let plan = &run.plan;
    // Samples of one messenger in one round, by measure; a record without measures has one.
    let measures: Vec<u64> = if plan.measures.is_empty() {
        vec![(plan.workloads.len() * plan.sizes.len() * plan.peers.len()) as u64]
    } else {
        plan.measures.iter().map(Measure::samples).collect()
    };
    let (mut missing, mut planned) = (0, 0);
    for (number, samples) in measures.into_iter().enumerate() {
        for kind in &plan.messengers {
            let of = |sample: &&Sample| sample.measure as usize == number && sample.messenger == *kind;
            let wanted = samples * u64::from(plan.rounds);
            planned += wanted;
            missing += wanted.saturating_sub(run.samples.iter().filter(of).count() as u64);
        }
    }
    if missing == 0 {
        return None;
    }
    let text = format!(
        "{} of {} planned samples are missing; a point without samples is left out of its plot, never guessed. The \
         other warnings, or the output of the run, say why.",
        format::count(missing),
        format::count(planned)
    );
    warning("missing-samples", text)
}

pub(super) fn no_floor(groups: &[Group<'_>]) -> Option<Warning> {
    if groups.is_empty() || groups.iter().all(|group| group.floor().is_some()) {
        return None;
    }
    let text = format!(
        "The bare-TCP floor ({FLOOR}) is missing from at least one workload, so absolute figures have nothing to be \
         compared with on this machine. Repeat with `msgr-bench run`, which measures it in every round."
    );
    warning("no-floor", text)
}

pub(super) fn empty_samples(run: &Run) -> Option<Warning> {
    let empty = run.samples.iter().filter(|sample| sample.messages == 0 || sample.elapsed_ns == 0).count();
    if empty == 0 {
        return None;
    }
    let text = format!(
        "{} without a single message; figures per message leave them out. Repeat with a longer --duration, and read \
         the output of the run for errors.",
        format::plural(empty as u64, "sample")
    );
    warning("empty-samples", text)
}

pub(super) fn unreadable(run: &Run) -> Option<Warning> {
    let latencies = run.samples.iter().filter_map(|sample| sample.latency.as_ref());
    let mut errors = latencies.filter_map(|latency| latency.histogram().err());
    let first = errors.next()?;
    let text = format!(
        "The latency histograms of {} cannot be read and are left out (the first: {first}). Draw the page from the \
         original record.",
        format::plural(1 + errors.count() as u64, "sample")
    );
    warning("histogram-unreadable", text)
}

pub(super) fn thin_tails(groups: &[Group<'_>]) -> Option<Warning> {
    let thin = |metric: Metric| {
        let quantile = metric.quantile()?;
        let fewest = groups
            .iter()
            .flat_map(Group::cells)
            .map(|(_, _, cell)| cell.recorded())
            .filter(|recorded| *recorded > 0)
            .min()?;
        let beyond = fewest as f64 * (1.0 - quantile);
        (beyond < TAIL_VALUES_MIN).then_some((metric, beyond))
    };
    let (metric, beyond) = thin(Metric::P99).or_else(|| thin(Metric::P999))?;
    let text = format!(
        "At least one {} rests on {} values beyond it; {} are wanted before it is relied on. Repeat with a longer \
         --duration or more --rounds.",
        metric.noun(),
        format::number(beyond.floor()),
        TAIL_VALUES_MIN
    );
    warning("thin-tail", text)
}
