//! System calls of other processes, counted from outside: the messengers' own counters know only of the calls that somebody
//! thought of counting.
//!
//! As `strace` does it, with ptrace: each thread stops when it enters a system call and when it leaves it. Futexes are counted
//! apart: how often a lock is waited for depends on who is in whose way, and all else on what is to be done.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::libc::SYS_futex;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::exit::Refusal;

/// How long the counting thread sleeps when no thread has stopped: short, since the stopped one waits for it.
const LOOK_EVERY: Duration = Duration::from_micros(10);

/// The stops of one system call.
const STOPS: u64 = 2;

/// What a process has called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Made {
    /// Futexes, to wait or to wake.
    pub(super) futex: u64,
    /// Everything else.
    pub(super) other: u64,
}

impl Made {
    /// What was called since `before`.
    pub(super) fn since(self, before: Made) -> Made {
        Made { futex: self.futex - before.futex, other: self.other - before.other }
    }
}

/// Stops of one process.
#[derive(Debug, Default)]
struct Stops {
    futex: AtomicU64,
    other: AtomicU64,
}

/// Counts the system calls of two processes until dropped.
pub(super) struct Calls {
    stops: Arc<[Stops; 2]>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Calls {
    /// Begins to count those of the threads that these processes, which are children of this one, have now.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when the host does not let a process trace its children; another error when one of them has ended.
    pub(super) fn of(processes: [u32; 2]) -> anyhow::Result<Calls> {
        let stops = Arc::<[Stops; 2]>::default();
        let over = Arc::<AtomicBool>::default();
        let (begun, has_begun) = std::sync::mpsc::sync_channel(1);
        let (its_stops, its_over) = (stops.clone(), over.clone());
        // A thread of its own, for only the thread that has seized a process hears of its stops.
        let body = move || {
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
            let mut threads = BTreeMap::new();
            let outcome = seize(processes, &mut threads);
            if outcome.is_err() {
                its_over.store(true, SeqCst);
            }
            // The other end waits for this and nothing else.
            let _ = begun.send(outcome);
            follow(threads, &its_stops, &its_over);
        };
        let thread =
            std::thread::Builder::new().name("bench-calls".into()).spawn(body).context("cannot start a thread")?;
        let calls = Calls { stops, over, thread: Some(thread) };
        has_begun.recv().map_err(|_| anyhow!("the thread that counts system calls panicked"))??;
        Ok(calls)
    }

    /// What each process has called since, the call that a thread is in now not counted.
    pub(super) fn now(&self) -> [Made; 2] {
        let calls = |stops: &AtomicU64| stops.load(SeqCst) / STOPS;
        [0, 1].map(|process: usize| {
            let Stops { futex, other } = &self.stops[process];
            Made { futex: calls(futex), other: calls(other) }
        })
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        // It panics only if this program is wrong, which it has said then.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Seizes every thread of the processes, and notes of each whose it is.
fn seize(processes: [u32; 2], threads: &mut BTreeMap<Pid, usize>) -> anyhow::Result<()> {
    for (process, pid) in processes.into_iter().enumerate() {
        let tasks =
            std::fs::read_dir(format!("/proc/{pid}/task")).context("a side ended before its calls were counted")?;
        for task in tasks {
            let name = task?.file_name();
            let thread = Pid::from_raw(name.to_string_lossy().parse()?);
            ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD).map_err(refusal)?;
            threads.insert(thread, process);
            // It has to stop once to be told that it is to stop at system calls.
            ptrace::interrupt(thread)?;
        }
    }
    Ok(())
}

fn refusal(error: Errno) -> anyhow::Error {
    match error {
        Errno::EPERM | Errno::ENOSYS => Refusal(format!(
            "this host does not let a process trace its children ({error}), without which system calls cannot be counted: in \
             a container allow it with --cap-add SYS_PTRACE, otherwise set /proc/sys/kernel/yama/ptrace_scope to 1 or 0"
        ))
        .into(),
        error => anyhow!(error).context("cannot trace a side"),
    }
}

/// Lets each stopped thread go on and counts, until it is `over`; then lets them go for good.
fn follow(mut threads: BTreeMap<Pid, usize>, stops: &[Stops; 2], over: &AtomicBool) {
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    let mut leaving = false;
    while !threads.is_empty() {
        if over.load(SeqCst) && !leaving {
            leaving = true;
            // Only a stopped thread can be let go. One that has ended meanwhile says so below.
            for thread in threads.keys() {
                let _ = ptrace::interrupt(*thread);
            }
        }
        let (thread, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if let Some(process) = threads.get(&thread) {
                    let Stops { futex, other } = &stops[*process];
                    if is_in_futex(thread) { futex } else { other }.fetch_add(1, SeqCst);
                }
                (thread, None)
            }
            Ok(WaitStatus::PtraceEvent(thread, ..)) => (thread, None),
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..)) => {
                threads.remove(&thread);
                continue;
            }
            Ok(_) | Err(Errno::EINTR) => {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            // None is left.
            Err(_) => return,
        };
        // Both fail only when the thread was killed while it was stopped, of which it says so itself.
        if leaving {
            threads.remove(&thread);
            let _ = ptrace::detach(thread, signal);
        } else {
            let _ = ptrace::syscall(thread, signal);
        }
    }
}

/// Whether the call that a thread has stopped in is of a futex.
fn is_in_futex(thread: Pid) -> bool {
    // "202 0x7f.. ..": its number comes first.
    let call = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
    call.split(' ').next().and_then(|number| number.parse().ok()) == Some(SYS_futex)
}
