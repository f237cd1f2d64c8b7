//! Counting messages from many threads without making them share a cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crossbeam::utils::CachePadded;

use crate::probe::Tally;

/// Cells to count in. More threads than that share them, which costs time and no counts.
const CELLS: usize = 64;

#[derive(Debug, Default)]
struct Cells {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// Messages and bytes, counted by any number of threads.
#[derive(Debug)]
pub(crate) struct Tallies(Box<[CachePadded<Cells>]>);

impl Default for Tallies {
    fn default() -> Tallies {
        Tallies((0..CELLS).map(|_| CachePadded::default()).collect())
    }
}

impl Tallies {
    /// Counts messages and their payload bytes.
    pub(crate) fn add(&self, messages: u64, bytes: u64) {
        let cell = &self.0[thread_number() % CELLS];
        cell.messages.fetch_add(messages, Relaxed);
        cell.bytes.fetch_add(bytes, Relaxed);
    }

    /// The sums so far.
    pub(crate) fn total(&self) -> Tally {
        self.0.iter().fold(Tally::default(), |sum, cell| Tally {
            messages: sum.messages + cell.messages.load(Relaxed),
            bytes: sum.bytes + cell.bytes.load(Relaxed),
        })
    }
}

/// A number of this thread's own, small for the first threads that ask.
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Relaxed);
            number.set(Some(next));
            next
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_threads_share_cells() {
        let tallies = Tallies::default();
        std::thread::scope(|scope| {
            for _ in 0..CELLS + 7 {
                scope.spawn(|| (0..100).for_each(|_| tallies.add(1, 3)));
            }
        });
        let messages = 100 * (CELLS as u64 + 7);
        assert_eq!(tallies.total(), Tally { messages, bytes: 3 * messages });
    }
}
