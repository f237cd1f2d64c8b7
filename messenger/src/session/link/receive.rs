//! The open part of a link: input to dispatchers, batch by batch.

use std::sync::Arc;
use std::time::Instant;

use crate::connection::Connection;
use crate::message::Message;
use crate::stages::{Begun, Mark, Stage, Stages};
use crate::stats::{add, add_time};

use crate::session::Session;
use crate::session::recv::{Incoming, Next};
use crate::wire::Stamp;

use super::{Cause, Link, Phase};

/// Messages decoded before they are dispatched: bounds the memory of a batch.
const BATCH_MESSAGES: usize = 64;
/// One batch in so many is timed and counts for all of them: three readings of the clock cost as much as decoding a
/// small message.
const BATCHES_PER_TIMING: u32 = 16;

enum Decoded {
    BatchFull,
    NeedBytes,
    NeedPermit,
}

impl Link {
    /// Dispatches what is complete; true when the rest is held back.
    pub(super) fn receive(&mut self, now: Instant) -> Result<bool, Cause> {
        let Some(session) = self.session.clone() else { return Ok(false) };
        let connection = Connection(session);
        let mut batch = std::mem::take(&mut self.batch);
        let mut keepalive = None;
        let mut ack_from = self.in_seq();
        let result = loop {
            if self.delayed.as_ref().is_some_and(|delayed| delayed.is_full()) {
                break Ok(true);
            }
            let received = self.in_seq();
            let clock = self.batches.is_multiple_of(BATCHES_PER_TIMING).then_some(Instant::now);
            self.batches = self.batches.wrapping_add(1);
            let begun = clock.map(|now| now());
            let outcome = self.decode(&connection.0, &mut batch, &mut keepalive);
            let decoded = clock.map(|now| now());
            let messages = batch.len() as u64;
            if let Some(stages) = self.core.stages() {
                self.time_read(stages, &mut batch);
            }
            self.dispatch(&connection, received, &mut batch, now);
            let counters = self.core.counters();
            add(&counters.msgr_recv_messages, messages);
            if let (Some(begun), Some(decoded)) = (begun, decoded) {
                let done = Instant::now();
                add_time(&counters.msgr_running_recv_time, (decoded - begun) * BATCHES_PER_TIMING);
                add_time(&counters.msgr_running_fast_dispatch_time, (done - decoded) * BATCHES_PER_TIMING);
                add_time(&counters.msgr_running_total_time, (done - begun) * BATCHES_PER_TIMING);
            }
            match outcome {
                Ok(Decoded::BatchFull) => {}
                Ok(Decoded::NeedBytes) => break Ok(false),
                Ok(Decoded::NeedPermit) => {
                    if !self.wait_for_permit() {
                        break Ok(true);
                    }
                }
                Err(cause) => break Err(cause),
            }
        };
        self.batch = batch;
        if let Phase::Open(half) = &mut self.phase {
            let old = half.take_old_messages();
            add(&self.core.counters().msgr_drop_old_messages, old);
            add(&self.core.counters().msgr_copied_bytes, half.take_copied());
            // Also what came again is acknowledged again: the peer has not heard of it.
            if old > 0 {
                ack_from = 0;
            }
        }
        let in_seq = self.in_seq();
        let ack = (!self.lossy && in_seq > ack_from).then_some(in_seq);
        if ack.is_some() || keepalive.is_some() {
            connection.0.answer(self.generation, ack, keepalive);
        }
        result
    }

    /// The messages of this batch were read until now, and are being dispatched from now on.
    #[cold]
    fn time_read(&self, stages: &Stages, batch: &mut [Message]) {
        if batch.is_empty() {
            return;
        }
        let now = stages.now();
        if let Some(from) = self.input_at {
            stages.record(Stage::Read, from, now, batch.len() as u64);
        }
        for message in batch {
            message.begun = Begun(Mark::of(now));
        }
    }

    pub(super) fn in_seq(&self) -> u64 {
        if let Phase::Open(half) = &self.phase { half.in_seq() } else { 0 }
    }

    /// Decodes up to a batch of messages, and acts on control frames.
    fn decode(
        &mut self,
        session: &Arc<Session>,
        batch: &mut Vec<Message>,
        keepalive: &mut Option<Stamp>,
    ) -> Result<Decoded, Cause> {
        let Phase::Open(half) = &mut self.phase else { return Ok(Decoded::NeedBytes) };
        while batch.len() < BATCH_MESSAGES {
            match half.poll()? {
                Next::Bytes => return Ok(Decoded::NeedBytes),
                Next::Permit => return Ok(Decoded::NeedPermit),
                Next::Item(Incoming::Message(message)) => {
                    if !self.named
                        && let Some(name) = message.source
                    {
                        session.note_peer_name(name);
                        self.named = true;
                    }
                    batch.push(message);
                }
                Next::Item(Incoming::Ack(seq)) => {
                    session.with_link(self.generation, |state| state.out.acked(seq));
                }
                Next::Item(Incoming::Keepalive) => {}
                Next::Item(Incoming::Keepalive2(stamp)) => *keepalive = Some(stamp),
                Next::Item(Incoming::Keepalive2Ack(stamp)) => session.note_keepalive_ack(stamp),
                Next::Item(Incoming::Close) => return Err(Cause::Closed),
            }
        }
        Ok(Decoded::BatchFull)
    }

    /// Hands a batch, which follows message `received`, to the dispatchers. What follows a mark_down or a replace in the
    /// middle of it is dropped.
    fn dispatch(&mut self, connection: &Connection, mut received: u64, batch: &mut Vec<Message>, now: Instant) {
        if batch.is_empty() {
            return;
        }
        let dispatchers = self.core.dispatchers();
        for message in batch.drain(..) {
            if !connection.0.is_current(self.generation) {
                self.stale_from.get_or_insert(received);
                continue;
            }
            received = message.seq;
            match &mut self.delayed {
                None => self.core.deliver(&dispatchers, connection, message),
                Some(delayed) => {
                    delayed.push(&self.core, message, now);
                    self.deliver_delayed(Some(now));
                }
            }
        }
    }

    /// Dispatches the delayed messages whose time has come; all of them without a `now`.
    pub(super) fn deliver_delayed(&mut self, now: Option<Instant>) {
        let Some((delayed, session)) = self.delayed.as_mut().zip(self.session.as_ref()) else { return };
        let connection = Connection(Arc::clone(session));
        while delayed.is_due(now)
            && session.still_delivers(self.generation)
            && let Some(message) = delayed.pop()
        {
            self.core.deliver(&self.core.dispatchers(), &connection, message);
        }
    }

    /// Queues for the permit the next message lacks; true when it was granted at once.
    fn wait_for_permit(&mut self) -> bool {
        let driver = self.session.as_ref().and_then(|session| session.lock().driver.clone());
        let Phase::Open(half) = &mut self.phase else { return false };
        half.wait(move || {
            if let Some((_, driver)) = driver {
                driver.resume();
            }
        })
    }
}
