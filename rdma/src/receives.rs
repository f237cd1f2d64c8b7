//! How many receives a shared receive queue must hold, so that every promise to a peer is kept.
//!
//! Plain arithmetic: every stream's window is promised; what a reader holds is not in the queue. A queue that holds the
//! rest can serve every credit that any peer has, so one that is slow takes nothing from the others.

/// See the module.
pub(crate) struct Receives {
    /// The queue's length.
    depth: u32,
    /// The windows of all streams together.
    promised: u32,
    /// Chunks that readers hold.
    held: u32,
    /// Receives in the queue.
    posted: u32,
}

impl Receives {
    /// For a queue of this length, which is empty.
    pub(crate) fn new(depth: u32) -> Receives {
        Receives { depth, promised: 0, held: 0, posted: 0 }
    }

    /// Promises so many more; false when the queue is too short for that.
    pub(crate) fn promise(&mut self, by: u32) -> bool {
        let room = self.depth - self.promised >= by;
        self.promised += if room { by } else { 0 };
        room
    }

    /// Takes a promise back which could not be kept, or whose stream is gone and can use no receive any more.
    pub(crate) fn withdraw(&mut self, by: u32) {
        self.promised -= by;
    }

    /// A message used one. Its chunk is held until a reader frees it.
    pub(crate) fn used(&mut self) {
        // One that the device took without a word was not counted.
        self.posted = self.posted.saturating_sub(1);
        self.held += 1;
    }

    /// So many chunks are free again.
    pub(crate) fn freed(&mut self, chunks: u32) {
        self.held -= chunks;
    }

    /// How many are to be posted now.
    pub(crate) fn missing(&self) -> u32 {
        self.promised.saturating_sub(self.held).saturating_sub(self.posted)
    }

    /// So many were posted.
    pub(crate) fn posted(&mut self, receives: u32) {
        self.posted += receives;
    }

    /// The windows of all streams together, and the chunks that readers hold.
    #[cfg(test)]
    pub(crate) fn promised_and_held(&self) -> (u32, u32) {
        (self.promised, self.held)
    }

    /// Receives in the queue.
    #[cfg(test)]
    pub(crate) fn in_queue(&self) -> u32 {
        self.posted
    }
}
