//! What is encoded and not yet written: the send half of a link.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::coverage::{self, Point};
use crate::message::Message;
use crate::stages::{At, Stage, Stages};
use crate::stats::add;
use crate::sync::thread_local;
use crate::wire::{features, frame, tag};

use super::Phase;
use super::Session;
use super::encode::{self, FRAMING_ROOM, Format};
use super::state::Writer;

/// Whether a session had anything to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// Segments were added: write them, then ask again.
    Some,
    /// Nothing is left; whoever queues something next will call [`super::Driver::transmit`].
    Empty,
}

/// Encoded bytes in order, as reference-counted segments: a stack gathers them into one write, tells how many bytes
/// went out with [`Outbox::sent`], and a stack that completes late may keep clones of the segments meanwhile.
#[derive(Debug, Default)]
pub struct Outbox {
    segments: VecDeque<Bytes>,
    bytes: usize,
    /// Made when the first message is timed.
    timing: Option<Box<Timing>>,
}

/// When the messages were taken up whose last byte is not written yet.
#[derive(Debug, Default)]
struct Timing {
    /// Bytes written.
    sent: u64,
    /// A batch has at least one message in the outbox, so these are no more than its messages.
    batches: VecDeque<Batch>,
}

#[derive(Debug)]
struct Batch {
    taken: At,
    messages: u64,
    /// Bytes written once its last is.
    end: u64,
}

/// Buffers of the writing thread, used for one batch at a time; an idle connection owns none.
struct Scratch {
    batch: VecDeque<Message>,
    framing: BytesMut,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch { batch: VecDeque::new(), framing: BytesMut::new() });
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Appends bytes of the handshake.
    pub fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.segments.push_back(bytes);
    }

    /// Takes a batch of what the session has queued and encodes it, outside the session's lock. A session whose link
    /// with this `generation` is gone or not open has nothing.
    pub fn refill(&mut self, session: &Session, generation: u64) -> Refill {
        SCRATCH.with(|scratch| self.refill_with(session, generation, &mut scratch.borrow_mut()))
    }

    fn refill_with(&mut self, session: &Session, generation: u64, scratch: &mut Scratch) -> Refill {
        let Scratch { batch, framing } = scratch;
        let (control, replayed, format) = {
            let mut state = session.lock();
            if state.generation != generation || state.phase != Phase::Open {
                return Refill::Empty;
            }
            let control = std::mem::take(&mut state.control);
            let keep = !state.policy.lossy;
            let replayed = state.out.take(batch, keep);
            if batch.is_empty() && !control.is_some() {
                state.writer = Writer::Idle;
                return Refill::Empty;
            }
            (control, replayed, Format::new(state.features, session.core().config()))
        };
        let taken = session.core().stages().map(|stages| time_queued(stages, batch));
        let messages = batch.len() as u64;
        let before = self.bytes;
        // Everything framed before was written or sealed, so this reclaims the buffer unless a slow peer still has part
        // of it; then the next one is as large.
        framing.reserve(FRAMING_ROOM);
        if let Some(stamp) = control.keepalive {
            if format.features & features::KEEPALIVE2 != 0 {
                control_frame(framing, &frame::keepalive2(stamp));
            } else {
                control_frame(framing, &[tag::KEEPALIVE]);
            }
        }
        if let Some(stamp) = control.keepalive_ack {
            control_frame(framing, &frame::keepalive2_ack(stamp));
        }
        for message in &mut *batch {
            encode::message(message, format, framing, &mut self.segments);
        }
        batch.clear();
        if let Some(seq) = control.ack {
            control_frame(framing, &frame::ack(seq));
        }
        encode::seal(framing, &mut self.segments);
        self.bytes = self.segments.iter().map(Bytes::len).sum();
        if let Some(taken) = taken.filter(|_| messages > 0) {
            let timing = self.timing.get_or_insert_default();
            timing.batches.push_back(Batch { taken, messages, end: timing.sent + self.bytes as u64 });
        }
        let counters = session.core().counters();
        add(&counters.msgr_send_messages, messages);
        add(&counters.msgr_send_bytes, (self.bytes - before) as u64);
        add(&counters.msgr_replayed_messages, replayed);
        Refill::Some
    }

    /// The segments to write, in order.
    pub fn segments(&self) -> impl Iterator<Item = &Bytes> {
        self.segments.iter()
    }

    /// Removes the first `n` bytes: they were written.
    pub fn sent(&mut self, mut n: usize) {
        if let Some(timing) = &mut self.timing {
            timing.sent += n as u64;
        }
        self.bytes -= n.min(self.bytes);
        while let Some(first) = self.segments.front_mut() {
            if n < first.len() {
                first.advance(n);
                return;
            }
            n -= first.len();
            self.segments.pop_front();
        }
    }

    /// Records how long the messages took whose last byte the write call took that has just returned. To be called after
    /// [`Outbox::sent`] when stages are timed.
    pub fn time_written(&mut self, stages: &Stages) {
        let Some(timing) = &mut self.timing else { return };
        let now = stages.now();
        while let Some(batch) = timing.batches.front().filter(|batch| batch.end <= timing.sent) {
            stages.record(Stage::Written, batch.taken, now, batch.messages);
            timing.batches.pop_front();
        }
    }

    /// Bytes to write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// True when everything was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Forgets what was not written: its link is gone.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
        self.timing = None;
    }
}

/// Records how long the messages of a batch were queued that has just been taken up; tells when that was. Apart from the
/// messages' encoding, which it would slow when it is not asked for.
#[cold]
fn time_queued(stages: &Stages, batch: &VecDeque<Message>) -> At {
    let taken = stages.now();
    for message in batch {
        stages.record_marked(Stage::Queued, message.begun.0, taken);
    }
    taken
}

fn control_frame(framing: &mut BytesMut, frame: &[u8]) {
    coverage::hit(Point::FrameSent(frame[0]));
    framing.extend_from_slice(frame);
}

impl Session {
    /// Whether the write that is about to be made fails instead: see [`crate::Core::inject_socket_failure`].
    #[must_use]
    pub fn inject_socket_failure(&self) -> bool {
        self.core().inject_socket_failure()
    }
}
