//! The byte stream of one connection, carried by messages that each need a receive at the other side.
//!
//! Plain code: no device, no clock, no thread. `socket` moves the messages; `receives` sees to it that the shared queue
//! holds as many receives as were promised.
//!
//! **Credits.** Each side keeps a window of receives for the bytes of its peer. Of the window, some are *granted* (the peer
//! knows that it may use them), some are *held* (used: their bytes wait for the reader), and some are *owed* (free again,
//! and the peer is to be told): granted + held + owed = window. What is owed goes with the next message, in its immediate
//! data; when the peer has none left, or half the window is owed, a message without bytes, a *grant*, tells it.
//!
//! A grant needs no credit: one receive is kept for it beside the window, and another one for the end. The next grant waits
//! until a message of the peer says that it *heard* the last one. No answer is made for that: whoever was granted credits
//! either has them still, or has used one, and with that message has said so. It also waits for the last one's completion,
//! for which one place in the send queue is kept.

mod note;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::ops::Deref;

pub(crate) use note::Note;

/// Receives kept for a peer's bytes at first: one on the wire, one being read, and as many again on their way back.
pub(crate) const WINDOW_MIN: u32 = 4;
/// Receives kept for a peer beside the window: for a grant, and for the end.
pub(crate) const EXTRA: u32 = 2;
/// Most receives kept for one peer: with chunks of 128 KiB, 4 MiB, which is more than a 200 Gbit/s link has under way in
/// 100 microseconds.
pub(crate) const WINDOW_MAX: u32 = 32;
/// Places in the send queue that data may not use: a grant, the end and the beacon.
const RESERVED_SENDS: u32 = 3;
/// A window that could not grow asks again after so many messages: each time that it is refused may have cost a
/// registration that failed.
const GROWTH_PAUSE: u32 = 1000;

/// What the peer did that no peer of this protocol does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("the peer sent more messages than it has credits for")]
    Overrun,
    #[error("the peer granted more credits than it can have receives")]
    Credits,
    #[error("the peer sent a message behind its last")]
    BehindEnd,
}

/// How a stream ends for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer said so, behind its last byte.
    Clean,
    /// The connection broke.
    Broken,
}

/// A received message: a chunk, and which of its bytes are not read yet.
struct Part<C> {
    chunk: C,
    at: usize,
    len: usize,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wake {
    /// There is something to read, or the end.
    pub(crate) readable: bool,
    /// A write that found no credit may go on.
    pub(crate) writable: bool,
}

/// See the module. `C` is a chunk of registered memory.
pub(crate) struct Stream<C> {
    /// Messages the peer has receives for.
    credits: u32,
    /// Messages posted whose completion has not come.
    in_flight: u32,
    send_queue: u32,
    /// A write is waiting for a credit or for a place in the send queue.
    blocked: bool,
    /// The peer has not said yet that it heard the last grant.
    granting: bool,
    /// Completions to come up to that of the last grant.
    grant_depth: u32,
    /// The peer's grant was heard, which the next message says.
    heard: bool,
    end_sent: bool,
    window: u32,
    granted: u32,
    owed: u32,
    /// The window has grown, and the peer does not know yet.
    grown: bool,
    /// Messages to receive before the window asks to grow again.
    pause: u32,
    received: VecDeque<Part<C>>,
    end: Option<End>,
}

/// What a message is for, which its completion tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It carries bytes.
    Data,
    /// It carries credits alone.
    Grant,
    /// It says that nothing follows.
    End,
}

impl<C: Deref<Target = [u8]>> Stream<C> {
    /// A stream to a peer that keeps `peer_window` receives for it, of a side that keeps `window` for the peer and whose send
    /// queue has `send_queue` places.
    pub(crate) fn new(window: u32, peer_window: u32, send_queue: u32) -> Stream<C> {
        Stream {
            credits: peer_window,
            in_flight: 0,
            send_queue,
            blocked: false,
            granting: false,
            grant_depth: 0,
            heard: false,
            end_sent: false,
            window,
            granted: window,
            owed: 0,
            grown: false,
            pause: 0,
            received: VecDeque::new(),
            end: None,
        }
    }

    /// The immediate data of a message that may be posted now, or `None`. After `None` for [`Kind::Data`], a wake-up tells
    /// when to ask again.
    pub(crate) fn begin(&mut self, kind: Kind) -> Option<Note> {
        let may = !self.end_sent
            && match kind {
                Kind::Data => self.may_send(),
                Kind::Grant => self.is_grant_due() && self.grant_depth == 0,
                Kind::End => true,
            };
        if !may {
            self.blocked |= kind == Kind::Data;
            return None;
        }
        self.in_flight += 1;
        match kind {
            Kind::Data => self.credits -= 1,
            Kind::Grant => (self.granting, self.grant_depth) = (true, self.in_flight),
            Kind::End => self.end_sent = true,
        }
        // A window is far smaller than what the note can count.
        let grants = std::mem::take(&mut self.owed) as u16;
        self.granted += u32::from(grants);
        self.grown = false;
        Some(Note { grants, heard: std::mem::take(&mut self.heard), end: kind == Kind::End })
    }

    /// A message begun with bytes was not posted after all.
    pub(crate) fn take_back(&mut self, note: Note) {
        self.credits += 1;
        self.in_flight -= 1;
        self.granted -= u32::from(note.grants);
        self.owed += u32::from(note.grants);
        self.grown |= note.grants > 0;
        self.heard |= note.heard;
    }

    fn is_grant_due(&self) -> bool {
        !self.end_sent && !self.granting && self.owed > 0 && (self.granted == 0 || self.owed >= self.window / 2)
    }

    /// Nothing but a completion lets it send what it has: the caller must see to it that completions are looked at.
    pub(crate) fn awaits_completion(&self) -> bool {
        let full = self.blocked && self.credits > 0 && !self.end_sent;
        full || self.is_grant_due() && self.grant_depth > 0
    }

    fn may_send(&self) -> bool {
        self.credits > 0 && self.in_flight + RESERVED_SENDS < self.send_queue
    }

    /// A posted message completed.
    pub(crate) fn completed(&mut self) -> Wake {
        self.in_flight -= 1;
        self.grant_depth = self.grant_depth.saturating_sub(1);
        self.wake(false)
    }

    /// A message arrived in `chunk`. Gives the chunk back when nobody has to read it.
    /// Gives it back as well when the peer broke the rules.
    pub(crate) fn receive(&mut self, chunk: C, len: usize, note: Note) -> Result<(Wake, Option<C>), (PeerError, C)> {
        if let Err(error) = self.count(len, note) {
            return Err((error, chunk));
        }
        if note.end {
            self.end = Some(End::Clean);
        }
        let unread = if len > 0 {
            self.received.push_back(Part { chunk, at: 0, len });
            None
        } else {
            Some(chunk)
        };
        Ok((self.wake(len > 0 || note.end), unread))
    }

    /// Counts a message that arrived.
    fn count(&mut self, len: usize, note: Note) -> Result<(), PeerError> {
        if self.end.is_some() {
            return Err(PeerError::BehindEnd);
        }
        if len > 0 {
            self.granted = self.granted.checked_sub(1).ok_or(PeerError::Overrun)?;
        } else if !note.end && std::mem::replace(&mut self.heard, true) {
            return Err(PeerError::Overrun);
        }
        self.granting &= !note.heard;
        self.pause = self.pause.saturating_sub(1);
        self.credits += u32::from(note.grants);
        if self.credits > WINDOW_MAX { Err(PeerError::Credits) } else { Ok(()) }
    }

    fn wake(&mut self, readable: bool) -> Wake {
        let writable = self.blocked && self.may_send() && !self.end_sent;
        self.blocked &= !writable;
        Wake { readable, writable }
    }

    /// Lets `take` have the next bytes until it takes fewer than offered; chunks that are read to their end go to `free`.
    /// Returns how many bytes it took; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; `ConnectionReset` when the connection broke, once all that arrived is read.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8]) -> usize, free: &mut Vec<C>) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(part) = self.received.front_mut() {
            let n = take(&part.chunk[part.at..part.len]);
            part.at += n;
            taken += n;
            if part.at < part.len {
                return Ok(taken);
            }
            free.extend(self.received.pop_front().map(|part| part.chunk));
            self.owed += 1;
        }
        match (taken, self.end) {
            (0, None) => Err(io::ErrorKind::WouldBlock.into()),
            (0, Some(End::Broken)) => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Ok(taken),
        }
    }

    /// How many receives more would serve the peer: it uses up what it has, and the reader keeps pace.
    pub(crate) fn wants(&self) -> u32 {
        let used_up = self.granted == 0 && !self.grown;
        let keeps_pace = self.held() <= self.window / 2;
        if used_up && keeps_pace && self.pause == 0 { self.window.min(WINDOW_MAX - self.window) } else { 0 }
    }

    /// The window has grown by so many receives.
    pub(crate) fn grow(&mut self, by: u32) {
        self.window += by;
        self.owed += by;
        self.grown = true;
    }

    /// It could not grow.
    pub(crate) fn declined(&mut self) {
        self.pause = GROWTH_PAUSE;
    }

    /// The connection broke: no more arrives, and nothing can be sent.
    pub(crate) fn break_off(&mut self) {
        self.end.get_or_insert(End::Broken);
        self.end_sent = true;
    }

    /// Whether the peer's last message is here.
    #[cfg(test)]
    pub(crate) fn is_ended(&self) -> bool {
        self.end == Some(End::Clean)
    }

    /// Whether the reader has been given an end.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Messages posted whose completion has not come.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Receives kept for the peer.
    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// Chunks that wait for the reader.
    pub(crate) fn held(&self) -> u32 {
        self.received.len() as u32
    }

    /// Takes the chunks that nobody will read.
    pub(crate) fn abandon(&mut self) -> Vec<C> {
        self.received.drain(..).map(|part| part.chunk).collect()
    }
}
