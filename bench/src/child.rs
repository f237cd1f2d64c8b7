//! A child process: never outlives this one, and is never waited for without an end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::interrupt::{self, CHECK_EVERY};
use crate::output::ERROR_PREFIX;

/// How much of a child's standard error is kept: enough for its error, whatever came before it.
const STDERR_KEPT: usize = 16 << 10;

/// Lines of a child's standard output that may wait to be read; it prints one that matters.
const LINES_AHEAD: usize = 64;

/// How often a child that is to end is looked at.
const REAP_EVERY: Duration = Duration::from_millis(5);

/// How long a child that has closed its output may take to end, before it is said that it did not.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Why a child did not do its part.
#[derive(Debug)]
pub(crate) enum ChildError {
    /// It failed, or took too long; the sentence says what happened.
    Failed(String),
    /// Ctrl-C was pressed while it was waited for.
    Interrupted,
}

/// A running child. Dropping it kills it and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    /// Closing it tells the child to end; so does the end of this process.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Child {
    /// Starts `program`, called `name` in messages, in a process group of its own: a Ctrl-C at the terminal is for this
    /// process alone, which then ends its children in order.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn start<S: AsRef<OsStr>>(
        name: String,
        program: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Child> {
        let mut command = Command::new(program);
        command.args(args).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What a child says on its standard error is the reason of a failure, in its own words, and not its log.
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "off");
        }
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (sender, lines) = sync_channel(LINES_AHEAD);
        let stdin = process.stdin.take();
        let stdout = process.stdout.take();
        let stderr = process.stderr.take();
        // From here on, dropping it ends the process.
        let mut child = Child { name, process, stdin, lines, stderr: None };
        let thread = || std::thread::Builder::new().name("bench-child".into());
        if let Some(stdout) = stdout {
            thread().spawn(move || read_lines(stdout, &sender)).context("cannot start a thread")?;
        }
        if let Some(stderr) = stderr {
            let reader = thread().spawn(move || read_end(stderr)).context("cannot start a thread")?;
            child.stderr = Some(reader);
        }
        Ok(child)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    ///
    /// When it does not read any more, because it has ended.
    pub(crate) fn tell(&mut self, line: &[u8]) -> Result<(), ChildError> {
        let told = self.stdin.as_mut().map(|stdin| stdin.write_all(line).and_then(|()| stdin.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(ChildError::Failed(self.last_words())),
        }
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill_now(mut self) {
        self.kill();
    }

    /// The next line of its standard output.
    ///
    /// # Errors
    ///
    /// When it ends instead, or `within` is over.
    pub(crate) fn line(&mut self, within: Duration) -> Result<String, ChildError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(CHECK_EVERY)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err(ChildError::Failed(self.last_words())),
                Err(RecvTimeoutError::Timeout) if interrupt::requested() => return Err(ChildError::Interrupted),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    let seconds = within.as_secs();
                    return Err(ChildError::Failed(format!(
                        "{}: no answer after {seconds} s; it was killed",
                        self.name
                    )));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// All lines of its standard output, once it has ended by itself.
    ///
    /// # Errors
    ///
    /// When it ends with an error, or `within` is over.
    pub(crate) fn output(self, within: Duration) -> Result<Vec<String>, ChildError> {
        let deadline = Instant::now() + within;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(CHECK_EVERY)) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if interrupt::requested() => return Err(ChildError::Interrupted),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.finish(left.max(LAST_MOMENT)).map(|()| lines)
    }

    /// Tells it to end, by closing its standard input; what it still has to say can be read.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Tells it to end, by closing its standard input, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// When it ends with an error, or `within` is over.
    pub(crate) fn end(mut self, within: Duration) -> Result<(), ChildError> {
        self.stdin = None;
        self.finish(within)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    ///
    /// When it ends with an error, or `within` is over.
    pub(crate) fn finish(mut self, within: Duration) -> Result<(), ChildError> {
        match self.wait(within) {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(ChildError::Failed(self.last_words())),
            None => {
                let seconds = within.as_secs();
                Err(ChildError::Failed(format!("{}: did not end within {seconds} s; it was killed", self.name)))
            }
        }
    }

    /// Waits for its end, without taking a Ctrl-C for one: it is short.
    fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(REAP_EVERY);
        }
    }

    /// What it said before it ended: its error, or how it ended.
    fn last_words(&mut self) -> String {
        // Its pipes are closed, so it is ending; a moment more tells how.
        let status = self.wait(LAST_MOMENT);
        self.kill();
        let said = self.stderr.take().and_then(|stderr| stderr.join().ok()).unwrap_or_default();
        let error = said.lines().rev().find_map(|line| line.strip_prefix(ERROR_PREFIX));
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        match (error.or(last), status) {
            (Some(words), _) => format!("{}: {words}", self.name),
            (None, Some(status)) => format!("{}: ended with {status} and said nothing", self.name),
            (None, None) => format!("{}: closed its output and did not end", self.name),
        }
    }

    fn kill(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lines(stdout: ChildStdout, lines: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// Reads to the end, so that the child never blocks, and gives the last part.
fn read_end(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..n]);
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start("sh".into(), Path::new("/bin/sh"), ["-c", script]).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    fn failure<T: std::fmt::Debug>(result: Result<T, ChildError>) -> String {
        match result {
            Err(ChildError::Failed(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_child_ends_when_its_standard_input_is_closed() {
        let mut child = shell("echo ready; cat");
        assert_eq!(child.line(LONG).unwrap(), "ready");
        child.end(LONG).unwrap();
    }

    #[test]
    fn all_that_a_child_prints_is_had_at_its_end() {
        assert_eq!(shell("seq 200").output(LONG).unwrap().len(), 200);
        assert_eq!(failure(shell("echo some; echo 'error: no more' >&2; exit 1").output(LONG)), "sh: no more");
        assert!(failure(shell("exec sleep 600").output(Duration::ZERO)).contains("did not end"));
    }

    #[test]
    fn the_error_of_a_child_is_told() {
        let mut child = shell("echo noise >&2; echo 'error: no such luck' >&2; echo more noise >&2; exit 2");
        assert_eq!(failure(child.line(LONG)), "sh: no such luck");
        let mut silent = shell("exit 3");
        assert_eq!(failure(silent.line(LONG)), "sh: ended with exit status: 3 and said nothing");
    }

    #[test]
    fn a_child_that_does_not_answer_or_end_is_killed() {
        let mut child = shell("exec sleep 600");
        assert!(failure(child.line(Duration::ZERO)).contains("no answer"));
        let pid = child.process.id();
        assert!(failure(child.end(Duration::ZERO)).contains("did not end"));
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
