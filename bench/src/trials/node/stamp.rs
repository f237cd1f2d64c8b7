//! What the messages of a trial carry: who sent which one, and bytes that the receiver can check.

use bytes::Bytes;

/// A message that is checked and answered from fast dispatch.
pub(super) const REQUEST: u16 = 42;

/// The same through the dispatch queue.
pub(super) const QUEUED_REQUEST: u16 = 43;

/// The answer to either, with its front and data.
pub(super) const ECHO: u16 = 44;

/// A stranger's message: counted, and not looked at.
pub(crate) const STRANGE: u16 = 45;

/// A stranger's message that is answered with its own data.
pub(crate) const STRANGE_ECHO: u16 = 46;

/// A stranger's message upon which the server marks the connection down.
pub(crate) const STRANGE_BYE: u16 = 47;

/// Bytes that payloads are cut from. Longer than the longest payload, so that most cuts differ.
const PATTERN_BYTES: usize = 256 << 10;

/// Longest payload of a trial.
const PAYLOAD_MAX: u64 = 64 << 10;

/// The front of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which process of the load side sent the request.
    pub(super) client: u64,
    /// Which process of the serving side answered it; 0 in a request.
    pub(super) server: u64,
    /// The peer, from 0.
    pub(super) peer: u64,
    /// The request's number, from 1; each process of the load side counts anew.
    pub(super) number: u64,
}

impl Stamp {
    const LEN: usize = 32;

    pub(super) fn emit(self) -> Bytes {
        let fields = [self.client, self.server, self.peer, self.number];
        let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        bytes.into()
    }

    /// `None` when that is no stamp.
    pub(super) fn parse(front: &[u8]) -> Option<Stamp> {
        if front.len() != Stamp::LEN {
            return None;
        }
        let field = |at: usize| {
            let mut raw = [0; 8];
            raw.copy_from_slice(&front[8 * at..8 * at + 8]);
            u64::from_le_bytes(raw)
        };
        Some(Stamp { client: field(0), server: field(1), peer: field(2), number: field(3) })
    }
}

/// Payloads that both sides can make: the same seed gives the same bytes for the same peer and number.
#[derive(Debug)]
pub(super) struct Pattern {
    seed: u64,
    least: u64,
    most: u64,
    bytes: Bytes,
}

impl Pattern {
    /// Payloads of `least` to `most` bytes, as many between 64 and 128 as between 8,192 and 16,384.
    pub(super) fn new(seed: u64, (least, most): (u64, u64)) -> Pattern {
        let mut bytes = vec![0; PATTERN_BYTES];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        Pattern { seed, least: least.min(PAYLOAD_MAX), most: most.min(PAYLOAD_MAX), bytes: bytes.into() }
    }

    /// The data of a message.
    pub(super) fn data(&self, peer: u64, number: u64) -> Bytes {
        let mut random = fastrand::Rng::with_seed(self.seed ^ peer.rotate_left(48) ^ number.rotate_left(8));
        let size = self.size(random.f64());
        let from = random.usize(..=PATTERN_BYTES - size);
        self.bytes.slice(from..from + size)
    }

    /// A size whose logarithm is drawn evenly.
    fn size(&self, draw: f64) -> usize {
        let (least, most) = (self.least.max(1) as f64, self.most.max(1) as f64);
        let size = (least.ln() + draw * (most.ln() - least.ln())).exp().round();
        (size as u64).clamp(self.least, self.most.max(self.least)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_nothing_else_does() {
        let stamp = Stamp { client: 1, server: u64::MAX, peer: 3, number: 1 << 40 };
        assert_eq!(Stamp::parse(&stamp.emit()), Some(stamp));
        assert_eq!(Stamp::parse(b"something shorter"), None);
    }

    #[test]
    fn payloads_differ_by_message_and_keep_to_their_bounds() {
        let pattern = Pattern::new(7, (64, 16 << 10));
        let sizes: Vec<usize> = (1..2000).map(|number| pattern.data(3, number).len()).collect();
        assert!(sizes.iter().all(|size| (64..=16 << 10).contains(size)));
        let small = sizes.iter().filter(|size| **size < 1024).count();
        assert!((800..1200).contains(&small), "half of them are below the geometric mean: {small}");
        assert_eq!(pattern.data(3, 9), Pattern::new(7, (64, 16 << 10)).data(3, 9));
        assert_ne!(pattern.data(3, 9), pattern.data(4, 9));
        assert_eq!(Pattern::new(7, (64, 64)).data(1, 1).len(), 64);
    }
}
