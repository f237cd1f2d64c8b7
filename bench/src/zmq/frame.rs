//! What stands in a frame: a header and the payload, so that a message is one frame.
//!
//! libzmq takes a frame in one piece of memory, and its Rust bindings cannot let two frames share one. So the payload is
//! copied into each; as a frame of its own it would be as well, and a second frame would cost another turn of every queue.

use crate::wire::payload;

/// Opens a connection: answered alike, and not counted.
pub(super) const HELLO: u16 = 41;

/// The first bytes of a frame: the type of the message (see [`crate::wire`]) as two bytes, two of zero, and the slot that a
/// request and its reply belong to as four, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The type of the message.
    pub(super) kind: u16,
    /// The slot; 0 where there is none.
    pub(super) slot: u32,
}

impl Header {
    /// Its length.
    pub(super) const BYTES: usize = 8;

    /// The header of a frame; `None` when it is no frame of ours.
    pub(super) fn parse(frame: &[u8]) -> Option<Header> {
        match *frame.first_chunk()? {
            [a, b, 0, 0, c, d, e, f] => {
                Some(Header { kind: u16::from_le_bytes([a, b]), slot: u32::from_le_bytes([c, d, e, f]) })
            }
            _ => None,
        }
    }

    fn emit(self) -> [u8; Header::BYTES] {
        let ([a, b], [c, d, e, f]) = (self.kind.to_le_bytes(), self.slot.to_le_bytes());
        [a, b, 0, 0, c, d, e, f]
    }
}

/// A frame that is sent again and again with another header: only that is written each time.
#[derive(Debug)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    /// With a payload of so many bytes.
    pub(super) fn new(size: usize) -> Frame {
        let mut bytes = vec![0; Header::BYTES];
        bytes.extend_from_slice(&payload(size));
        Frame(bytes)
    }

    /// The frame with this header.
    pub(super) fn with(&mut self, kind: u16, slot: u32) -> &[u8] {
        self.0[..Header::BYTES].copy_from_slice(&Header { kind, slot }.emit());
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_strange_frames_are_refused() {
        let mut frame = Frame::new(3);
        let bytes = frame.with(0x1234, 0x89ab_cdef);
        assert_eq!(bytes.len(), Header::BYTES + 3);
        assert_eq!(Header::parse(bytes), Some(Header { kind: 0x1234, slot: 0x89ab_cdef }));
        assert_eq!(Header::parse(&[0; Header::BYTES - 1]), None);
        assert_eq!(Header::parse(b"ceph v027"), None);
    }
}
