//! The receive half: bytes in, messages and control frames out.
//!
//! Owned by the one thread that reads the socket, so it needs no lock. Input arrives as reference-counted chunks;
//! small messages are slices of them. A body of 4 KiB or more that is not all there yet gets a buffer of its own into
//! which the socket is read directly, growing as bytes arrive, so that an announced length alone costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::config::Config;
use crate::error::PeerError;
use crate::message::{Message, Permits};
use crate::throttle::{Permit, Throttle, Wait};
use crate::wire::crc::crc32c;
use crate::wire::frame::SMALL_FRAME_LEN;
use crate::wire::{Footer, HEADER_LEN, Header, Stamp, footer, tag};

use super::readahead::{ReadAhead, ReadInto};

/// Bodies from this size up are read into a buffer of their own unless they are complete already.
const DIRECT_MIN: usize = 4 << 10;
/// First allocation for such a body; doubled as it fills.
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
    /// Throttles a message passes before its payload is taken, in this order: policy messages, policy bytes, dispatch.
    pub throttles: [Option<Arc<Throttle>>; 3],
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

struct Body {
    header: Header,
    /// Sections and footer.
    len: usize,
    permits: Permits,
    /// Throttles passed.
    passed: usize,
    /// The body so far, when it has a buffer of its own.
    own: Option<Vec<u8>>,
}

/// See the module.
pub struct RecvHalf {
    rest: Bytes,
    body: Option<Body>,
    in_seq: u64,
    old_messages: u64,
    footer_len: usize,
    crc_header: bool,
    crc_data: bool,
    front_max: u64,
    data_max: u64,
    prefetch: usize,
    bulk: bool,
    throttles: [Option<Arc<Throttle>>; 3],
    granted: Arc<Mutex<Option<Permit>>>,
    waiting: Option<Wait>,
}

impl RecvHalf {
    /// A receive half that starts with an empty input.
    #[must_use]
    pub fn new(params: RecvParams, config: &Config) -> RecvHalf {
        RecvHalf {
            rest: Bytes::new(),
            body: None,
            in_seq: params.in_seq,
            old_messages: 0,
            footer_len: footer::len(params.features),
            crc_header: config.ms_crc_header,
            crc_data: config.ms_crc_data,
            front_max: config.ms_max_front_bytes,
            data_max: config.ms_max_data_bytes,
            prefetch: usize::try_from(config.ms_tcp_prefetch_max_size).unwrap_or(usize::MAX).max(HEADER_LEN),
            bulk: false,
            throttles: params.throttles,
            granted: Arc::default(),
            waiting: None,
        }
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

    /// Adds input that a stack received on its own.
    pub fn push(&mut self, chunk: Bytes) {
        if let Some(Body { own: Some(own), .. }) = &mut self.body {
            own.extend_from_slice(&chunk);
        } else if self.rest.is_empty() {
            self.rest = chunk;
        } else {
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
            let want = *len - own.len() + self.prefetch;
            if own.len() == own.capacity() {
                own.reserve_exact(want.min(own.len()));
            }
            let room = own.capacity() - own.len();
            return read(ReadInto::Append(own)).map(|n| (room, n));
        }
        let limit = if self.bulk { self.prefetch } else { usize::MAX };
        let carried = self.rest.len();
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
        if self.waiting.is_none() {
            self.rest = if self.rest.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&self.rest) };
        }
    }

    /// The next thing that arrived.
    ///
    /// # Errors
    /// The peer broke the protocol; the connection cannot go on.
    pub fn poll(&mut self) -> Result<Next, PeerError> {
        loop {
            if self.body.is_none() {
                match self.frame()? {
                    Some(next) => return Ok(next),
                    None if self.body.is_none() => return Ok(Next::Bytes),
                    None => {}
                }
            }
            if !self.take_permits() {
                return Ok(Next::Permit);
            }
            match self.message()? {
                None => return Ok(Next::Bytes),
                Some(message) if message.seq <= self.in_seq => self.old_messages += 1,
                Some(message) => {
                    self.in_seq = message.seq;
                    return Ok(Next::Item(Incoming::Message(message)));
                }
            }
        }
    }

    /// Parses a tag and what belongs to it; a message's header becomes `self.body`.
    fn frame(&mut self) -> Result<Option<Next>, PeerError> {
        let Some(&tag) = self.rest.first() else { return Ok(None) };
        let value = |rest: &Bytes| rest.get(1..SMALL_FRAME_LEN).and_then(|raw| <[u8; 8]>::try_from(raw).ok());
        let (item, len) = match tag {
            tag::MSG => {
                let Some(raw) = self.rest.get(1..=HEADER_LEN) else { return Ok(None) };
                let Ok(raw) = <&[u8; HEADER_LEN]>::try_from(raw) else { return Ok(None) };
                let header = Header::parse(raw, self.crc_header)?;
                self.begin_body(header)?;
                let _ = self.rest.split_to(1 + HEADER_LEN);
                return Ok(None);
            }
            tag::KEEPALIVE => (Incoming::Keepalive, 1),
            tag::CLOSE => (Incoming::Close, 1),
            tag::ACK | tag::KEEPALIVE2 | tag::KEEPALIVE2_ACK => {
                let Some(raw) = value(&self.rest) else { return Ok(None) };
                let item = match tag {
                    tag::ACK => Incoming::Ack(u64::from_le_bytes(raw)),
                    tag::KEEPALIVE2 => Incoming::Keepalive2(Stamp::parse(raw)),
                    _ => Incoming::Keepalive2Ack(Stamp::parse(raw)),
                };
                (item, SMALL_FRAME_LEN)
            }
            tag => return Err(PeerError::BadTag { tag }),
        };
        let _ = self.rest.split_to(len);
        Ok(Some(Next::Item(item)))
    }

    fn begin_body(&mut self, header: Header) -> Result<(), PeerError> {
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
        self.body = Some(Body { header, len, permits: Permits::default(), passed: 0, own: None });
        Ok(())
    }

    /// Takes the permits the present message still lacks; false when one must be waited for.
    fn take_permits(&mut self) -> bool {
        let Some(body) = &mut self.body else { return true };
        while let Some(throttle) = self.throttles.get(body.passed) {
            let size = body.header.payload_len();
            let units = if body.passed == 0 { 1 } else { size };
            let needed = throttle.as_ref().filter(|_| units > 0);
            if let Some(throttle) = needed {
                let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner).take();
                if self.waiting.is_some() && granted.is_none() {
                    return false;
                }
                self.waiting = None;
                let Some(permit) = granted.or_else(|| throttle.try_take(units)) else { return false };
                match body.passed {
                    0 => body.permits.message = Some(permit),
                    1 => body.permits.bytes = Some(permit),
                    _ => body.permits.dispatch = Some(permit),
                }
            }
            body.passed += 1;
        }
        true
    }

    /// Queues for the permit that [`Next::Permit`] asked for; `wake` is called, from any thread, once it is granted.
    /// Returns true when it was granted on the spot: ask [`RecvHalf::poll`] again.
    pub fn wait(&mut self, wake: impl FnOnce() + Send + 'static) -> bool {
        let Some(body) = &self.body else { return true };
        let Some(Some(throttle)) = self.throttles.get(body.passed) else { return true };
        if self.waiting.is_some() {
            return false;
        }
        let units = if body.passed == 0 { 1 } else { body.header.payload_len() };
        let slot = Arc::clone(&self.granted);
        let granted = throttle.take_or_wait(units, move |permit| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
            wake();
        });
        match granted {
            Ok(permit) => {
                *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
                true
            }
            Err(wait) => {
                self.waiting = Some(wait);
                false
            }
        }
    }

    /// True while a throttle holds a message back: reading on would only pile up input.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The present message, if all of it is here.
    fn message(&mut self) -> Result<Option<Message>, PeerError> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let bytes = match &mut body.own {
            Some(own) if own.len() < body.len => return Ok(None),
            Some(own) => {
                let mut bytes = Bytes::from(std::mem::take(own));
                self.rest = bytes.split_off(body.len);
                bytes
            }
            None if self.rest.len() >= body.len => self.rest.split_to(body.len),
            None => {
                if body.len >= DIRECT_MIN {
                    let mut own = Vec::with_capacity((body.len + self.prefetch).min(DIRECT_STEP));
                    own.extend_from_slice(&self.rest);
                    self.rest = Bytes::new();
                    body.own = Some(own);
                }
                return Ok(None);
            }
        };
        let Some(Body { header, permits, .. }) = self.body.take() else { return Ok(None) };
        self.assemble(header, permits, bytes).map(Some)
    }

    /// Cuts a complete body into its sections and checks them against the footer.
    fn assemble(&self, header: Header, permits: Permits, mut bytes: Bytes) -> Result<Message, PeerError> {
        let footer = bytes.split_off(bytes.len() - self.footer_len);
        let footer = Footer::parse(&footer).unwrap_or_default();
        if !footer.complete {
            return Err(PeerError::Incomplete);
        }
        let front = bytes.split_to(header.front_len as usize);
        let middle = bytes.split_to(header.middle_len as usize);
        let data = bytes;
        let check = |wanted: bool, section: &'static str, bytes: &Bytes, found: u32| {
            let expected = if wanted { crc32c(0, bytes) } else { found };
            if expected == found { Ok(()) } else { Err(PeerError::PayloadCrc { section, expected, found }) }
        };
        check(self.crc_header, "front", &front, footer.front_crc)?;
        check(self.crc_header, "middle", &middle, footer.middle_crc)?;
        check(self.crc_data && !footer.no_data_crc, "data", &data, footer.data_crc)?;
        Ok(Message {
            kind: header.kind,
            tid: header.tid,
            priority: header.priority,
            version: header.version,
            compat_version: header.compat_version,
            data_off: header.data_off,
            front,
            middle,
            data,
            seq: header.seq,
            source: Some(header.source),
            permits,
        })
    }
}
