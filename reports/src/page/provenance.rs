//! Where the figures come from: the machine, the plan, the order of the samples, and the command that repeats it all.

use crate::analysis::harness;
use crate::analysis::kind::Kind;
use crate::format::{self, Quantity};
use crate::record::{Environment, Plan, Run, Sample, Workload};

/// Bytes of a reply in records that do not say.
const REPLY_USUAL: u64 = 64;

/// A name and what it is.
pub(super) struct Fact {
    /// Name.
    pub(super) name: &'static str,
    /// Value, as text.
    pub(super) value: String,
}

/// A sample as a line of the list of samples.
pub(super) struct Taken {
    /// Messenger.
    pub(super) messenger: String,
    /// CSS class of the messenger.
    pub(super) class: &'static str,
    /// The other cells, in the order of [`TAKEN_COLUMNS`].
    pub(super) cells: Vec<String>,
}

/// Headings of the list of samples, after the number and the messenger.
pub(super) const TAKEN_COLUMNS: [&str; 9] =
    ["round", "workload", "size", "peers", "in flight", "load side", "messages", "msg/s", "median"];

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact { name, value: value.into() }
}

fn known(text: &str) -> String {
    if text.is_empty() { "unknown".to_string() } else { text.to_string() }
}

/// The machine and the state it was in.
pub(super) fn environment(run: &Run) -> Vec<Fact> {
    let host = &run.environment;
    let steal = if host.virtualised {
        format!("yes; {} of CPU time stolen during the run", format::percent(host.steal))
    } else {
        "no".to_string()
    };
    vec![
        fact("CPU", known(&host.cpu_model)),
        fact("CPUs usable", format::count(u64::from(host.cpus))),
        fact("Memory", Quantity::Bytes.show(host.memory as f64)),
        fact("Kernel", known(&host.kernel)),
        fact("Virtual machine", steal),
        fact("Frequency governor", host.governor.clone().unwrap_or_else(|| "none".to_string())),
        fact(
            "Mitigations",
            if host.mitigations.is_empty() { "none known".to_string() } else { host.mitigations.join(", ") },
        ),
        fact("Load average", format!("{:.2} before, {:.2} after (one minute)", host.load_before, host.load_after)),
        fact("Compiler", known(&host.rustc)),
        fact("Build", build(host)),
        fact("Commit", host.git.clone().unwrap_or_else(|| "unknown".to_string())),
        fact("msgr-bench", run.tool_version.clone()),
        fact("libzmq", host.libzmq.clone().unwrap_or_else(|| "none".to_string())),
        fact("The harness itself", harness(run)),
    ]
}

fn build(host: &Environment) -> String {
    let profile = if host.release { "release" } else { "debug" };
    host.rustflags.as_ref().map_or(profile.to_string(), |flags| format!("{profile}, {flags}"))
}

/// What counting and timing costs, at the point where it weighs most.
fn harness(run: &Run) -> String {
    let Some((share, sample)) = harness::heaviest(run) else { return "not measured".to_string() };
    let kind = Kind::new(&sample.messenger);
    format!(
        "{} a message for counting and timing, at most {} of the time of one ({}, {} of {}, {})",
        Quantity::Nanoseconds.show(sample.harness_ns.unwrap_or_default()),
        format::percent(share),
        kind.label(),
        name(sample.workload),
        format::size(sample.size),
        format::peers(sample.peers)
    )
}

/// What was asked for.
pub(super) fn plan(plan: &Plan) -> Vec<Fact> {
    let peers: Vec<String> = plan.peers.iter().map(|peers| format::count(u64::from(*peers))).collect();
    let sizes: Vec<String> = plan.sizes.iter().map(|size| format::size(*size)).collect();
    let workloads: Vec<&str> = plan.workloads.iter().map(|workload| name(*workload)).collect();
    vec![
        fact("Scenario", plan.scenario.clone().unwrap_or_else(|| "none".to_string())),
        fact("Messengers", format::list(&plan.messengers)),
        fact("Peers", format::list(&peers)),
        fact("Payload sizes", format::list(&sizes)),
        fact("Replies", format::size(plan.reply.unwrap_or(REPLY_USUAL))),
        fact("Workloads", format::list(&workloads)),
        fact("Depth at one peer, or stream window", format::count(u64::from(plan.depth))),
        fact("In flight at more peers", format::count(u64::from(plan.active))),
        fact("Load side at more peers", plan.load_messenger.clone()),
        fact("Pinning", plan.pin.clone()),
        fact("Measured time of a sample", milliseconds(plan.duration_ms)),
        fact("Warm-up before it", milliseconds(plan.warmup_ms)),
        fact("Rounds", format::count(u64::from(plan.rounds))),
        fact("Seed of the order", plan.seed.to_string()),
    ]
}

fn milliseconds(ms: u64) -> String {
    Quantity::Nanoseconds.show(ms as f64 * 1e6)
}

fn name(workload: Workload) -> &'static str {
    match workload {
        Workload::PingPong => "ping-pong",
        Workload::UnderLoad => "under load",
        Workload::Stream => "stream",
    }
}

/// The samples in the order in which they were taken.
pub(super) fn taken(run: &Run) -> Vec<Taken> {
    run.samples.iter().map(line).collect()
}

fn line(sample: &Sample) -> Taken {
    let kind = Kind::new(&sample.messenger);
    let rate = sample.messages as f64 * 1e9 / sample.elapsed_ns as f64;
    let median = sample.latency.as_ref().map(|latency| Quantity::Nanoseconds.show(latency.p50_ns as f64));
    Taken {
        messenger: kind.label().to_string(),
        class: kind.slot.class(),
        cells: vec![
            // Rounds are counted from 1 for people.
            format::count(u64::from(sample.round) + 1),
            name(sample.workload).to_string(),
            format::size(sample.size),
            format::count(u64::from(sample.peers)),
            format::count(u64::from(sample.in_flight)),
            sample.load_messenger.clone(),
            format::count(sample.messages),
            format::number(rate),
            median.unwrap_or_else(|| "–".to_string()),
        ],
    }
}

/// The commands that repeat the run, one a line.
pub(super) fn reproduce(run: &Run) -> String {
    let command = format::shell(&run.command);
    match run.environment.git.as_deref() {
        None => command,
        Some(git) => match git.strip_suffix("-dirty") {
            // The change itself is not in the record.
            Some(clean) => {
                format!("git checkout {}  # and the changes it was built with\n{command}", format::shell(&[clean]))
            }
            None => format!("git checkout {}\n{command}", format::shell(&[git])),
        },
    }
}

/// `2026-11-22 15:42 UTC` from RFC 3339; other text as it is.
pub(super) fn when(started: &str) -> String {
    let parts = started.get(..10).zip(started.get(11..16));
    match parts {
        Some((date, time)) if started.ends_with('Z') => format!("{date} {time} UTC"),
        _ => started.to_string(),
    }
}

/// `5 min 12 s`.
pub(super) fn duration(seconds: f64) -> String {
    // A negative or absurd time saturates; the record's reader sees what the record says.
    let whole = seconds.round() as u64;
    match (whole / 60, whole % 60) {
        (0, s) => format!("{s} s"),
        (min, s) => format!("{} min {s} s", format::count(min)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(when("2026-11-22T15:42:10Z"), "2026-11-22 15:42 UTC");
        assert_eq!(when("é"), "é");
        assert_eq!(duration(312.4), "5 min 12 s");
        assert_eq!(duration(-1.0), "0 s");
    }
}
