//! Shared receive queues: buffers for whatever comes in on any of many queue pairs.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;

use super::raw::{Domain, Srq};
use super::{Chunk, Completion, VerbsError};

/// See the module. Each message takes a chunk of it, however small it is.
pub struct SharedReceiveQueue {
    pub(super) raw: Srq,
}

impl SharedReceiveQueue {
    /// A queue with room for `max_wr` chunks.
    pub(super) fn new(domain: &Arc<Domain>, max_wr: u32) -> Result<SharedReceiveQueue, VerbsError> {
        Ok(SharedReceiveQueue { raw: Srq::new(domain, max_wr)? })
    }

    /// How many chunks are posted and not taken back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.posted().len()
    }

    /// Whether that is none: whoever sends now is made to wait and try again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Posts chunks from the end of `chunks`, as many as fit, and returns how many that were. What was not posted stays.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room for any, `InvalidInput` if the last chunk is of another device, or what the device
    /// says.
    pub fn post(&self, chunks: &mut Vec<Chunk>) -> io::Result<usize> {
        let mut done = 0;
        while !chunks.is_empty() {
            match self.raw.post(chunks) {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// The chunk that a receive has filled, or that failed. `None` if the completion is not of this queue.
    pub fn take(&self, completion: Completion) -> Option<Chunk> {
        self.raw.posted().take(completion)
    }

    /// Asks for one [`AsyncEvent::SrqLimit`](super::AsyncEvent::SrqLimit) when fewer than `limit` chunks are left; 0 asks for
    /// none.
    ///
    /// # Errors
    /// What the device says, such as `InvalidInput` above the queue's size.
    pub fn set_limit(&self, limit: u32) -> io::Result<()> {
        self.raw.set_limit(limit)
    }
}
