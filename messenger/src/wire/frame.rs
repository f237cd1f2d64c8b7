//! The small frames of an open session: ACK and the keepalives.

use super::tag;

/// Length of an ACK, a KEEPALIVE2 and a KEEPALIVE2_ACK, tag included.
pub const SMALL_FRAME_LEN: usize = 9;

/// A wall-clock time of the keepalive's sender, echoed by its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970.
    pub sec: u32,
    /// Nanoseconds.
    pub nsec: u32,
}

impl Stamp {
    /// Decodes the 8 bytes behind the tag.
    #[must_use]
    pub fn parse(raw: [u8; 8]) -> Stamp {
        let value = u64::from_le_bytes(raw);
        Stamp { sec: value as u32, nsec: (value >> 32) as u32 }
    }
}

/// ACK: everything up to `seq` arrived.
#[must_use]
pub fn ack(seq: u64) -> [u8; SMALL_FRAME_LEN] {
    small(tag::ACK, seq)
}

/// KEEPALIVE2 with the sender's stamp.
#[must_use]
pub fn keepalive2(stamp: Stamp) -> [u8; SMALL_FRAME_LEN] {
    small(tag::KEEPALIVE2, u64::from(stamp.nsec) << 32 | u64::from(stamp.sec))
}

/// KEEPALIVE2_ACK with the stamp echoed.
#[must_use]
pub fn keepalive2_ack(stamp: Stamp) -> [u8; SMALL_FRAME_LEN] {
    small(tag::KEEPALIVE2_ACK, u64::from(stamp.nsec) << 32 | u64::from(stamp.sec))
}

fn small(tag: u8, value: u64) -> [u8; SMALL_FRAME_LEN] {
    let mut out = [tag; SMALL_FRAME_LEN];
    out[1..].copy_from_slice(&value.to_le_bytes());
    out
}
