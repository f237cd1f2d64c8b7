//! Runs cases, each in a process of its own: one that hangs, or uses up what a process may have, harms no other.

use std::env;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use msgr_conformance::{Kind, PATIENCE, SEED_VARIABLE};

/// How long a plain case may take: several things it waits for may each come at the last moment.
const PLAIN_LIMIT: Duration = PATIENCE.saturating_mul(6);
/// How long a synthetic case may take: its workload, and five minutes for what is left of it.
const SYNTHETIC_LIMIT: Duration = Duration::from_secs(900);
/// How often a process is looked after.
const LOOK: Duration = Duration::from_millis(2);

/// One run of one case against one subject.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) grid: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
    /// Case and subject, as `--run` takes them.
    pub(crate) arguments: [&'static str; 2],
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) task: Task,
    pub(crate) passed: bool,
    pub(crate) output: String,
    pub(crate) took: Duration,
}

/// Runs all tasks, so many at once, and calls `done` after each.
pub(crate) fn run_all(tasks: Vec<Task>, jobs: usize, done: impl Fn(Outcome) + Sync) {
    let tasks = Mutex::new(tasks.into_iter());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = tasks.lock().expect("no task panics").next();
                    let Some(task) = next else { return };
                    done(run(task));
                }
            });
        }
    });
}

fn run(task: Task) -> Outcome {
    let begun = Instant::now();
    let (passed, output) = match start(&task) {
        Ok(child) => attend(child, &task, begun),
        Err(error) => (false, format!("cannot start a process: {error}")),
    };
    Outcome { task, passed, output, took: begun.elapsed() }
}

fn start(task: &Task) -> std::io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--run").args(task.arguments).env(SEED_VARIABLE, task.seed.to_string());
    // Backtraces would push what is wrong out of sight.
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Collects what the process says until it ends, and ends it if it takes too long.
fn attend(mut child: Child, task: &Task, begun: Instant) -> (bool, String) {
    let limit = if task.kind == Kind::Synthetic { SYNTHETIC_LIMIT } else { PLAIN_LIMIT };
    let outputs = (child.stdout.take(), child.stderr.take());
    let readers = [outputs.0.map(read_all), outputs.1.map(read_all)];
    let passed = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status.success()),
            Ok(None) if begun.elapsed() > limit => {
                let ended = child.kill().and_then(|()| child.wait());
                break Err(format!("ended after {limit:?} ({ended:?})"));
            }
            Ok(None) => thread::sleep(LOOK),
            Err(error) => break Err(format!("cannot wait for the process: {error}")),
        }
    };
    let output: String =
        readers.into_iter().flatten().map(|reader| reader.join().unwrap_or_default()).collect::<Vec<_>>().concat();
    match passed {
        Ok(passed) => (passed, output),
        Err(why) => (false, format!("{output}\n{why}")),
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
