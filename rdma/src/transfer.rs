//! The bytes of an open connection: from an outbox into chunks and onto the wire, and from chunks to the reader.
//!
//! Each byte is copied once on either side, between the messenger's buffers and registered memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::connection::{Conn, Drain, Phase, State};
use crate::queues::Queues;
use crate::side_channel::Line;
use crate::stream::{Kind, Note, Stream};
use crate::verbs::{self, Chunk, Completion, Status};
use msgr::session::{Outbox, ReadInto};

/// Gathers an outbox's segments into chunks.
struct Gather<'a, I> {
    segments: I,
    rest: &'a [u8],
}

impl<'a, I: Iterator<Item = &'a [u8]>> Gather<'a, I> {
    /// Copies as much as fits; 0 when nothing is left.
    fn fill(&mut self, chunk: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < chunk.len() {
            if self.rest.is_empty() {
                let Some(next) = self.segments.next() else { break };
                self.rest = next;
                continue;
            }
            let n = self.rest.len().min(chunk.len() - filled);
            let (now, later) = self.rest.split_at(n);
            chunk[filled..filled + n].copy_from_slice(now);
            filled += n;
            self.rest = later;
        }
        filled
    }
}

impl Conn {
    /// Sends what it can; returns how many bytes that was.
    pub(crate) fn send(self: &Arc<Conn>, outbox: &Outbox) -> io::Result<usize> {
        let mut state = self.lock();
        if state.shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some((kind, why)) = &state.failed {
            return Err(io::Error::new(*kind, why.clone()));
        }
        let Some(queues) = state.queues.clone().filter(|_| state.phase == Phase::Open) else {
            state.write_wanted = true;
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut gather = Gather { segments: outbox.segments().map(|segment| &segment[..]), rest: &[] };
        let mut sent = 0;
        while sent < outbox.len() {
            let State { stream: Some(stream), .. } = &mut *state else { break };
            let Some(note) = stream.begin(Kind::Data) else {
                if stream.awaits_completion() {
                    queues.await_sends();
                }
                state.write_wanted = true;
                break;
            };
            let chunk = queues.send_chunk(self);
            let Ok(Some(mut chunk)) = chunk else {
                stream.take_back(note);
                state.write_wanted = true;
                match chunk {
                    Err(error) if sent == 0 => return Err(error),
                    _ => break,
                }
            };
            let most = state.message_max as usize;
            let n = gather.fill(&mut chunk[..most]);
            sent += n;
            self.post(&mut state, &queues, chunk, n, note);
            if state.failed.is_some() {
                break;
            }
        }
        if sent > 0 { Ok(sent) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn post(&self, state: &mut State, queues: &Queues, chunk: Chunk, len: usize, note: Note) {
        let Some(pair) = &state.pair else { return queues.put_send_chunk(chunk) };
        queues.posting();
        if let Err(refused) = pair.post_send(chunk, len as u32, note.emit()) {
            queues.not_posted();
            if let Some(stream) = &mut state.stream {
                stream.completed();
            }
            queues.put_send_chunk(refused.chunk);
            self.break_off(state, io::ErrorKind::ConnectionReset, &format!("cannot send: {}", refused.error));
        }
    }

    /// Posts a message without bytes.
    pub(crate) fn post_empty(&self, state: &mut State, note: Note) {
        let (Some(pair), Some(queues)) = (&state.pair, state.queues.clone()) else { return };
        queues.posting();
        if let Err(error) = pair.post_send_empty(note.emit()) {
            queues.not_posted();
            if let Some(stream) = &mut state.stream {
                stream.completed();
            }
            self.break_off(state, io::ErrorKind::ConnectionReset, &format!("cannot send: {error}"));
        }
    }

    /// Tells the peer what it is owed, if it must know now.
    fn grant(&self, state: &mut State) {
        let Some(stream) = &mut state.stream else { return };
        let note = stream.begin(Kind::Grant);
        if stream.awaits_completion()
            && let Some(queues) = &state.queues
        {
            queues.await_sends();
        }
        if let Some(note) = note {
            self.post_empty(state, note);
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&self, into: ReadInto<'_>) -> io::Result<usize> {
        let told = self.told.swap(false, Relaxed);
        let mut state = self.lock();
        if state.shut {
            return Ok(0);
        }
        self.try_advance(&mut state);
        let mut into = into;
        let first = self.take(&mut state, &mut into);
        let nothing = first.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if !nothing || told || state.phase != Phase::Open || !self.is_peer_gone(&mut state) {
            return first;
        }
        // What it said last came before it left, and may not have been looked at yet.
        let queues = state.queues.clone();
        drop(state);
        if let Some(queues) = queues {
            queues.take_received();
        }
        let mut state = self.lock();
        if !state.stream.as_ref().is_some_and(Stream::is_over) {
            self.break_off(&mut state, io::ErrorKind::ConnectionReset, "the peer is gone");
        }
        self.take(&mut state, &mut into)
    }

    /// Whether the peer has closed the TCP connection.
    fn is_peer_gone(&self, state: &mut State) -> bool {
        loop {
            match self.next_line(state) {
                // Its first bytes were faster than its word that it can receive.
                Ok(Some(Line::Go)) if std::mem::take(&mut state.go_late) => {}
                Ok(None) => return false,
                // Nobody says anything there any more; a word is as bad as the end.
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }

    fn take(&self, state: &mut State, into: &mut ReadInto<'_>) -> io::Result<usize> {
        let State { stream: Some(stream), queues: Some(queues), .. } = state else {
            return match &state.failed {
                Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
        };
        let mut free = Vec::new();
        let mut filled = 0;
        let outcome = stream.read(
            |bytes| match into {
                ReadInto::Slice(buffer) => {
                    let n = bytes.len().min(buffer.len() - filled);
                    buffer[filled..filled + n].copy_from_slice(&bytes[..n]);
                    filled += n;
                    n
                }
                ReadInto::Append(buffer) => {
                    let n = bytes.len().min(buffer.capacity() - buffer.len());
                    buffer.extend_from_slice(&bytes[..n]);
                    n
                }
            },
            &mut free,
        );
        if !free.is_empty() {
            queues.recycle(&mut free);
            self.grant(state);
        }
        outcome
    }

    /// A receive completed. Gives the chunk back when the stream had no use for it.
    pub(crate) fn on_receive(
        &self,
        queues: &Queues,
        chunk: Chunk,
        status: Status,
        len: usize,
        imm: Option<u32>,
    ) -> Option<Chunk> {
        let mut state = self.lock();
        if status != Status::Success {
            if status != Status::Flushed {
                self.break_off(&mut state, io::ErrorKind::ConnectionReset, &format!("a receive failed: {status:?}"));
            }
            return Some(chunk);
        }
        let note = Note::parse(imm.unwrap_or_default());
        if state.shut && note.end {
            // Neither side wants anything any more, and the peer may be gone before it acknowledges our end.
            self.break_off(&mut state, io::ErrorKind::ConnectionReset, "both sides have ended it");
        }
        let State { stream: Some(stream), shut: false, .. } = &mut *state else { return Some(chunk) };
        let (wake, unread) = match stream.receive(chunk, len, note) {
            Ok(done) => done,
            Err((error, chunk)) => {
                self.break_off(&mut state, io::ErrorKind::InvalidData, &error.to_string());
                return Some(chunk);
            }
        };
        // Before anything is posted that may make the peer use it.
        queues.recycle(&mut unread.into_iter().collect());
        let by = stream.wants();
        if by > 0 {
            if queues.promise(by) { stream.grow(by) } else { stream.declined() }
        }
        if state.phase == Phase::AwaitGo {
            // Whoever sends can receive.
            state.go_late = true;
            self.opened(&mut state);
        }
        let writable = wake.writable && std::mem::take(&mut state.write_wanted);
        self.tell(&state, queues, wake.readable, writable);
        self.grant(&mut state);
        None
    }

    /// A send completed, well or not. Gives back its chunk.
    pub(crate) fn on_send(&self, queues: &Queues, completion: Completion) -> Option<Chunk> {
        let mut state = self.lock();
        if !state.pair.as_ref().is_some_and(|pair| pair.is_own(&completion)) {
            // Of an earlier one with the same number, that could not be drained.
            return None;
        }
        if completion.kind() == verbs::Kind::Beacon {
            state.drain = Drain::Flushed;
            return state.pair.as_ref().and_then(|pair| pair.take(completion));
        }
        let status = completion.status();
        let chunk = state.pair.as_ref().and_then(|pair| pair.take(completion));
        let wake = state.stream.as_mut().map(Stream::completed).unwrap_or_default();
        match status {
            Status::Success => {
                let writable = wake.writable && std::mem::take(&mut state.write_wanted);
                self.tell(&state, queues, false, writable);
                self.grant(&mut state);
            }
            Status::Flushed if state.failed.is_some() => {}
            _ => self.break_off(&mut state, io::ErrorKind::ConnectionReset, &format!("a send failed: {status:?}")),
        }
        chunk
    }

    /// There are chunks to send from again; whether it wanted one.
    pub(crate) fn may_write(&self, queues: &Queues) -> bool {
        let mut state = self.lock();
        let wanted = std::mem::take(&mut state.write_wanted);
        self.tell(&state, queues, false, wanted);
        wanted
    }
}
