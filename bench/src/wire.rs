//! What the two sides of a measurement agree on: message types and sizes.

/// A request of a ping-pong; its `tid` is the slot of the latency table that it belongs to.
pub(crate) const REQUEST: u16 = 42;

/// The answer to a [`REQUEST`], with the same `tid`.
pub(crate) const REPLY: u16 = 43;

/// A message of a stream that asks for nothing.
pub(crate) const STREAM: u16 = 44;

/// The last message of a quarter of the window: asks for credit for another quarter.
pub(crate) const STREAM_MARK: u16 = 45;

/// The answer to a [`STREAM_MARK`].
pub(crate) const CREDIT: u16 = 46;

/// Payload bytes of a [`REPLY`] unless told otherwise, as small as the answers of a storage daemon to writes.
pub(crate) const REPLY_BYTES: u64 = 64;

/// Messages a stream may have under way on one connection: enough to keep both sides busy while credit travels, also
/// when messages are small.
const WINDOW_MESSAGES: u64 = 4096;

/// Bytes a stream may have under way on one connection: more than socket buffers hold by default, little enough to stay
/// in the caches' reach.
const WINDOW_BYTES: u64 = 8 << 20;

/// Bytes that all streams together may have under way, so that a thousand peers do not fill the memory with queues.
const WINDOW_BYTES_ALL: u64 = 64 << 20;

/// Parts of a window that are granted at a time, so that credit is under way while messages are.
pub(crate) const WINDOW_PARTS: u32 = 4;

/// The window of each of `peers` streams of `size` bytes a message, unless one is given: a multiple of
/// [`WINDOW_PARTS`].
pub(crate) fn window(size: u64, peers: u32, given: Option<u32>) -> u32 {
    let bytes = WINDOW_BYTES.min(WINDOW_BYTES_ALL / u64::from(peers.max(1)));
    let bounded = (bytes / size.max(1)).min(WINDOW_MESSAGES);
    let window = given.unwrap_or(u32::try_from(bounded).unwrap_or(u32::MAX));
    (window / WINDOW_PARTS * WINDOW_PARTS).max(WINDOW_PARTS)
}

/// A payload of `size` bytes that are neither zero nor alike, the same for the same size.
pub(crate) fn payload(size: usize) -> bytes::Bytes {
    let mut random = fastrand::Rng::with_seed(size as u64);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_bounded_by_messages_and_by_bytes() {
        assert_eq!(window(64, 1, None), 4096);
        assert_eq!(window(64 << 10, 1, None), 128);
        assert_eq!(window(64 << 20, 1, None), WINDOW_PARTS);
        assert_eq!(window(4096, 1024, None), 16);
        assert_eq!(window(64, 1, Some(18)), 16);
    }

    #[test]
    fn payloads_are_the_same_each_time() {
        assert_eq!(payload(100), payload(100));
        assert!(payload(100).iter().any(|byte| *byte != 0));
    }
}
