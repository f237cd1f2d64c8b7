//! What a record itself gives away about how far it can be trusted.

use std::collections::BTreeSet;

use super::findings::{ROUNDS_MIN, TAIL_VALUES_MIN};
use super::group::Group;
use super::kind::FLOOR;
use super::metric::Metric;
use crate::format;
use crate::record::{Measure, Run, Sample, Warning};

/// Load average per CPU before a run from which on other work is likely to have moved the figures.
const LOAD_PER_CPU_MAX: f64 = 0.25;

/// Stolen CPU time from which on the hypervisor is part of the result.
const STEAL_MAX: f64 = 0.02;

/// Share of the median round trip that the generator may be late by: more, and the latency is in part its own.
const LATE_MAX: f64 = 0.1;

/// CPUs that the two processes can keep busy at once at the least: a thread that moves bytes and one that uses them,
/// on each side.
const CPUS_WANTED: u32 = 4;

/// The warnings of the record, then those derived from it; a kind that the record already has is not repeated.
pub(crate) fn all(run: &Run, groups: &[Group<'_>]) -> Vec<Warning> {
    let known: BTreeSet<&str> = run.warnings.iter().map(|warning| warning.kind.as_str()).collect();
    let derived = [
        partial(run),
        debug_build(run),
        load_average(run),
        steal(run),
        few_rounds(groups),
        oversubscribed(run),
        governor(run),
        missing_points(run),
        no_floor(groups),
        empty_samples(run),
        unreadable(run),
        thin_tails(groups),
        overloaded(groups),
        late_generator(run),
    ];
    let fresh = derived.into_iter().flatten().filter(|warning| !known.contains(warning.kind.as_str()));
    run.warnings.iter().cloned().chain(fresh).collect()
}

fn warning(kind: &str, text: String) -> Option<Warning> {
    Some(Warning { kind: kind.to_string(), text })
}

fn partial(run: &Run) -> Option<Warning> {
    if !run.partial {
        return None;
    }
    let text = "The run was interrupted and samples are missing. What is here was measured in full; repeat the run \
                for the rest.";
    warning("partial", text.to_string())
}

fn debug_build(run: &Run) -> Option<Warning> {
    if run.environment.release {
        return None;
    }
    let text = "The binary was built without optimisations, so no figure means anything. Build with --release and \
                repeat the run.";
    warning("debug-build", text.to_string())
}

fn load_average(run: &Run) -> Option<Warning> {
    let environment = &run.environment;
    let limit = f64::from(environment.cpus) * LOAD_PER_CPU_MAX;
    if environment.cpus == 0 || environment.load_before <= limit {
        return None;
    }
    let text = format!(
        "The load average was {:.2} on {} before the run began. Stop other work and repeat; until then trust ratios \
         to the floor more than absolute figures.",
        environment.load_before,
        format::plural(u64::from(environment.cpus), "CPU")
    );
    warning("load-average", text)
}

fn steal(run: &Run) -> Option<Warning> {
    if run.environment.steal <= STEAL_MAX {
        return None;
    }
    let text = format!(
        "The hypervisor took {} of the CPU time during the run. Repeat on a quieter host; tails (p99 and beyond) \
         suffer most.",
        format::percent(run.environment.steal)
    );
    warning("steal", text)
}

fn few_rounds(groups: &[Group<'_>]) -> Option<Warning> {
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

fn oversubscribed(run: &Run) -> Option<Warning> {
    let cpus = run.environment.cpus;
    if cpus == 0 || cpus >= CPUS_WANTED {
        return None;
    }
    let shared = if cpus == 1 { "is" } else { "are" };
    let text = format!(
        "{} {shared} shared by the side under test and the load side: they compete, and throughput is that of both together. \
         Compare ratios and CPU per message here, or run on {CPUS_WANTED} CPUs or more.",
        format::plural(u64::from(cpus), "CPU")
    );
    warning("oversubscribed", text)
}

fn governor(run: &Run) -> Option<Warning> {
    let governor = run.environment.governor.as_deref().filter(|name| *name != "performance")?;
    let text = format!(
        "The CPU frequency governor is “{governor}”, so clocks moved with the load. Set it to performance (cpupower \
         frequency-set -g performance) and repeat."
    );
    warning("governor", text)
}

fn missing_points(run: &Run) -> Option<Warning> {
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

fn no_floor(groups: &[Group<'_>]) -> Option<Warning> {
    if groups.is_empty() || groups.iter().all(|group| group.floor().is_some()) {
        return None;
    }
    let text = format!(
        "The bare-TCP floor ({FLOOR}) is missing from at least one workload, so absolute figures have nothing to be \
         compared with on this machine. Repeat with `msgr-bench run`, which measures it in every round."
    );
    warning("no-floor", text)
}

fn empty_samples(run: &Run) -> Option<Warning> {
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

fn unreadable(run: &Run) -> Option<Warning> {
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

fn thin_tails(groups: &[Group<'_>]) -> Option<Warning> {
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

fn overloaded(groups: &[Group<'_>]) -> Option<Warning> {
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

fn late_generator(run: &Run) -> Option<Warning> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Builder;

    fn kinds(run: &Run) -> Vec<String> {
        all(run, &Group::all(run)).into_iter().map(|warning| warning.kind).collect()
    }

    fn quiet() -> Run {
        let run = Builder::default().each(&["async", "tcp"], &[4], 3, |sample| {
            Builder::constant_latency(sample, 20_000, 200_000);
        });
        run.build()
    }

    #[test]
    fn a_quiet_complete_run_has_no_warning() {
        assert_eq!(kinds(&quiet()), Vec::<String>::new());
    }

    #[test]
    fn each_doubt_has_its_warning() {
        let mut run = quiet();
        run.partial = true;
        run.environment.release = false;
        run.environment.cpus = 2;
        run.environment.load_before = 1.5;
        run.environment.steal = 0.05;
        run.environment.governor = Some("powersave".to_string());
        assert_eq!(kinds(&run), ["partial", "debug-build", "load-average", "steal", "oversubscribed", "governor"]);
    }

    #[test]
    fn planned_samples_that_are_missing_are_counted() {
        let mut run = quiet();
        run.plan.messengers = vec!["async".to_string(), "simple".to_string()];
        run.plan.peers = vec![4];
        run.plan.sizes = vec![4096];
        run.plan.workloads = vec![crate::record::Workload::PingPong];
        let warnings = all(&run, &Group::all(&run));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].text.starts_with("3 of 6 planned samples"), "{}", warnings[0].text);
    }

    #[test]
    fn a_warning_of_the_record_is_not_repeated() {
        let mut run = quiet();
        run.environment.steal = 0.05;
        run.warnings = vec![Warning { kind: "steal".to_string(), text: "Measured.".to_string() }];
        assert_eq!(kinds(&run), ["steal"]);
    }

    #[test]
    fn overload_and_a_late_generator_are_told() {
        let warnings = |offered: f64, late: u64| {
            let run = Builder::default().each(&["async", "tcp"], &[4], 3, |sample| {
                Builder::constant_latency(sample, 20_000, 200_000);
                if sample.messenger == "async" {
                    Builder::under_load(sample, offered, late);
                }
            });
            let run = run.build();
            let all = all(&run, &Group::all(&run));
            all.into_iter()
                .filter(|it| ["overloaded", "late-generator"].contains(&it.kind.as_str()))
                .collect::<Vec<_>>()
        };
        assert!(warnings(10_050.0, 1_900).is_empty());
        let told = warnings(10_200.0, 2_100);
        assert!(told[0].text.starts_with("Fewer requests were answered than offered: async at 4 peers."), "{told:?}");
        assert!(
            told[1].text.starts_with("In 3 of 6 samples the generator was late by more than 10.0 % of"),
            "{told:?}"
        );
    }

    #[test]
    fn few_rounds_empty_samples_and_damaged_histograms_are_told() {
        let mut run = Builder::default()
            .each(&["async"], &[4], 1, |sample| {
                Builder::constant_latency(sample, 20_000, 10);
                sample.messages = 0;
            })
            .build();
        if let Some(latency) = &mut run.samples[0].latency {
            latency.hdr = "not base64".to_string();
        }
        assert_eq!(kinds(&run), ["few-rounds", "no-floor", "empty-samples", "histogram-unreadable"]);
    }
}
