//! The machine as it stands in a record, watched from before a run until after it.

use msgr_reports::record::Environment;

use super::limits::Limits;
use super::read::Root;
use crate::zmq;

/// Where the kernel says which weaknesses the CPU has, and what it does about them.
const VULNERABILITIES: &str = "sys/devices/system/cpu/vulnerabilities";

/// CPU time of the whole machine so far, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    all: u64,
    stolen: u64,
}

/// Watches the machine over a run.
#[derive(Debug)]
pub(crate) struct Watch {
    root: Root,
    ticks: Option<Ticks>,
    environment: Environment,
}

impl Watch {
    /// Notes the machine before the run.
    ///
    /// # Errors
    ///
    /// When the allowed CPUs cannot be read.
    pub(crate) fn start(limits: &Limits) -> anyhow::Result<Watch> {
        let root = Root::new("/");
        let cpuinfo = root.text("proc/cpuinfo").unwrap_or_default();
        let environment = Environment {
            cpu_model: cpuinfo_field(&cpuinfo, "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cpus: super::cpus::allowed_count()?,
            memory: root.memory("MemTotal").unwrap_or(0),
            kernel: kernel(&root),
            virtualised: cpuinfo_field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            governor: root.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load_before: load_average(&root),
            load_after: 0.0,
            steal: 0.0,
            rustc: env!("MSGR_RUSTC").into(),
            git: Some(env!("MSGR_GIT").to_owned()).filter(|commit| !commit.is_empty()),
            release: !matches!(env!("MSGR_OPT"), "" | "0"),
            mitigations: mitigations(&root),
            rustflags: Some(env!("MSGR_RUSTFLAGS").to_owned()).filter(|flags| !flags.is_empty()),
            libzmq: zmq::find().ok().map(|(major, minor, patch)| format!("{major}.{minor}.{patch}")),
            limits: limits.to_record(),
        };
        Ok(Watch { ticks: ticks(&root), root, environment })
    }

    /// The environment of a record written now.
    pub(crate) fn now(&self) -> Environment {
        let mut environment = self.environment.clone();
        environment.load_after = load_average(&self.root);
        if let (Some(before), Some(after)) = (self.ticks, ticks(&self.root)) {
            environment.steal = stolen_share(before, after);
        }
        environment
    }
}

fn cpuinfo_field(cpuinfo: &str, field: &str) -> Option<String> {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.trim(), value.trim()))
        .find_map(|(name, value)| (name == field).then(|| value.to_owned()))
}

/// The weaknesses of the CPU that the kernel works around.
fn mitigations(root: &Root) -> Vec<String> {
    let all = root.names(VULNERABILITIES).into_iter();
    let mitigated = |name: &String| {
        root.text(&format!("{VULNERABILITIES}/{name}")).is_some_and(|text| text.starts_with("Mitigation"))
    };
    all.filter(mitigated).collect()
}

fn kernel(root: &Root) -> String {
    let part = |name| root.text(&format!("proc/sys/kernel/{name}")).unwrap_or_default();
    format!("{} {}", part("ostype"), part("osrelease")).trim().to_owned()
}

fn load_average(root: &Root) -> f64 {
    let text = root.text("proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq and steal; guest time, which follows,
/// is part of user time.
fn ticks(root: &Root) -> Option<Ticks> {
    let text = root.text("proc/stat")?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).take(8).collect();
    Some(Ticks { all: fields.iter().sum(), stolen: *fields.get(7)? })
}

fn stolen_share(before: Ticks, after: Ticks) -> f64 {
    let all = after.all.saturating_sub(before.all);
    if all == 0 { 0.0 } else { after.stolen.saturating_sub(before.stolen) as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_a_share_of_the_time_between() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("proc")).unwrap();
        std::fs::write(dir.path().join("proc/stat"), "cpu  10 0 20 60 5 1 2 2 7 0\ncpu0 1 2\n").unwrap();
        let before = ticks(&Root::new(dir.path())).unwrap();
        assert_eq!(before, Ticks { all: 100, stolen: 2 });
        assert_eq!(stolen_share(before, Ticks { all: 200, stolen: 27 }), 0.25);
        assert_eq!(stolen_share(before, before), 0.0);
    }

    #[test]
    fn a_kernel_that_counts_no_steal_is_not_read_as_one_that_loses_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("proc")).unwrap();
        for text in ["cpu  10 0 20 60 5 1 2\n", "cpu\n", "intr 1 2 3\n", ""] {
            std::fs::write(dir.path().join("proc/stat"), text).unwrap();
            assert_eq!(ticks(&Root::new(dir.path())), None, "{text}");
        }
    }

    #[test]
    fn the_machine_has_a_kernel_and_cpus() {
        let environment = Watch::start(&Limits::read()).unwrap().now();
        assert!(environment.kernel.starts_with("Linux"), "{}", environment.kernel);
        assert!(environment.mitigations.is_sorted());
        assert!(environment.cpus >= 1 && environment.memory > 0 && environment.rustc.starts_with("rustc"));
    }
}
