//! Counting connection events from callbacks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::protocol::Events;

/// Connection events so far, of all messengers of a node.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) connect: AtomicU64,
    pub(super) accept: AtomicU64,
    pub(super) reset: AtomicU64,
    pub(super) remote_reset: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Heard {
    pub(super) fn events(&self) -> Events {
        Events {
            connect: self.connect.load(Relaxed),
            accept: self.accept.load(Relaxed),
            reset: self.reset.load(Relaxed),
            remote_reset: self.remote_reset.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}
