//! The floors: bare TCP sockets doing the same as the messengers, without any messenger. What they reach is what the
//! kernel allows; ratios to `tcp` say what a messenger costs. Both sides of each wait alike, in one thread:
//!
//! | traffic | `tcp` | `tcp-epoll` | `tcp-spin` |
//! |---|---|---|---|
//! | one request in flight | blocking read and write | epoll | read again and again, without epoll |
//! | more in flight, or more peers | epoll | epoll | epoll that returns at once |
//! | stream of one peer | blocking reads of [`CHUNK`], a blocking write a message | epoll, a write a message | as `tcp`, again and again |
//! | streams of more peers | none | epoll, a write a message | epoll that returns at once |
//!
//! Peers are drawn like those of the messengers. `tcp-spin` takes a CPU for each side, and shows what waking up costs.
//! Sizes are those of the messengers' payloads, `TCP_NODELAY` is set, and there is no framing: each connection begins
//! with a [`Preamble`], from which on both sides know the size of everything.

mod blocking;
mod clock;
mod echo;
mod flood;
mod generator;
mod load;
mod serve;
mod spin;

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::parse::SIZE_MAX;

pub(crate) use clock::Clock;
pub(crate) use load::connect;
pub(crate) use serve::Served;

/// Bytes read at a time: few system calls for small messages, and small enough for a core's own cache.
const CHUNK: usize = 64 << 10;

/// How long a blocking or spinning read or write may take before the sample is given up: far longer than any
/// scheduling delay, shorter than the patience of `run`.
const STALL_MAX: Duration = Duration::from_secs(10);

/// How long a new connection may take to send its preamble, which its first packet holds.
const PREAMBLE_WITHIN: Duration = Duration::from_secs(5);

/// How often an event loop looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a connection will carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// One request at a time over the only connection, waited for in the calls.
    OneByOne,
    /// Requests over any number of connections, waited for in an event loop.
    Requests,
    /// Messages one way over the only connection, waited for in the calls.
    Stream,
    /// Messages one way over any number of connections, waited for in an event loop.
    Streams,
}

/// The first bytes of each connection: `flr2`, the traffic as one byte, three zero bytes, and the payload sizes of requests
/// (or messages) and replies as eight bytes each, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Preamble {
    traffic: Traffic,
    size: u64,
    reply: u64,
}

impl Preamble {
    const BYTES: usize = 24;
    const MAGIC: [u8; 4] = *b"flr2";

    fn emit(self) -> [u8; Preamble::BYTES] {
        let mut bytes = [0; Preamble::BYTES];
        bytes[..4].copy_from_slice(&Preamble::MAGIC);
        bytes[4] = match self.traffic {
            Traffic::OneByOne => 0,
            Traffic::Requests => 1,
            Traffic::Stream => 2,
            Traffic::Streams => 3,
        };
        bytes[8..16].copy_from_slice(&self.size.to_le_bytes());
        bytes[16..].copy_from_slice(&self.reply.to_le_bytes());
        bytes
    }

    fn parse(bytes: [u8; Preamble::BYTES]) -> io::Result<Preamble> {
        let (head, sizes) = bytes.split_at(8);
        let (size, reply) = sizes.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| io::ErrorKind::InvalidData);
        let (size, reply) = (number(size)?, number(reply)?);
        let traffic = match *head {
            [b'f', b'l', b'r', b'2', 0, 0, 0, 0] => Traffic::OneByOne,
            [b'f', b'l', b'r', b'2', 1, 0, 0, 0] => Traffic::Requests,
            [b'f', b'l', b'r', b'2', 2, 0, 0, 0] => Traffic::Stream,
            [b'f', b'l', b'r', b'2', 3, 0, 0, 0] => Traffic::Streams,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer is no load side of the floor")),
        };
        if size == 0 || !(1..=SIZE_MAX).contains(&reply) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer announced messages of no bytes, or too many",
            ));
        }
        Ok(Preamble { traffic, size, reply })
    }

    fn read(from: &mut impl Read) -> io::Result<Preamble> {
        let mut bytes = [0; Preamble::BYTES];
        from.read_exact(&mut bytes)?;
        Preamble::parse(bytes)
    }
}

/// Bytes that are to be written to a non-blocking socket, all of them from one reusable buffer: only their number is
/// kept.
#[derive(Debug, Default)]
struct Backlog {
    /// Bytes of the unit that is being written which are out already.
    written: usize,
    /// Whole units to write, the one that is being written included.
    units: usize,
}

impl Backlog {
    /// So many more units are to be written.
    fn push(&mut self, units: usize) {
        self.units += units;
    }

    /// Writes as much as the socket takes; true when nothing is left. `units` holds one unit of `unit` bytes or several,
    /// one after another, so that small ones leave in one call.
    fn write(&mut self, to: &mut impl Write, units: &[u8], unit: usize) -> io::Result<bool> {
        let at_once = units.len() / unit;
        while self.units > 0 {
            let end = self.units.min(at_once) * unit;
            match to.write(&units[self.written..end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.units -= (self.written + n) / unit;
                    self.written = (self.written + n) % unit;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// An interrupted wait is no error.
pub(crate) fn retry(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// Replies one after another, so that an event loop answers all requests of one read in one write.
fn replies(reply: usize) -> Vec<u8> {
    /// Bytes of them: those to 128 requests, when replies are small.
    const AT_ONCE: usize = 8 << 10;
    crate::wire::payload(reply).repeat((AT_ONCE / reply).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes a call, then blocks once.
    #[derive(Default)]
    struct Narrow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_backlog_survives_partial_writes() {
        let mut narrow = Narrow::default();
        let mut backlog = Backlog::default();
        backlog.push(5);
        while !backlog.write(&mut narrow, b"abcdabcd", 4).unwrap() {}
        assert_eq!(narrow.taken, b"abcd".repeat(5));
    }

    #[test]
    fn a_preamble_reads_back_and_others_are_refused() {
        for traffic in [Traffic::OneByOne, Traffic::Requests, Traffic::Stream, Traffic::Streams] {
            let preamble = Preamble { traffic, size: 4096, reply: 64 };
            assert_eq!(Preamble::parse(preamble.emit()).unwrap(), preamble);
        }
        assert!(Preamble::parse(*b"ceph v027 banner, and so").is_err());
        assert!(Preamble::parse(Preamble { traffic: Traffic::Stream, size: 0, reply: 64 }.emit()).is_err());
    }
}
