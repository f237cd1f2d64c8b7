//! The chunks of one worker: those posted for receiving, and those to send from.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, MutexGuard, Weak};

use super::{Queues, lock};
use crate::connection::Conn;
use crate::pool::{Budget, Pool};
use crate::receives::Receives;
use crate::verbs::Chunk;

/// What a worker receives into.
pub(super) struct Receiving {
    receives: Receives,
    pool: Pool<Chunk>,
    /// Chunks about to be posted; kept for its capacity.
    batch: Vec<Chunk>,
}

/// What a worker sends from.
pub(super) struct Sending {
    pool: Pool<Chunk>,
    /// Somebody waits for a completion, and the worker knows, or its bell was rung.
    awaited: bool,
    /// Connections that found no chunk, the first to be served first.
    waiting: VecDeque<Weak<Conn>>,
}

impl Receiving {
    pub(super) fn new(depth: u32, budget: &Arc<Budget>) -> Receiving {
        Receiving { receives: Receives::new(depth), pool: Pool::new(budget), batch: Vec::new() }
    }
}

impl Sending {
    pub(super) fn new(budget: &Arc<Budget>) -> Sending {
        Sending { pool: Pool::new(budget), awaited: false, waiting: VecDeque::new() }
    }
}

impl Queues {
    fn register(&self, chunks: u32) -> io::Result<Vec<Chunk>> {
        let options = &self.adapter.options;
        self.adapter.device.register(chunks, options.chunk, options.huge_pages).map_err(|error| {
            tracing::error!(%error, chunks, bytes = options.chunk, "cannot register memory");
            io::Error::other(error)
        })
    }

    /// Keeps `by` more receives for a connection; false when the queue or the budget of chunks is used up.
    pub(crate) fn promise(&self, by: u32) -> bool {
        let mut receiving = lock(&self.receiving);
        let kept = receiving.receives.promise(by);
        if kept && !self.post_missing(&mut receiving) {
            receiving.receives.withdraw(by);
            return false;
        }
        kept
    }

    /// A connection is gone, and what it was promised is free for others.
    pub(crate) fn withdraw(&self, by: u32) {
        lock(&self.receiving).receives.withdraw(by);
    }

    /// Takes chunks back from a reader, and posts what is missing.
    pub(crate) fn recycle(&self, chunks: &mut Vec<Chunk>) {
        if chunks.is_empty() {
            return;
        }
        let mut receiving = lock(&self.receiving);
        receiving.receives.freed(chunks.len() as u32);
        chunks.drain(..).for_each(|chunk| receiving.pool.put(chunk));
        self.post_missing(&mut receiving);
    }

    /// Posts receives until every promise is backed; false when chunks are lacking.
    fn post_missing(&self, receiving: &mut Receiving) -> bool {
        let Receiving { receives, pool, batch } = receiving;
        while (batch.len() as u32) < receives.missing() {
            match pool.take(|chunks| self.register(chunks)) {
                Ok(Some(chunk)) => batch.push(chunk),
                Ok(None) | Err(_) => break,
            }
        }
        while !batch.is_empty() {
            match self.srq.post(batch) {
                Ok(count) => receives.posted(count as u32),
                Err(error) => {
                    tracing::error!(%error, "cannot post receives");
                    break;
                }
            }
        }
        batch.drain(..).for_each(|chunk| pool.put(chunk));
        receives.missing() == 0
    }

    /// A chunk to send from. When all are in use, `who` is told when one is not.
    ///
    /// # Errors
    /// When there is none at all, and no memory for one.
    pub(crate) fn send_chunk(&self, who: &Arc<Conn>) -> io::Result<Option<Chunk>> {
        let mut sending = lock(&self.sending);
        match sending.pool.take_one_at_least(|chunks| self.register(chunks)) {
            Ok(Some(chunk)) => return Ok(Some(chunk)),
            // None would ever come back.
            Err(error) if sending.pool.made() == 0 => return Err(error),
            Ok(None) | Err(_) => sending.waiting.push_back(Arc::downgrade(who)),
        }
        self.wanting.store(true, Release);
        self.await_with(sending);
        Ok(None)
    }

    /// Somebody waits for a send to complete. The worker may be asleep, without having asked to be told.
    pub(crate) fn await_sends(&self) {
        self.await_with(lock(&self.sending));
    }

    fn await_with(&self, mut sending: MutexGuard<'_, Sending>) {
        if !std::mem::replace(&mut sending.awaited, true) {
            drop(sending);
            // Fails only when it has been rung more often than it can count, and then the worker wakes anyway.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }

    /// A request is about to be posted. Counted before, since its completion may come before the call returns.
    pub(crate) fn posting(&self) {
        self.outstanding.fetch_add(1, Relaxed);
    }

    /// It could not be.
    pub(crate) fn not_posted(&self) {
        self.outstanding.fetch_sub(1, Relaxed);
    }

    /// Takes a chunk back that was sent or not needed.
    pub(crate) fn put_send_chunk(&self, chunk: Chunk) {
        lock(&self.sending).pool.put(chunk);
    }

    /// Tells as many of those who wait for a chunk as there are chunks. Some do not want it any more.
    pub(super) fn serve_waiting(&self) {
        let mut served = 0;
        loop {
            let next = {
                let mut sending = lock(&self.sending);
                let next = if served >= sending.pool.free() { None } else { sending.waiting.pop_front() };
                self.wanting.store(!sending.waiting.is_empty(), Relaxed);
                next
            };
            let Some(next) = next else { return };
            served += usize::from(next.upgrade().is_some_and(|conn| conn.may_write(self)));
        }
    }

    /// A receive completed, and its chunk is out of the queue.
    pub(super) fn receive_used(&self) {
        lock(&self.receiving).receives.used();
    }

    /// A send completed, well or not.
    pub(super) fn send_completed(&self) {
        self.outstanding.fetch_sub(1, Relaxed);
    }

    /// Whether the completions of sends are to wake the worker. That is over when none is to come.
    pub(super) fn are_sends_awaited(&self) -> bool {
        let mut sending = lock(&self.sending);
        sending.awaited &= self.outstanding.load(Relaxed) > 0 || !sending.waiting.is_empty();
        sending.awaited
    }
}
