//! Takes the two directions of a connection apart into [`Piece`]s.

use std::io::{self, Read};
use std::sync::Mutex;

use msgr::Authorizer;
use msgr::wire::crc::crc32c;
use msgr::wire::{
    ADDRESS_LEN, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, Footer, HEADER_LEN, Header, REPLY_LEN, Stamp, address,
    banner, footer, tag,
};

use super::piece::{End, Piece, Received, Reply};

/// What both directions of a connection must know of each other to be taken apart.
#[derive(Default)]
pub struct Handshake {
    /// What the connector offered last.
    offered: u64,
    /// Set by the reply that opens: the features in common, and whether the connector owes its sequence number.
    opened: Option<(u64, bool)>,
}

impl Handshake {
    /// Notes a connect.
    pub fn connect(&mut self, connect: &Connect) {
        self.offered = connect.features;
    }

    /// Notes a reply.
    pub fn reply(&mut self, reply: &Reply) {
        if reply.opens() {
            self.opened = Some((self.offered & reply.fixed.features, reply.in_seq.is_some()));
        }
    }

    /// The features in common; 0 before the session opened.
    pub fn features(&self) -> u64 {
        self.opened.map_or(0, |(features, _)| features)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Banner,
    Address,
    Connects,
    Frames,
}

/// Takes one direction apart.
pub struct Pieces {
    from: End,
    stage: Stage,
}

impl Pieces {
    /// For the direction in which `from` speaks.
    pub fn new(from: End) -> Pieces {
        Pieces { from, stage: Stage::Banner }
    }

    /// The next piece and its bytes. Notes in `handshake` what the other direction must know.
    ///
    /// # Errors
    /// Those of the stream, and `InvalidData` for what does not decode.
    pub fn next(&mut self, stream: &mut impl Read, handshake: &Mutex<Handshake>) -> io::Result<(Piece, Vec<u8>)> {
        let mut bytes = Bytes { stream, taken: Vec::new() };
        // Where the stream stands is known for certain only once the next piece has begun: only then the other side
        // has seen what came before.
        let first = match bytes.take::<1>() {
            Ok([first]) => first,
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return Ok((Piece::Closed, Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let opened = handshake.lock().unwrap().opened;
        let piece = match (self.stage, self.from) {
            (Stage::Banner, End::Connector) => {
                bytes.until(BANNER_LEN)?;
                self.stage = Stage::Address;
                banner::check(bytes.at(0)).map(|()| Piece::Banner).map_err(bad)?
            }
            (Stage::Address, _) => {
                bytes.until(ADDRESS_LEN)?;
                self.stage = Stage::Connects;
                Piece::Address(address::parse(bytes.at(0)).map_err(bad)?)
            }
            (Stage::Banner, End::Acceptor) => {
                bytes.until(BANNER_LEN + 2 * ADDRESS_LEN)?;
                self.stage = Stage::Connects;
                banner::check(bytes.at(0)).map_err(bad)?;
                let [own, seen] = [0, 1].map(|n| address::parse(bytes.at(BANNER_LEN + n * ADDRESS_LEN)).map_err(bad));
                Piece::Greeting(own?, seen?)
            }
            (Stage::Connects, End::Connector) if opened.is_none() => {
                bytes.until(CONNECT_LEN)?;
                let connect = Connect::parse(bytes.at(0));
                let data = bytes.more(connect.authorizer_len as usize)?.to_vec();
                handshake.lock().unwrap().connect(&connect);
                Piece::Connect(connect, Authorizer { protocol: connect.authorizer_protocol, data })
            }
            (Stage::Connects, End::Connector) if opened.is_some_and(|(_, exchange)| exchange) => {
                bytes.until(8)?;
                self.stage = Stage::Frames;
                Piece::InSeq(u64::from_le_bytes(*bytes.at(0)))
            }
            (Stage::Connects, End::Acceptor) => {
                bytes.until(REPLY_LEN)?;
                let fixed = ConnectReply::parse(bytes.at(0));
                bytes.more(fixed.authorizer_len as usize)?;
                let in_seq = if fixed.tag == tag::SEQ { Some(u64::from_le_bytes(bytes.take()?)) } else { None };
                let reply = Reply { fixed, in_seq };
                handshake.lock().unwrap().reply(&reply);
                self.stage = if reply.opens() { Stage::Frames } else { Stage::Connects };
                Piece::Reply(reply)
            }
            (Stage::Connects, End::Connector) | (Stage::Frames, _) => {
                self.stage = Stage::Frames;
                frame(first, &mut bytes, opened.map_or(0, |(features, _)| features))?
            }
        };
        Ok((piece, bytes.taken))
    }
}

fn frame(first: u8, bytes: &mut Bytes<'_, impl Read>, features: u64) -> io::Result<Piece> {
    Ok(match first {
        tag::MSG => {
            let header = Header::parse(&bytes.take::<HEADER_LEN>()?, true).map_err(bad)?;
            let sections = [header.front_len, header.middle_len, header.data_len];
            let mut crcs = [0; 3];
            let mut front = Vec::new();
            for (n, len) in sections.into_iter().enumerate() {
                let section = bytes.more(len as usize)?;
                crcs[n] = crc32c(0, section);
                if n == 0 {
                    front = section.to_vec();
                }
            }
            let footer_len = footer::len(features);
            let footer = Footer::parse(bytes.more(footer_len)?).ok_or_else(|| bad("a footer"))?;
            if crcs != [footer.front_crc, footer.middle_crc, footer.data_crc] {
                return Err(bad("a section's crc"));
            }
            Piece::Message(Received { header, front, footer, footer_len })
        }
        tag::ACK => Piece::Ack(u64::from_le_bytes(bytes.take()?)),
        tag::KEEPALIVE2 => Piece::Keepalive(Stamp::parse(bytes.take()?)),
        tag::KEEPALIVE2_ACK => Piece::KeepaliveAck(Stamp::parse(bytes.take()?)),
        other => return Err(bad(format!("a frame with tag {other}"))),
    })
}

/// A stream, and what was taken off it for the present piece.
struct Bytes<'a, R> {
    stream: &'a mut R,
    taken: Vec<u8>,
}

impl<R: Read> Bytes<'_, R> {
    /// Takes `len` bytes more.
    fn more(&mut self, len: usize) -> io::Result<&[u8]> {
        let start = self.taken.len();
        self.taken.resize(start + len, 0);
        self.stream.read_exact(&mut self.taken[start..])?;
        Ok(&self.taken[start..])
    }

    /// Takes what is missing to `len` bytes.
    fn until(&mut self, len: usize) -> io::Result<&[u8]> {
        self.more(len - self.taken.len())
    }

    /// Takes `N` bytes more.
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.more(N)?);
        Ok(array)
    }

    /// `N` of the bytes taken.
    fn at<const N: usize>(&self, start: usize) -> &[u8; N] {
        self.taken[start..].first_chunk().unwrap()
    }
}

fn bad(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
