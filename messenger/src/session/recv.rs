//! The receive half: bytes in, messages and control frames out.
//!
//! Owned by the one thread that reads the socket, so it needs no lock. Input arrives as reference-counted chunks;
//! small messages are slices of them. A body of 4 KiB or more that is not all there yet gets a buffer of its own into
//! which the socket is read directly, growing as bytes arrive, so that an announced length alone costs nothing.

use bytes::{Buf, Bytes};

use crate::config::Config;
use crate::coverage::{self, Point};
use crate::error::PeerError;
use crate::message::Message;
use crate::stages::Begun;
use crate::sync::Arc;
use crate::throttle::Throttle;
use crate::wire::crc::crc32c;
use crate::wire::frame::SMALL_FRAME_LEN;
use crate::wire::{Footer, HEADER_LEN, Header, Stamp, footer, tag};

use super::gate::{Gate, Passage, Throttles};
use super::readahead::{ReadAhead, ReadInto};

/// Bodies from this size up are read into a buffer of their own unless they are complete already.
const DIRECT_MIN: usize = 4 << 10;
/// First allocation for such a body, doubled as it fills; also the most that is read ahead behind one.
const DIRECT_STEP: usize = 256 << 10;
/// Bodies from this size up make the next chunk read small: what follows is likely as large, and whatever of it lands
/// in the chunk must be copied out again.
const BULK_MIN: usize = 16 << 10;

/// What a receive half is made from.
#[derive(Clone, Debug)]
pub struct RecvParams {
    /// Features in common; they decide the footer's length.
    pub features: u64,
    /// Highest sequence number received so far.
    pub in_seq: u64,
    /// Throttles a message passes, in this order: policy messages, policy bytes before its payload is read, dispatch when it
    /// is complete.
    pub throttles: Throttles,
}

/// One thing that arrived.
#[derive(Debug)]
pub enum Incoming {
    /// A message, in order.
    Message(Message),
    /// Everything up to this number arrived there.
    Ack(u64),
    /// A keepalive that wants no answer.
    Keepalive,
    /// A keepalive to be answered with the same stamp.
    Keepalive2(Stamp),
    /// The answer to ours.
    Keepalive2Ack(Stamp),
    /// The peer closes.
    Close,
}

/// What a receive half has.
#[derive(Debug)]
pub enum Next {
    /// Something that arrived.
    Item(Incoming),
    /// Nothing until more bytes come.
    Bytes,
    /// A message that a throttle holds back: see [`RecvHalf::wait`].
    Permit,
}

/// A message whose header is parsed.
struct Body {
    header: Header,
    /// Sections and footer.
    len: usize,
    passage: Passage,
    /// The body so far, when it has a buffer of its own.
    own: Option<Vec<u8>>,
}

/// What a tag begins.
enum Frame {
    Message(Body),
    Other(Incoming),
    /// Not all of it is here.
    Partial,
}

/// See the module.
pub struct RecvHalf {
    rest: Bytes,
    /// The message that is not complete, or not let through.
    body: Option<Body>,
    gate: Gate,
    in_seq: u64,
    old_messages: u64,
    footer_len: usize,
    crc_header: bool,
    crc_data: bool,
    front_max: u64,
    data_max: u64,
    prefetch: usize,
    bulk: bool,
    /// Bytes moved from one place in memory to another since last asked.
    copied: u64,
}

impl RecvHalf {
    /// A receive half that starts with an empty input.
    #[must_use]
    pub fn new(params: RecvParams, config: &Config) -> RecvHalf {
        RecvHalf {
            rest: Bytes::new(),
            body: None,
            gate: Gate::new(params.throttles),
            in_seq: params.in_seq,
            old_messages: 0,
            footer_len: footer::len(params.features),
            crc_header: config.ms_crc_header,
            crc_data: config.ms_crc_data,
            front_max: config.ms_max_front_bytes,
            data_max: config.ms_max_data_bytes,
            prefetch: usize::try_from(config.ms_tcp_prefetch_max_size)
                .unwrap_or(DIRECT_STEP)
                .clamp(HEADER_LEN, DIRECT_STEP),
            bulk: false,
            copied: 0,
        }
    }

    /// Counts bodies that are not complete, and are too large for the read buffer, by `throttle`.
    #[must_use]
    pub fn with_arriving(mut self, throttle: Arc<Throttle>) -> RecvHalf {
        self.gate.set_arriving(throttle);
        self
    }

    /// Highest sequence number received.
    #[must_use]
    pub fn in_seq(&self) -> u64 {
        self.in_seq
    }

    /// Messages dropped because they had been received before, since last asked.
    pub fn take_old_messages(&mut self) -> u64 {
        std::mem::take(&mut self.old_messages)
    }

    /// Bytes of input that were copied once more after they had been read, since last asked.
    pub(crate) fn take_copied(&mut self) -> u64 {
        std::mem::take(&mut self.copied)
    }

    /// Adds input that a stack received on its own.
    pub fn push(&mut self, chunk: Bytes) {
        if let Some(Body { own: Some(own), .. }) = &mut self.body {
            self.copied += chunk.len() as u64;
            own.extend_from_slice(&chunk);
        } else if self.rest.is_empty() {
            self.rest = chunk;
        } else {
            self.copied += (self.rest.len() + chunk.len()) as u64;
            self.rest = [&self.rest[..], &chunk[..]].concat().into();
        }
    }

    /// Adds input that `read` puts where it is told, and returns how many bytes of room it had and what it returned.
    pub(crate) fn read_with<E>(
        &mut self,
        ahead: &mut ReadAhead,
        read: impl FnOnce(ReadInto<'_>) -> Result<usize, E>,
    ) -> Result<(usize, usize), E> {
        if let Some(Body { own: Some(own), len, .. }) = &mut self.body {
            if own.len() == own.capacity() {
                let want = len.saturating_sub(own.len()) + self.prefetch;
                own.reserve_exact(want.min(own.len()));
            }
            let room = own.capacity() - own.len();
            return read(ReadInto::Append(own)).map(|n| (room, n));
        }
        let limit = if self.bulk { self.prefetch } else { usize::MAX };
        let carried = self.rest.len();
        self.copied += carried as u64;
        let space = ahead.space(&mut self.rest, limit);
        let room = space.len();
        let result = read(ReadInto::Slice(space));
        let n = *result.as_ref().unwrap_or(&0);
        self.rest = ahead.filled(carried, n, room);
        result.map(|n| (room, n))
    }

    /// Copies a remainder out of the shared buffer, so that a connection that pauses in the middle of a message does
    /// not keep the buffer from its neighbours. To be called when there is nothing more to read for now.
    pub(crate) fn settle(&mut self) {
        if !self.is_waiting() {
            self.copied += self.rest.len() as u64;
            self.rest = if self.rest.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&self.rest) };
        }
    }

    /// The next thing that arrived.
    ///
    /// # Errors
    /// The peer broke the protocol; the connection cannot go on.
    pub fn poll(&mut self) -> Result<Next, PeerError> {
        loop {
            let mut body = match self.body.take() {
                Some(body) => body,
                None => match self.frame()? {
                    Frame::Message(body) => body,
                    Frame::Other(item) => return Ok(Next::Item(item)),
                    Frame::Partial => return Ok(Next::Bytes),
                },
            };
            let have = body.own.as_ref().map_or(self.rest.len(), Vec::len);
            let size = body.header.payload_len();
            if !self.gate.pass(&mut body.passage, size, have >= body.len) {
                self.body = Some(body);
                return Ok(Next::Permit);
            }
            if have < body.len {
                // A small one waits in the read buffer, which is there anyway.
                if body.len >= DIRECT_MIN && !self.gate.arrive(&mut body.passage, size) {
                    self.body = Some(body);
                    return Ok(Next::Permit);
                }
                self.gather(body);
                return Ok(Next::Bytes);
            }
            if let Some(own) = body.own.take() {
                self.rest = own.into();
            }
            let len = body.len;
            let message = self.assemble(body)?;
            self.rest.advance(len);
            if message.seq > self.in_seq {
                self.in_seq = message.seq;
                return Ok(Next::Item(Incoming::Message(message)));
            }
            self.old_messages += 1;
        }
    }

    /// Parses a tag and what belongs to it.
    fn frame(&mut self) -> Result<Frame, PeerError> {
        let Some((&tag, behind)) = self.rest.split_first() else { return Ok(Frame::Partial) };
        let (item, len) = match tag {
            tag::MSG => {
                let Some(raw) = behind.first_chunk::<HEADER_LEN>() else { return Ok(Frame::Partial) };
                let header = Header::parse(raw, self.crc_header)?;
                let body = self.begin(header)?;
                self.rest.advance(1 + HEADER_LEN);
                coverage::hit(Point::FrameReceived(tag));
                return Ok(Frame::Message(body));
            }
            tag::KEEPALIVE => (Incoming::Keepalive, 1),
            tag::CLOSE => (Incoming::Close, 1),
            tag::ACK | tag::KEEPALIVE2 | tag::KEEPALIVE2_ACK => {
                let Some(raw) = behind.first_chunk::<8>() else { return Ok(Frame::Partial) };
                let item = match tag {
                    tag::ACK => Incoming::Ack(u64::from_le_bytes(*raw)),
                    tag::KEEPALIVE2 => Incoming::Keepalive2(Stamp::parse(*raw)),
                    _ => Incoming::Keepalive2Ack(Stamp::parse(*raw)),
                };
                (item, SMALL_FRAME_LEN)
            }
            tag => return Err(PeerError::BadTag { tag }),
        };
        self.rest.advance(len);
        coverage::hit(Point::FrameReceived(tag));
        Ok(Frame::Other(item))
    }

    /// A message that begins with this header, if its sections are within their caps.
    fn begin(&mut self, header: Header) -> Result<Body, PeerError> {
        let caps = [
            ("front", header.front_len, self.front_max, "ms_max_front_bytes"),
            ("middle", header.middle_len, self.front_max, "ms_max_front_bytes"),
            ("data", header.data_len, self.data_max, "ms_max_data_bytes"),
        ];
        for (section, length, cap, option) in caps {
            let length = u64::from(length);
            if length > cap {
                return Err(PeerError::TooLong { section, length, cap, option });
            }
        }
        let payload = header.front_len as usize + header.middle_len as usize + header.data_len as usize;
        let len = payload + self.footer_len;
        self.bulk = len >= BULK_MIN;
        Ok(Body { header, len, passage: Passage::default(), own: None })
    }

    /// Keeps a message that is not complete; a large one gets a buffer of its own.
    fn gather(&mut self, mut body: Body) {
        if body.own.is_none() && body.len >= DIRECT_MIN {
            let mut own = Vec::with_capacity((body.len + self.prefetch).min(DIRECT_STEP));
            self.copied += self.rest.len() as u64;
            own.extend_from_slice(&self.rest);
            self.rest = Bytes::new();
            body.own = Some(own);
        }
        self.body = Some(body);
    }

    /// Queues for the permit that [`Next::Permit`] asked for; `wake` is called, from any thread, once it is granted.
    /// Returns true when it was granted on the spot: ask [`RecvHalf::poll`] again.
    pub fn wait(&mut self, wake: impl FnOnce() + Send + 'static) -> bool {
        self.body.is_none() || self.gate.wait(wake)
    }

    /// True while a throttle holds a message back: reading on would only pile up input.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.gate.is_waiting()
    }

    /// Cuts the complete body at the front of the input into its sections and checks them against the footer.
    fn assemble(&self, body: Body) -> Result<Message, PeerError> {
        let Body { header, len, passage, .. } = body;
        let bytes = &self.rest;
        let footer = Footer::parse(&bytes[len - self.footer_len..len]).unwrap_or_default();
        if !footer.complete {
            return Err(PeerError::Incomplete);
        }
        let middle_at = header.front_len as usize;
        let data_at = middle_at + header.middle_len as usize;
        let data_end = data_at + header.data_len as usize;
        let check = |wanted: bool, section: &'static str, bytes: &[u8], found: u32| {
            let expected = if wanted { crc32c(0, bytes) } else { found };
            if expected == found { Ok(()) } else { Err(PeerError::PayloadCrc { section, expected, found }) }
        };
        check(self.crc_header, "front", &bytes[..middle_at], footer.front_crc)?;
        check(self.crc_header, "middle", &bytes[middle_at..data_at], footer.middle_crc)?;
        check(self.crc_data && !footer.no_data_crc, "data", &bytes[data_at..data_end], footer.data_crc)?;
        Ok(Message {
            kind: header.kind,
            tid: header.tid,
            priority: header.priority,
            version: header.version,
            compat_version: header.compat_version,
            data_off: header.data_off,
            front: bytes.slice(..middle_at),
            middle: bytes.slice(middle_at..data_at),
            data: bytes.slice(data_at..data_end),
            seq: header.seq,
            source: Some(header.source),
            permits: passage.permits,
            begun: Begun::default(),
        })
    }
}
