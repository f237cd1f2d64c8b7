//! How the program ends: the exit codes of all verbs, in one place.

use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Did what was asked.
    Done = 0,
    /// `gate` found the candidate slower, and fresh pairs confirmed it; or `shape` found a count worse than committed.
    Slower = 1,
    /// A usage or tool error; the message says what to do.
    Error = 2,
    /// A trial saw a promise of a messenger broken, RDMA misses a bar that `speed` holds it to, or `gate` cannot tell on this
    /// machine.
    Broken = 3,
    /// The host refuses: one of its limits is too low for what was asked.
    Refused = 4,
    /// Interrupted; what was measured so far is in the record, which is marked partial.
    Interrupted = 130,
}

impl Exit {
    /// The exit that an error means.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        if error.is::<Refusal>() { Exit::Refused } else { Exit::Error }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A limit of the host stands against what was asked.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
