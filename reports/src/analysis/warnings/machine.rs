//! The machine, and how the program was built.

use super::warning;
use crate::format;
use crate::record::{Run, Warning};

/// Load average per CPU before a run from which on other work is likely to have moved the figures.
const LOAD_PER_CPU_MAX: f64 = 0.25;

/// Stolen CPU time from which on the hypervisor is part of the result.
const STEAL_MAX: f64 = 0.02;

/// CPUs that the two processes can keep busy at once at the least: a thread that moves bytes and one that uses them,
/// on each side.
const CPUS_WANTED: u32 = 4;

pub(super) fn debug_build(run: &Run) -> Option<Warning> {
    if run.environment.release {
        return None;
    }
    let text = "The binary was built without optimisations, so no figure means anything. Build with --release and \
                repeat the run.";
    warning("debug-build", text.to_string())
}

pub(super) fn load_average(run: &Run) -> Option<Warning> {
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

pub(super) fn steal(run: &Run) -> Option<Warning> {
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

pub(super) fn oversubscribed(run: &Run) -> Option<Warning> {
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

pub(super) fn governor(run: &Run) -> Option<Warning> {
    let governor = run.environment.governor.as_deref().filter(|name| *name != "performance")?;
    let text = format!(
        "The CPU frequency governor is “{governor}”, so clocks moved with the load. Set it to performance (cpupower \
         frequency-set -g performance) and repeat."
    );
    warning("governor", text)
}
