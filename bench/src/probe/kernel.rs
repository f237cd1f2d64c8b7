//! The kernel's figures about this process, read so that 2,000 threads do not make it dear.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, anyhow};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// CPU time and context switches of all threads, ended ones included: one system call, however many there are. The sum of
/// user and system time is exact; how it divides is sampled by the timer tick on most kernels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// User time, microseconds.
    pub(super) user_us: u64,
    /// System time, microseconds.
    pub(super) system_us: u64,
    /// Voluntary context switches.
    pub(super) voluntary: u64,
    /// Involuntary context switches.
    pub(super) involuntary: u64,
}

impl Usage {
    /// Usage so far.
    pub(super) fn now() -> anyhow::Result<Usage> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
        Ok(Usage {
            user_us: u64::try_from(usage.user_time().num_microseconds())?,
            system_us: u64::try_from(usage.system_time().num_microseconds())?,
            voluntary: u64::try_from(usage.voluntary_context_switches())?,
            involuntary: u64::try_from(usage.involuntary_context_switches())?,
        })
    }
}

/// Resident set in bytes.
///
/// From `smaps_rollup` where the kernel has it: the figure in `statm` lags behind by up to 64 pages per CPU, which is
/// more than a peer costs.
pub(super) fn rss() -> anyhow::Result<u64> {
    if let Ok(text) = fs::read_to_string("/proc/self/smaps_rollup") {
        return parse_rollup(&text).context("cannot read /proc/self/smaps_rollup");
    }
    let text = fs::read_to_string("/proc/self/statm").context("cannot read /proc/self/statm")?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let page = rustix::param::page_size() as u64;
    Ok(pages.ok_or_else(|| anyhow!("cannot read /proc/self/statm"))? * page)
}

/// The resident set in a `smaps_rollup`, in bytes.
fn parse_rollup(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Threads by name, numbers replaced by `N`. A thread that ends meanwhile is left out.
pub(super) fn threads_by_name() -> anyhow::Result<BTreeMap<String, u64>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").context("cannot list /proc/self/task")? {
        let task = task.context("cannot list /proc/self/task")?;
        if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
            *threads.entry(without_numbers(name.trim_end())).or_default() += 1;
        }
    }
    Ok(threads)
}

/// `msgr-worker-12` as `msgr-worker-N`.
fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_one_pool_have_one_name() {
        assert_eq!(without_numbers("msgr-worker-0"), "msgr-worker-N");
        assert_eq!(without_numbers("msgr-worker-12"), "msgr-worker-N");
        assert_eq!(without_numbers("ms_pipe_read"), "ms_pipe_read");
    }

    #[test]
    fn the_resident_set_is_read_in_bytes() {
        assert_eq!(parse_rollup("1-2 [rollup]\nRss:      1552 kB\nPss: 1 kB\n"), Some(1552 * 1024));
        assert_eq!(parse_rollup("nothing"), None);
        assert!(rss().unwrap() > 1 << 19);
    }

    #[test]
    fn every_thread_is_counted_under_its_name() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel();
        let named = std::thread::Builder::new().name("probe-7".into());
        let wait = move || begin.send(()).map(|()| ended.recv());
        let thread = named.spawn(wait).unwrap();
        // A new thread takes its name before it runs anything else.
        begun.recv().unwrap();
        let threads = threads_by_name().unwrap();
        drop(end);
        assert!(thread.join().unwrap().unwrap().is_err());
        assert_eq!(threads.get("probe-N"), Some(&1));
    }

    #[test]
    fn cpu_time_and_switches_only_grow() {
        let before = Usage::now().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1));
        let after = Usage::now().unwrap();
        assert!(after.voluntary > before.voluntary);
        assert!(after.user_us >= before.user_us && after.system_us >= before.system_us);
    }
}
