//! A trial's handle of a node: starts it, asks it, looks at what it costs, ends or kills it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::node::{Ask, Reply, Report, Spec};
use crate::child::{Child, ChildError};
use crate::interrupt;

/// How long a node may take until it is bound: a bind to a port that is still in use is tried again for 15 s
/// (`ms_bind_retry_count` times `ms_bind_retry_delay`).
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long a node may take to answer. It has as many threads as peers and a machine to share with all of them.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a node may take to end: some thousand connections are closed in a second.
const END_WITHIN: Duration = Duration::from_secs(30);

/// How often something that is waited for is looked at: short against what it takes, and no load.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why a trial stops before its end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A promise is broken so that the trial cannot go on; the sentence says which.
    Broken(String),
    /// Ctrl-C.
    Interrupted,
    /// The trial itself cannot work.
    Tool(anyhow::Error),
}

impl From<anyhow::Error> for Halt {
    fn from(error: anyhow::Error) -> Halt {
        Halt::Tool(error)
    }
}

impl From<ChildError> for Halt {
    /// A node that ends or does not answer is one that the messenger brought down or holds up.
    fn from(error: ChildError) -> Halt {
        match error {
            ChildError::Failed(words) => Halt::Broken(words),
            ChildError::Interrupted => Halt::Interrupted,
        }
    }
}

/// What a process costs now, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Open file descriptors.
    pub(crate) files: u64,
    /// Threads.
    pub(crate) threads: u64,
    /// Resident set, bytes.
    pub(crate) rss: u64,
}

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// Where its messengers are bound.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Node {
    /// Starts a node called `name` in messages.
    ///
    /// # Errors
    ///
    /// When it cannot be what it is to be.
    pub(crate) fn start(name: &str, spec: &Spec) -> Result<Node, Halt> {
        let child = Child::start(format!("{name} ({})", spec.kind), &program()?, ["node", "--child"])?;
        let mut node = Node { child, addresses: Vec::new() };
        // A node that does not start is a tool's failure: no peer has touched it yet.
        let tool = |error| match error {
            ChildError::Failed(words) => Halt::Tool(anyhow::Error::msg(words)),
            ChildError::Interrupted => Halt::Interrupted,
        };
        node.child.tell(&line(spec)?).map_err(tool)?;
        let ready = node.child.line(READY_WITHIN).map_err(tool)?;
        let Reply::Ready(addresses) = parse(&ready)? else {
            return Err(Halt::Tool(anyhow::anyhow!("{name} did not say where it is bound")));
        };
        node.addresses = addresses;
        Ok(node)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the node has ended or does not answer.
    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Reply, Halt> {
        self.child.tell(&line(&ask)?)?;
        let reply = self.child.line(ANSWER_WITHIN)?;
        Ok(parse(&reply)?)
    }

    /// What it saw so far.
    ///
    /// # Errors
    ///
    /// As [`Node::ask`].
    pub(crate) fn report(&mut self) -> Result<Report, Halt> {
        match self.ask(Ask::Report)? {
            Reply::Report(report) => Ok(*report),
            _ => Err(Halt::Tool(anyhow::anyhow!("a node answered something else than it was asked"))),
        }
    }

    /// Looks again and again until `done`; gives the last report, and whether it was.
    ///
    /// # Errors
    ///
    /// As [`Node::ask`].
    pub(crate) fn wait_until(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&Report) -> bool,
    ) -> Result<(Report, bool), Halt> {
        let deadline = Instant::now() + within;
        loop {
            let report = self.report()?;
            if done(&report) {
                return Ok((report, true));
            }
            if Instant::now() >= deadline {
                return Ok((report, false));
            }
            sleep(LOOK_EVERY)?;
        }
    }

    /// What it costs now.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell: it has ended.
    pub(crate) fn cost(&self) -> Result<Cost, Halt> {
        let root = PathBuf::from(format!("/proc/{}", self.child.pid()));
        let cost = Cost::read(&root).with_context(|| format!("cannot read {}", root.display()));
        cost.map_err(|error| Halt::Broken(format!("a node is gone: {error:#}")))
    }

    /// Looks again and again until what it costs is `right`; gives the last look, and whether it was.
    ///
    /// # Errors
    ///
    /// As [`Node::cost`].
    pub(crate) fn wait_cost(
        &self,
        within: Duration,
        mut right: impl FnMut(&Cost) -> bool,
    ) -> Result<(Cost, bool), Halt> {
        let deadline = Instant::now() + within;
        loop {
            let cost = self.cost()?;
            if right(&cost) {
                return Ok((cost, true));
            }
            if Instant::now() >= deadline {
                return Ok((cost, false));
            }
            sleep(LOOK_EVERY)?;
        }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(self) {
        self.child.kill_now();
    }

    /// Ends it in order.
    ///
    /// # Errors
    ///
    /// When it does not end, or ends with an error.
    pub(crate) fn end(self) -> Result<(), Halt> {
        Ok(self.child.end(END_WITHIN)?)
    }
}

impl Cost {
    /// Reads `/proc/PID`, from outside: the process may have no descriptor left to look at itself.
    fn read(root: &Path) -> anyhow::Result<Cost> {
        let status = std::fs::read_to_string(root.join("status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            value.with_context(|| format!("no {name} there"))
        };
        let files = std::fs::read_dir(root.join("fd"))?.count() as u64;
        Ok(Cost { files, threads: field("Threads:")?, rss: field("VmRSS:")? * 1024 })
    }
}

/// Sleeps, unless Ctrl-C was pressed.
///
/// # Errors
///
/// [`Halt::Interrupted`].
pub(crate) fn sleep(time: Duration) -> Result<(), Halt> {
    let until = Instant::now() + time;
    loop {
        if interrupt::requested() {
            return Err(Halt::Interrupted);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(interrupt::CHECK_EVERY));
    }
}

/// The `number`th port of a loopback address of this process's own: trials side by side do not meet, and a node that is
/// restarted finds its port free. A port that a messenger searched for itself may be barred for a minute by the
/// connections of the process that was killed.
pub(crate) fn loopback(number: u16) -> SocketAddr {
    /// Below the ports that are handed out to those who dial.
    const FIRST_PORT: u16 = 6800;
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // The last byte differs from what the messengers' own tests use first.
    SocketAddr::new(Ipv4Addr::new(127, high, low, 77).into(), FIRST_PORT + number)
}

fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

fn line(message: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn parse(line: &str) -> anyhow::Result<Reply> {
    serde_json::from_str(line).with_context(|| format!("a node printed what is no answer: {line:.80}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_looked_at_from_outside() {
        let cost = Cost::read(Path::new("/proc/self")).unwrap();
        assert!(cost.files >= 3 && cost.threads >= 1 && cost.rss > 1 << 20);
        assert!(Cost::read(Path::new("/proc/0")).is_err());
    }
}
