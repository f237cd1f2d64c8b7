//! What is posted to a queue, until its completion is taken.
//!
//! A buffer that the device may write or read must be out of everybody's reach. So posting moves it into this table,
//! and only a completion gets it out. A completion is made by polling alone and used once; its work request's number
//! names the queue as well as the entry, so that it opens no other queue's table, not even one that came later.

#![forbid(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::Slab;

use super::Completion;

/// Bits of a work request's number that say which entry it is; no queue is as deep as 16 million.
const KEY_BITS: u32 = 24;
/// Bits that say what was posted.
const KIND_BITS: u32 = 2;
/// What is left says which queue: 274,000 million of them, which is a thousand new ones a second for eight years.
const QUEUE_BITS: u32 = u64::BITS - KEY_BITS - KIND_BITS;

/// What a completion is of. The device says so only of those that succeeded; the number says it of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A send, with or without a buffer.
    Send,
    /// The empty send that marks the end of what was posted before it.
    Beacon,
    /// A receive.
    Receive,
}

/// The buffers posted to one queue.
pub(super) struct Posted<T> {
    /// In its place within the number.
    queue: u64,
    entries: Slab<T>,
    capacity: usize,
}

impl<T> Posted<T> {
    /// An empty table for `capacity` requests.
    ///
    /// # Errors
    /// When the process has made more queues than there are numbers for.
    pub(super) fn new(capacity: usize) -> io::Result<Posted<T>> {
        static QUEUES: AtomicU64 = AtomicU64::new(1);
        let queue = QUEUES.fetch_add(1, Ordering::Relaxed);
        if queue >> QUEUE_BITS != 0 || capacity >> KEY_BITS != 0 {
            return Err(io::Error::other("out of numbers for queues and what is posted to them"));
        }
        Ok(Posted { queue: queue << (KEY_BITS + KIND_BITS), entries: Slab::with_capacity(capacity), capacity })
    }

    /// How many more requests fit.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.entries.len())
    }

    /// How many requests are outstanding.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps `item` and numbers its request.
    pub(super) fn insert(&mut self, item: T, kind: Kind) -> u64 {
        let kind = match kind {
            Kind::Send => 0,
            Kind::Beacon => 1,
            Kind::Receive => 2,
        };
        self.queue | kind << KEY_BITS | self.entries.insert(item) as u64
    }

    /// What was posted under this number; `None` if that was to another queue.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        if !self.is_own(number) {
            return None;
        }
        let key = number & ((1 << KEY_BITS) - 1);
        self.entries.try_remove(usize::try_from(key).ok()?)
    }

    /// Whether the number was given by this table.
    pub(super) fn is_own(&self, number: u64) -> bool {
        number >> (KEY_BITS + KIND_BITS) == self.queue >> (KEY_BITS + KIND_BITS)
    }
}

/// A queue's table, which the queue owns and lends.
pub(super) struct Table<T>(Mutex<Posted<T>>);

impl<T> Table<T> {
    /// As [`Posted::new`].
    pub(super) fn new(capacity: usize) -> io::Result<Table<T>> {
        Posted::new(capacity).map(Mutex::new).map(Table)
    }

    /// For posting, which only `raw.rs` does.
    pub(super) fn lock(&self) -> MutexGuard<'_, Posted<T>> {
        // Nothing panics half-way through a change of a table.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests are outstanding.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the completion is of a request of this table.
    pub(super) fn is_own(&self, completion: &Completion) -> bool {
        self.lock().is_own(completion.wr_id())
    }

    /// What was posted and is done; `None` if that was to another queue.
    pub(super) fn take(&self, completion: Completion) -> Option<T> {
        self.lock().remove(completion.wr_id())
    }
}

/// What kind of request has this number.
pub(super) fn kind(number: u64) -> Kind {
    match number >> KEY_BITS & ((1 << KIND_BITS) - 1) {
        0 => Kind::Send,
        1 => Kind::Beacon,
        _ => Kind::Receive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_opens_only_the_table_that_gave_it() {
        let (mut one, mut other) = (Posted::new(2).unwrap(), Posted::new(2).unwrap());
        let number = one.insert("one", Kind::Send);
        other.insert("other", Kind::Send);
        assert_eq!(other.remove(number), None);
        assert_eq!(one.remove(number), Some("one"));
        assert_eq!(one.remove(number), None);
        drop(one);
        let mut later = Posted::new(2).unwrap();
        later.insert("later", Kind::Send);
        assert_eq!(later.remove(number), None);
    }

    #[test]
    fn a_number_tells_its_kind() {
        let mut posted = Posted::new(3).unwrap();
        for wanted in [Kind::Send, Kind::Beacon, Kind::Receive] {
            assert_eq!(kind(posted.insert((), wanted)), wanted);
        }
        assert_eq!((posted.len(), posted.room()), (3, 0));
    }
}
