//! The receiving thread's read buffer.

use bytes::{Bytes, BytesMut};

/// Room of a fresh buffer, bytes: holds a 4 KiB message with its framing.
const ROOM_MIN: usize = 8 << 10;
/// Room the buffer grows to while reads fill it. Several hundred small messages; more only moves the work out of the
/// processor's cache.
const ROOM_MAX: usize = 128 << 10;

/// A buffer for what a socket has to give, owned by the thread that reads and shared by all connections it reads.
///
/// What was read is handed out as reference-counted slices and the buffer is used again once they are gone, so small
/// messages are neither copied nor allocated for. It starts small and doubles while reads fill it: an idle reader
/// costs little.
#[derive(Debug)]
pub struct ReadAhead {
    /// Initialised bytes to read into; what is behind them has been handed out.
    window: BytesMut,
    room: usize,
    /// Holds an unparsed remainder while the buffer is renewed.
    carried: Vec<u8>,
}

/// Where the next bytes of a connection are to go.
#[derive(Debug)]
pub enum ReadInto<'a> {
    /// Into this buffer, from its start.
    Slice(&'a mut [u8]),
    /// Behind what the vector holds, within its capacity.
    Append(&'a mut Vec<u8>),
}

impl Default for ReadAhead {
    fn default() -> ReadAhead {
        ReadAhead::new()
    }
}

impl ReadAhead {
    /// A buffer that allocates with its first use.
    #[must_use]
    pub fn new() -> ReadAhead {
        ReadAhead { window: BytesMut::new(), room: ROOM_MIN, carried: Vec::new() }
    }

    /// Room for at most `limit` bytes behind a copy of `carry`, which is left empty.
    pub(crate) fn space(&mut self, carry: &mut Bytes, limit: usize) -> &mut [u8] {
        let start = carry.len();
        // Renewing means clearing the whole buffer, so half of it is used up first.
        if self.window.len() < start + (self.room / 2).min(limit) {
            self.carried.clear();
            self.carried.extend_from_slice(carry);
            // The remainder may be a slice of this very buffer, which could not be reclaimed while it lives.
            *carry = Bytes::new();
            self.window.clear();
            self.window.reserve(start + self.room);
            self.window.resize(start + self.room, 0);
            self.window[..start].copy_from_slice(&self.carried);
        } else {
            self.window[..start].copy_from_slice(carry);
            *carry = Bytes::new();
        }
        let end = self.window.len().min(start + self.room.min(limit));
        &mut self.window[start..end]
    }

    /// Hands out what was carried and the `n` bytes read into the space of `room` bytes behind it.
    pub(crate) fn filled(&mut self, carried: usize, n: usize, room: usize) -> Bytes {
        if n == room && room >= self.room / 2 {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
        self.window.split_to(carried + n).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ahead: &mut ReadAhead, carry: &mut Bytes, data: &[u8]) -> Bytes {
        let carried = carry.len();
        let space = ahead.space(carry, usize::MAX);
        let room = space.len();
        space[..data.len()].copy_from_slice(data);
        ahead.filled(carried, data.len(), room)
    }

    #[test]
    fn a_remainder_stays_in_front_of_what_is_read_next() {
        let mut ahead = ReadAhead::new();
        let mut chunk = read(&mut ahead, &mut Bytes::new(), b"hello wor");
        let mut rest = chunk.split_off(6);
        assert_eq!(read(&mut ahead, &mut rest, b"ld"), "world");
    }

    #[test]
    fn the_buffer_is_used_again_once_its_slices_are_gone() {
        let mut ahead = ReadAhead::new();
        let first = read(&mut ahead, &mut Bytes::new(), &[1; ROOM_MIN]);
        let base = first.as_ptr();
        drop(first);
        ahead.room = ROOM_MIN;
        assert_eq!(read(&mut ahead, &mut Bytes::new(), b"x").as_ptr(), base);
    }

    #[test]
    fn slices_held_by_the_application_are_not_overwritten() {
        let mut ahead = ReadAhead::new();
        let kept: Vec<Bytes> = (0..50u8).map(|i| read(&mut ahead, &mut Bytes::new(), &[i; 3000])).collect();
        for (i, slice) in kept.iter().enumerate() {
            assert!(slice.iter().all(|byte| usize::from(*byte) == i));
        }
    }

    #[test]
    fn full_reads_make_it_grow_up_to_the_bound() {
        let mut ahead = ReadAhead::new();
        for _ in 0..10 {
            let room = ahead.space(&mut Bytes::new(), usize::MAX).len();
            ahead.filled(0, room, room);
        }
        assert_eq!(ahead.room, ROOM_MAX);
        assert_eq!(ahead.space(&mut Bytes::new(), 100).len(), 100);
    }
}
