//! Limits of the host: which there are, and how many peers each leaves room for.

use msgr_reports::record::Limit;
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::read::Root;
use crate::kinds::Need;

/// Memory mappings of a thread: its stack and the guard page below it.
const MAPS_PER_THREAD: u64 = 2;

/// Memory mappings of a process at no peer (libraries, heaps), rounded up.
const MAPS_BASE: u64 = 1024;

/// Memory a thread really takes: kernel stack, the touched part of its own stack, its allocator's cache. An estimate.
const MEMORY_PER_THREAD: u64 = 64 << 10;

/// Memory a connected peer takes on both sides together: sockets, kernel buffers, session. An estimate.
const MEMORY_PER_PEER: u64 = 64 << 10;

/// What a limit is a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caps {
    /// Threads of both sides together; some are in use already.
    Threads { in_use: u64 },
    /// Open files of one process.
    Files,
    /// Memory mappings of one process.
    Maps,
    /// Local ports of the load side, which dials one server.
    Ports,
    /// Memory of both sides together.
    Memory,
    /// Nothing that a peer needs.
    Nothing,
}

/// The limits of this host.
#[derive(Clone, Debug)]
pub(crate) struct Limits(Vec<(Limit, Caps)>);

impl Limits {
    /// Reads the limits. One that the host does not have is left out.
    pub(crate) fn read() -> Limits {
        let nproc = getrlimit(Resource::Nproc).current;
        // The kernel does not hold root to it.
        let nproc = nproc.filter(|_| !geteuid().is_root());
        Limits::read_at(&Root::new("/"), getrlimit(Resource::Nofile), nproc)
    }

    fn read_at(root: &Root, nofile: Rlimit, nproc: Option<u64>) -> Limits {
        let mut limits = Limits(Vec::new());
        // "0.10 0.20 0.30 2/345 6789": 345 threads exist.
        let in_use =
            root.text("proc/loadavg").and_then(|text| text.split([' ', '/']).nth(4)?.parse().ok()).unwrap_or(0);
        let threads = Caps::Threads { in_use };
        limits.file(root, "pid_max", "kernel", threads);
        limits.file(root, "threads-max", "kernel", threads);
        if let Some((max, in_use, path)) = cgroup_pids(root) {
            let source = format!("/{path}; raise it in the container's or service's settings (TasksMax=)");
            limits.add("cgroup pids.max", max, source, Caps::Threads { in_use });
        }
        if let Some(nproc) = nproc {
            limits.add("nproc", nproc, "`ulimit -u` of this user; raise it in /etc/security/limits.conf", threads);
        }
        if let Some(soft) = nofile.current {
            limits.add("nofile soft", soft, "`ulimit -Sn`; msgr-bench raises it to the hard limit", Caps::Nothing);
        }
        if let Some(hard) = nofile.maximum {
            limits.add("nofile hard", hard, "`ulimit -Hn`; raise it in /etc/security/limits.conf", Caps::Files);
        }
        if let Some((low, high)) = port_range(root) {
            let source = "/proc/sys/net/ipv4/ip_local_port_range; widen it with `sysctl -w net.ipv4.ip_local_port_range='1024 65535'`";
            limits.add("ip_local_port_range", high.saturating_sub(low) + 1, source, Caps::Ports);
        }
        limits.file(root, "max_map_count", "vm", Caps::Maps);
        limits.file(root, "somaxconn", "net.core", Caps::Nothing);
        if let Some(memory) = root.memory("MemAvailable") {
            let source = "MemAvailable in /proc/meminfo; the peers it leaves room for are an estimate";
            limits.add("available memory", memory, source, Caps::Memory);
        }
        limits
    }

    fn file(&mut self, root: &Root, name: &str, area: &str, caps: Caps) {
        let path = format!("proc/sys/{}/{name}", area.replace('.', "/"));
        if let Some(value) = root.number(&path) {
            self.add(name, value, format!("/{path}; raise it with `sysctl -w {area}.{name}=...`"), caps);
        }
    }

    fn add(&mut self, name: &str, value: u64, source: impl Into<String>, caps: Caps) {
        let limit = Limit { name: name.into(), value, source: source.into() };
        self.0.push((limit, caps));
    }

    /// As they stand in a record.
    pub(crate) fn to_record(&self) -> Vec<Limit> {
        self.0.iter().map(|(limit, _)| limit.clone()).collect()
    }

    /// Each limit, and how many peers it leaves room for for a side under test and a load side that
    /// need this; `None` where it does not matter.
    pub(crate) fn room(&self, serve: Need, load: Need) -> impl Iterator<Item = (&Limit, Option<u64>)> {
        self.0.iter().map(move |(limit, caps)| (limit, caps.room(limit.value, serve, load)))
    }

    /// The limit that leaves room for the fewest peers, and for how many.
    pub(crate) fn tightest(&self, serve: Need, load: Need) -> Option<(&Limit, u64)> {
        let rooms = self.room(serve, load).filter_map(|(limit, room)| Some((limit, room?)));
        rooms.min_by_key(|(_, room)| *room)
    }
}

impl Caps {
    fn room(self, value: u64, serve: Need, load: Need) -> Option<u64> {
        let per_peer = |left: u64, each: u64| left.checked_div(each);
        let threads_each = serve.threads_per_peer + load.threads_per_peer;
        match self {
            Caps::Threads { in_use } => {
                per_peer(value.saturating_sub(in_use + serve.threads + load.threads), threads_each)
            }
            Caps::Files => {
                let room = |need: Need| per_peer(value.saturating_sub(need.files), need.files_per_peer);
                room(serve).into_iter().chain(room(load)).min()
            }
            Caps::Maps => {
                let each = serve.threads_per_peer.max(load.threads_per_peer) * MAPS_PER_THREAD;
                per_peer(value.saturating_sub(MAPS_BASE), each)
            }
            Caps::Ports => Some(value),
            Caps::Memory => {
                let registered = serve.memory_per_peer + load.memory_per_peer;
                Some(value / (MEMORY_PER_PEER + registered + threads_each * MEMORY_PER_THREAD))
            }
            Caps::Nothing => None,
        }
    }
}

/// The cgroup limit on threads with the least room, from this process's group up to the root: the limit, what is in
/// use, and its file.
fn cgroup_pids(root: &Root) -> Option<(u64, u64, String)> {
    let groups = root.text("proc/self/cgroup")?;
    // "0::/a/b" is version 2, "8:pids:/a/b" is version 1.
    let bases = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        match controllers {
            "" => Some(("sys/fs/cgroup", path)),
            _ if controllers.split(',').any(|name| name == "pids") => Some(("sys/fs/cgroup/pids", path)),
            _ => None,
        }
    });
    let files = bases.flat_map(|(base, path)| {
        let parents = std::path::Path::new(path).ancestors();
        parents.map(move |group| format!("{base}{}", group.display()).trim_end_matches('/').to_owned())
    });
    let limits = files.filter_map(|group| {
        let max = root.number(&format!("{group}/pids.max"))?;
        let in_use = root.number(&format!("{group}/pids.current")).unwrap_or(0);
        Some((max, in_use, format!("{group}/pids.max")))
    });
    limits.min_by_key(|(max, in_use, _)| max.saturating_sub(*in_use))
}

fn port_range(root: &Root) -> Option<(u64, u64)> {
    let text = root.text("proc/sys/net/ipv4/ip_local_port_range")?;
    let mut bounds = text.split_whitespace().map(str::parse);
    Some((bounds.next()?.ok()?, bounds.next()?.ok()?))
}

/// Raises the soft limit on open files to the hard one, for this process and its children.
///
/// A failure is no error here: [`Limits`] says what the limit allows.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Limits) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let nofile = Rlimit { current: Some(1024), maximum: Some(20_000) };
        let limits = Limits::read_at(&Root::new(dir.path()), nofile, None);
        (dir, limits)
    }

    fn tightest<'a>(limits: &'a Limits, serve: &str, load: &str) -> (&'a str, u64) {
        let (serve, load) = (Kind::parse(serve).unwrap(), Kind::parse(load).unwrap());
        let (limit, room) = limits.tightest(serve.serve_need(), load.load_need()).unwrap();
        (&limit.name, room)
    }

    #[test]
    fn threads_cap_the_messenger_that_has_threads_for_each_peer() {
        let (_dir, limits) = host(&[("proc/sys/kernel/pid_max", "1132\n"), ("proc/loadavg", "0.1 0.2 0.3 1/100 77\n")]);
        assert_eq!(tightest(&limits, "simple", "async"), ("pid_max", (1132 - 100 - 32) / 2));
        assert_eq!(tightest(&limits, "async", "async"), ("nofile hard", 20_000 - 64));
    }

    #[test]
    fn the_tightest_cgroup_up_to_the_root_counts() {
        let (_dir, limits) = host(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/pids.max", "max\n"),
            ("sys/fs/cgroup/a/pids.max", "150\n"),
            ("sys/fs/cgroup/a/pids.current", "50\n"),
        ]);
        assert_eq!(tightest(&limits, "simple", "async"), ("cgroup pids.max", (150 - 50 - 32) / 2));
        assert!(limits.to_record()[0].source.starts_with("/sys/fs/cgroup/a/pids.max"));
    }

    #[test]
    fn a_limit_below_what_no_peer_needs_leaves_no_room() {
        let (_dir, limits) = host(&[("proc/sys/kernel/threads-max", "10\n")]);
        assert_eq!(tightest(&limits, "simple", "simple"), ("threads-max", 0));
    }

    #[test]
    fn this_host_has_limits() {
        assert!(Limits::read().to_record().iter().any(|limit| limit.name == "pid_max"));
    }
}
