//! Queues that are private to this crate, each by itself: for the benches that time them, and no part of the contract.

use std::collections::VecDeque;

use crate::message::Message;
use crate::priority_queue::PriorityQueue;
use crate::session::OutQueue;

/// What a session has to send.
#[derive(Debug, Default)]
pub struct Outgoing(OutQueue);

impl Outgoing {
    /// Queues a message.
    pub fn push(&mut self, message: Message) {
        self.0.push(message);
    }

    /// Moves a batch of what is queued into `batch`, which is empty. When `keep`, copies stay until they are acknowledged.
    pub fn take(&mut self, batch: &mut VecDeque<Message>, keep: bool) {
        self.0.take(batch, keep);
    }

    /// The peer acknowledges everything up to `seq`.
    pub fn acked(&mut self, seq: u64) {
        self.0.acked(seq);
    }
}

/// What waits for the dispatch thread.
pub struct Dispatching(PriorityQueue<Message>);

impl Dispatching {
    /// An empty queue; tokens and costs as of the options `ms_pq_*`.
    #[must_use]
    pub fn new(max_tokens: u64, min_cost: u64) -> Dispatching {
        Dispatching(PriorityQueue::new(max_tokens, min_cost))
    }

    /// Queues a message of a connection's, before lower priorities.
    pub fn push_strict(&mut self, connection: u64, message: Message) {
        self.0.push_strict(connection, message.priority, message);
    }

    /// Queues a message of a connection's, sharing with other priorities.
    pub fn push_fair(&mut self, connection: u64, message: Message) {
        self.0.push_fair(connection, message.priority, message.payload_len(), message);
    }

    /// The next message.
    pub fn pop(&mut self) -> Option<Message> {
        self.0.pop()
    }
}
