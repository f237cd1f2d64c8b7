//! Chunks of registered memory: made in steps as they are needed, within a budget that all pools of a device share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Chunks registered at once. Registering costs a system call and pins memory; with chunks of 128 KiB this is 4 MiB.
const STEP: u32 = 32;

/// How many chunks may still be made; below 0 when pools had to have more.
pub(crate) struct Budget(AtomicI64);

impl Budget {
    /// For so many chunks in all.
    pub(crate) fn new(chunks: u32) -> Arc<Budget> {
        Arc::new(Budget(AtomicI64::new(chunks.into())))
    }

    /// Takes up to `want`, and at least `least` whatever is left; returns how many it got.
    fn take(&self, want: u32, least: u32) -> u32 {
        let got = |left: i64| left.clamp(least.into(), want.into());
        let before = self.0.fetch_update(Relaxed, Relaxed, |left| Some(left - got(left)));
        before.map_or(0, |left| got(left) as u32)
    }

    fn give_back(&self, chunks: u32) {
        self.0.fetch_add(chunks.into(), Relaxed);
    }
}

/// The free chunks of one worker.
pub(crate) struct Pool<C> {
    budget: Arc<Budget>,
    free: Vec<C>,
    made: u32,
}

impl<C> Pool<C> {
    /// An empty pool.
    pub(crate) fn new(budget: &Arc<Budget>) -> Pool<C> {
        Pool { budget: Arc::clone(budget), free: Vec::new(), made: 0 }
    }

    /// A chunk, or `None` when the budget is used up. `make` registers so many when none is free.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn take(&mut self, make: impl FnOnce(u32) -> io::Result<Vec<C>>) -> io::Result<Option<C>> {
        self.take_or_make(0, make)
    }

    /// As [`Pool::take`], but the pool may have one chunk whatever others have used up: whoever waits for a chunk waits for
    /// one of this pool.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn take_one_at_least(&mut self, make: impl FnOnce(u32) -> io::Result<Vec<C>>) -> io::Result<Option<C>> {
        self.take_or_make(u32::from(self.made == 0), make)
    }

    fn take_or_make(&mut self, least: u32, make: impl FnOnce(u32) -> io::Result<Vec<C>>) -> io::Result<Option<C>> {
        if self.free.is_empty() {
            let allowed = self.budget.take(STEP, least);
            if allowed == 0 {
                return Ok(None);
            }
            match make(allowed) {
                Ok(chunks) => {
                    self.made += allowed;
                    self.free = chunks;
                }
                Err(error) => {
                    self.budget.give_back(allowed);
                    return Err(error);
                }
            }
        }
        Ok(self.free.pop())
    }

    /// A chunk is free again.
    pub(crate) fn put(&mut self, chunk: C) {
        self.free.push(chunk);
    }

    /// Chunks made, in use or not.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Chunks made and not in use.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Chunks made and in use.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> u32 {
        self.made - self.free.len() as u32
    }
}

impl<C> Drop for Pool<C> {
    fn drop(&mut self) {
        self.budget.give_back(self.made);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn make(n: u32) -> io::Result<Vec<u32>> {
        Ok((0..n).collect())
    }

    #[test]
    fn pools_of_one_budget_stop_where_it_ends_and_give_it_back() {
        let budget = Budget::new(STEP + 2);
        let (mut one, mut other) = (Pool::new(&budget), Pool::new(&budget));
        let chunk = one.take(make).unwrap().unwrap();
        assert_eq!([other.take(make).unwrap(), other.take(make).unwrap()], [Some(1), Some(0)]);
        assert_eq!(other.take(make).unwrap(), None);
        assert_eq!((one.in_use(), other.in_use()), (1, 2));
        one.put(chunk);
        drop(one);
        assert!(other.take(make).unwrap().is_some());
    }

    #[test]
    fn a_pool_that_comes_too_late_for_the_budget_may_have_one_chunk() {
        let budget = Budget::new(1);
        let (mut one, mut other) = (Pool::new(&budget), Pool::new(&budget));
        assert!(one.take_one_at_least(make).unwrap().is_some());
        assert!(other.take_one_at_least(make).unwrap().is_some());
        assert!(other.take_one_at_least(make).unwrap().is_none());
        drop((one, other));
        let mut last = Pool::new(&budget);
        assert!(last.take(make).unwrap().is_some(), "all was given back");
    }

    #[test]
    fn a_failed_registration_costs_no_budget() {
        let mut pool = Pool::new(&Budget::new(1));
        assert!(pool.take(|_| Err(io::ErrorKind::OutOfMemory.into())).is_err());
        assert_eq!(pool.take(make).unwrap(), Some(0));
    }
}
