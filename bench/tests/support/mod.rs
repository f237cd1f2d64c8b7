//! Starting the program and looking at what it leaves behind.
#![allow(dead_code)] // Each suite uses its own part.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use msgr_reports::record::{Run, Sample};
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The program with `args`, separated by spaces.
pub(crate) fn bench(args: &str) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("msgr-bench").unwrap();
    command.args(args.split_whitespace()).timeout(LONG);
    command
}

/// Runs the program; it must end with `code` and say each of `words` on standard error.
pub(crate) fn fails(args: &str, code: i32, words: &[&str]) {
    let output = bench(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args}\n{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args}\nsays nothing of {word:?}:\n{stderr}");
    }
}

/// Runs the program; it must succeed. Gives its standard output.
pub(crate) fn succeeds(args: &str) -> String {
    let output = bench(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args}\n{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The record in `dir`.
pub(crate) fn record(dir: &Path) -> Run {
    Run::load(&dir.join("run.json")).unwrap()
}

/// What a sample measured, without its figures.
pub(crate) fn point(sample: &Sample) -> String {
    format!("{} {} {:?} {}", sample.round, sample.messenger, sample.workload, sample.peers)
}

/// A port that is taken for as long as the listener lives.
pub(crate) fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A port that nobody listens on.
pub(crate) fn free() -> String {
    taken().1
}

/// The program in the background, killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Running {
    /// Starts it and reads the given pipe: its standard output (`stdout`), or its standard error.
    pub(crate) fn start(args: &str, stdout: bool, environment: (&str, &str)) -> Running {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("msgr-bench"));
        command.args(args.split_whitespace()).env(environment.0, environment.1).stdin(Stdio::null());
        let (out, err) = if stdout { (Stdio::piped(), Stdio::null()) } else { (Stdio::null(), Stdio::piped()) };
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        let lines: Box<dyn Iterator<Item = String>> = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => Box::new(BufReader::new(stdout).lines().map_while(Result::ok)),
            (None, stderr) => Box::new(BufReader::new(stderr.unwrap()).lines().map_while(Result::ok)),
        };
        Running { child, lines }
    }

    /// Its next line; panics when it ends instead.
    pub(crate) fn line(&mut self) -> String {
        self.lines.next().expect("a line")
    }

    /// The rest of its lines, until it ends.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        self.lines.by_ref().collect()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, and gives its exit code, or `None` when a signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_for("the program to end", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `done`; panics when that takes too long.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many processes there are with `variable=value` in their environment.
pub(crate) fn processes_with(variable: &str, value: &str) -> usize {
    let wanted = format!("{variable}={value}");
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let environments = processes.filter_map(|process| std::fs::read(process.path().join("environ")).ok());
    environments.filter(|text| text.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())).count()
}
