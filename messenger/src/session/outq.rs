//! What a session has to send, and what it has sent and not heard of.

use std::collections::VecDeque;

use crate::message::Message;

/// Messages taken at once. Bounds how long the session's lock is held, and how much is encoded before the first byte
/// is written.
const BATCH_MESSAGES: usize = 512;
/// Payload bytes after which a batch is long enough: several times what a socket buffer takes at once.
const BATCH_BYTES: u64 = 512 << 10;
/// Empty priority levels kept for reuse; beyond that an emptied level is removed, so that a sender of ever new
/// priorities does not leave them all behind.
const LEVELS_KEPT: usize = 8;

/// Numbers beyond this are no numbers of messages: nobody sends that many.
const SEQ_MAX: u64 = u64::MAX >> 1;

/// Queued messages by priority, the messages to replay first, and those sent but not acknowledged.
///
/// Sequence numbers are given when a message is taken to be written. The unacknowledged ones are always the last
/// numbers given, without a gap.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    replay: VecDeque<Message>,
    levels: Vec<(u16, VecDeque<Message>)>,
    sent: VecDeque<Message>,
    out_seq: u64,
    /// Where the numbering started.
    start: u64,
    queued: usize,
    bytes: u64,
}

impl OutQueue {
    /// Queues a message behind those of its priority.
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.queue_cost();
        self.queued += 1;
        let priority = message.priority;
        match self.levels.binary_search_by(|(level, _)| priority.cmp(level)) {
            Ok(at) => self.levels[at].1.push_back(message),
            Err(at) => self.levels.insert(at, (priority, VecDeque::from([message]))),
        }
    }

    /// Moves the next messages to write into `batch`, which is empty, numbered; returns how many of them were sent
    /// before. When `keep`, copies stay until they are acknowledged.
    pub(crate) fn take(&mut self, batch: &mut VecDeque<Message>, keep: bool) -> u64 {
        let mut bytes = 0;
        let mut replayed = 0;
        if !keep && self.is_one_small_level() {
            // The usual case on lossy connections: the whole queue changes hands, and no message is moved.
            std::mem::swap(batch, &mut self.levels[0].1);
            self.queued = 0;
        } else {
            while batch.len() < BATCH_MESSAGES
                && bytes < BATCH_BYTES
                && let Some((message, again)) = self.pop()
            {
                bytes += message.payload_len();
                replayed += u64::from(again);
                batch.push_back(message);
            }
        }
        for message in batch {
            self.out_seq += 1;
            message.seq = self.out_seq;
            if keep {
                self.sent.push_back(message.clone());
            } else {
                self.bytes -= message.queue_cost();
            }
        }
        replayed
    }

    /// Whether everything queued has one priority and makes one batch.
    fn is_one_small_level(&self) -> bool {
        let [(_, level)] = &self.levels[..] else { return false };
        self.replay.is_empty() && level.len() <= BATCH_MESSAGES && self.bytes <= BATCH_BYTES
    }

    fn pop(&mut self) -> Option<(Message, bool)> {
        match self.replay.pop_front() {
            Some(message) => Some((message, true)),
            None => self.pop_queued().map(|message| (message, false)),
        }
    }

    fn pop_queued(&mut self) -> Option<Message> {
        let at = self.levels.iter().position(|(_, level)| !level.is_empty())?;
        let message = self.levels[at].1.pop_front();
        if self.levels.len() > LEVELS_KEPT && self.levels[at].1.is_empty() {
            self.levels.remove(at);
        }
        self.queued -= 1;
        message
    }

    /// Moves what was sent and not acknowledged to the front again, to be replayed under the same numbers.
    pub(crate) fn requeue_sent(&mut self) {
        self.out_seq -= self.sent.len() as u64;
        self.sent.append(&mut self.replay);
        std::mem::swap(&mut self.sent, &mut self.replay);
    }

    /// The peer has everything up to `seq`: drops it from what would be replayed. Who has numbered nothing so far goes on
    /// from there: the peer remembers a session that this side has forgotten, and takes lower numbers for repetitions.
    pub(crate) fn discard_received(&mut self, seq: u64) {
        if self.out_seq == self.start && self.replay.is_empty() && (self.start..=SEQ_MAX).contains(&seq) {
            self.out_seq = seq;
        }
        while self.out_seq < seq
            && let Some(message) = self.replay.pop_front()
        {
            self.bytes -= message.queue_cost();
            self.out_seq += 1;
        }
    }

    /// The peer acknowledges everything up to `seq`.
    pub(crate) fn acked(&mut self, seq: u64) {
        while self.sent.front().is_some_and(|message| message.seq <= seq)
            && let Some(message) = self.sent.pop_front()
        {
            self.bytes -= message.queue_cost();
        }
    }

    /// Drops everything and restarts the numbering behind `out_seq`; returns how many messages were lost.
    pub(crate) fn reset(&mut self, out_seq: u64) -> u64 {
        let lost = self.queued + self.replay.len() + self.sent.len();
        *self = OutQueue { out_seq, start: out_seq, ..OutQueue::default() };
        lost as u64
    }

    /// Whether anything waits to be written.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued > 0 || !self.replay.is_empty()
    }

    /// Bytes queued or unacknowledged, with a charge for each message.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tid: u64, priority: u16) -> Message {
        Message::new(1).with_tid(tid).with_priority(priority)
    }

    fn take_all(queue: &mut OutQueue, keep: bool) -> Vec<(u64, u64)> {
        let mut batch = VecDeque::new();
        queue.take(&mut batch, keep);
        batch.into_iter().map(|m| (m.tid, m.seq)).collect()
    }

    #[test]
    fn higher_priority_leaves_first_and_order_holds_inside_one() {
        let mut queue = OutQueue::default();
        for (tid, priority) in [(1, 127), (2, 63), (3, 196), (4, 127), (5, 196)] {
            queue.push(message(tid, priority));
        }
        assert_eq!(take_all(&mut queue, false), [(3, 1), (5, 2), (1, 3), (4, 4), (2, 5)]);
        assert_eq!(queue.bytes(), 0);
        assert!(!queue.is_queued());
    }

    #[test]
    fn replay_keeps_numbers_and_goes_before_new_messages() {
        let mut queue = OutQueue::default();
        for tid in 1..=4 {
            queue.push(message(tid, 127));
        }
        assert_eq!(take_all(&mut queue, true), [(1, 1), (2, 2), (3, 3), (4, 4)]);
        queue.acked(1);
        queue.requeue_sent();
        queue.push(message(5, 255));
        queue.discard_received(2);
        assert_eq!(take_all(&mut queue, true), [(3, 3), (4, 4), (5, 5)]);
    }

    #[test]
    fn a_fault_in_the_middle_of_a_replay_loses_and_doubles_nothing() {
        let mut queue = OutQueue::default();
        for tid in 1..=4 {
            queue.push(message(tid, 127));
        }
        take_all(&mut queue, true);
        queue.requeue_sent();
        queue.push(message(5, 127));
        let mut batch = VecDeque::new();
        assert_eq!(queue.take(&mut batch, true), 4);
        queue.requeue_sent();
        assert_eq!(take_all(&mut queue, true), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        queue.acked(5);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_reset_counts_what_it_drops() {
        let mut queue = OutQueue::default();
        queue.push(message(1, 127));
        take_all(&mut queue, true);
        queue.push(message(2, 127));
        assert_eq!(queue.reset(9), 2);
        queue.push(message(3, 127));
        assert_eq!(take_all(&mut queue, false), [(3, 10)]);
    }

    #[test]
    fn emptied_levels_do_not_pile_up() {
        let mut queue = OutQueue::default();
        for priority in 0..100 {
            queue.push(message(1, priority));
            take_all(&mut queue, true);
        }
        assert!(queue.levels.len() <= LEVELS_KEPT + 1);
    }
}
