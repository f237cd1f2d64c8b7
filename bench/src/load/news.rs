//! What happens in the callbacks of a load side and its main thread waits for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::recorder::lock;
use crate::interrupt;

/// News, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct News {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What has been told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Peers that are connected.
    pub(super) opened: u32,
    /// A reply that somebody waits for has come.
    pub(super) answered: bool,
    fault: Option<String>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The time is over.
    Fully,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

impl News {
    /// Changes what is told, and wakes who waits.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut lock(&self.told));
        self.changed.notify_all();
    }

    /// Something went wrong; the first such sentence counts.
    pub(super) fn fail(&self, what: String) {
        self.tell(|told| {
            told.fault.get_or_insert(what);
        });
    }

    /// Waits until `done`, or `within` is over. Gives how many peers are connected then, and whether it was `done`.
    ///
    /// # Errors
    ///
    /// When something fails meanwhile.
    pub(super) fn wait(&self, within: Duration, done: impl Fn(&Told) -> bool) -> anyhow::Result<(u32, bool, Waited)> {
        let deadline = Instant::now() + within;
        let mut told = lock(&self.told);
        loop {
            if let Some(fault) = told.fault.take() {
                return Err(anyhow!(fault));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_done = done(&told);
            if left.is_zero() || is_done {
                return Ok((told.opened, is_done, Waited::Fully));
            }
            if interrupt::requested() {
                return Ok((told.opened, is_done, Waited::Interrupted));
            }
            let slice = left.min(interrupt::CHECK_EVERY);
            told = self.changed.wait_timeout(told, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
