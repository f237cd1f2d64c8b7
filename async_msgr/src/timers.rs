//! Time events of one worker.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::driver::Token;

/// Deadlines by slot. A slot may leave stale entries behind when its deadline moves; the worker ignores what it does
/// not expect, and a slot arms a new entry only when it wants to be woken earlier, so each slot has few.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Instant, token: Token) {
        self.heap.push(Reverse((at, token.0)));
    }

    /// Removes and returns the next entry that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Token> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, token))| Token(token))
    }

    /// Time until the next entry.
    pub(crate) fn until_next(&self, now: Instant) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| at.saturating_duration_since(now))
    }
}
