//! What the fuzzer runs: functions of arbitrary bytes that must hold whatever these are.
//!
//! The targets in `fuzz/` call these and nothing else, and so does an ordinary test for every input of the corpora. An
//! input is read as a little program rather than as a stream: bytes at random do not get past the first checksum.
//!
//! * [`decoder()`]: a stream of frames, whole, damaged or made up, gives the same events however it is split;
//! * [`acceptor`] and [`connector`]: the handshake, in both roles, with a peer that the input plays;
//! * [`session`]: a whole life of sessions with such a peer, beside another connection that must not notice.
//!
//! With `MSGR_TRACE=1` all but the first print what happens, as `fuzz/target/*/release/session FILE` does for one input.

mod act;
mod build;
mod decoder;
mod ear;
mod fields;
mod stage;
mod watch;

use act::Scene;

/// The receive half: no panic, memory in proportion to the input, and no split that changes what arrives. Also what the
/// formats make of the input's bytes themselves.
pub fn decoder(input: &[u8]) {
    decoder_within(input, || 0);
}

/// As [`decoder()`], where `live` says how many bytes are allocated.
pub fn decoder_within(input: &[u8], live: impl Fn() -> usize) {
    decoder::run(Source::new(input), &live);
}

/// A node that is dialled by peers who say whatever the input says.
pub fn acceptor(input: &[u8]) {
    act::run(Source::new(input), Scene::Acceptor);
}

/// A node that dials a peer who answers whatever the input says.
pub fn connector(input: &[u8]) {
    act::run(Source::new(input), Scene::Connector);
}

/// A node and a peer who can do everything: open, write, cut, dial again; the node sends, closes, and time passes.
pub fn session(input: &[u8]) {
    act::run(Source::new(input), Scene::Session);
}

/// Bytes that the long lengths of an input may add up to: many of them would only take time.
const LONG_BYTES_MAX: usize = 400 << 10;

/// The input, from its start on. At its end it gives zeros.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
    /// Bytes left for long lengths.
    long: usize,
}

impl<'a> Source<'a> {
    fn new(input: &'a [u8]) -> Source<'a> {
        Source { rest: input, long: LONG_BYTES_MAX }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// At most `most` bytes, as many as the next one says.
    fn bytes(&mut self, most: usize) -> &'a [u8] {
        let n = usize::from(self.byte()).min(most).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(n);
        self.rest = rest;
        bytes
    }

    /// A number: mostly a small one, in one byte.
    fn number(&mut self) -> u64 {
        /// Bytes from here up announce a longer number.
        const LONG: u8 = 0xf8;
        let first = self.byte();
        if first < LONG {
            return first.into();
        }
        // 1 to 8 bytes more.
        (0..=first - LONG).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn word(&mut self) -> u32 {
        self.number() as u32
    }

    /// A length: fine steps at first, coarse ones for the few that are large.
    fn length(&mut self) -> usize {
        match usize::from(self.byte()) {
            small @ 0..200 => small,
            large => {
                let length = ((large - 199) * 701).min(self.long);
                self.long -= length;
                length
            }
        }
    }
}
