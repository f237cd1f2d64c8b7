//! What of the handshake or of a frame belongs together, and how the tables write it.

use std::fmt;

use msgr::wire::{Connect, ConnectReply, Footer, Header, Stamp, tag};
use msgr::{Authorizer, EntityAddr, EntityName};

use super::body::kind;

/// What the monitor calls itself; those of ours have no number.
const THE_MONITOR: EntityName = EntityName::mon(0);

/// One of a connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that dialled.
    Connector,
    /// The one that was dialled.
    Acceptor,
}

/// A reply to a connect, with the number behind it if it is SEQ.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Its fixed part.
    pub fixed: ConnectReply,
    /// What the acceptor has received.
    pub in_seq: Option<u64>,
}

impl Reply {
    /// Whether it opens the session.
    pub fn opens(&self) -> bool {
        matches!(self.fixed.tag, tag::READY | tag::SEQ)
    }
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its header, with a right crc.
    pub header: Header,
    /// Its front, with a right crc.
    pub front: Vec<u8>,
    /// Its footer.
    pub footer: Footer,
    /// Bytes of its footer.
    pub footer_len: usize,
}

/// What belongs together.
#[derive(Clone, Debug)]
pub enum Piece {
    /// The connector's banner.
    Banner,
    /// The connector's address.
    Address(EntityAddr),
    /// The acceptor's banner, its address, and the address it sees.
    Greeting(EntityAddr, EntityAddr),
    /// A connect.
    Connect(Connect, Authorizer),
    /// A reply to one.
    Reply(Reply),
    /// What the connector has received.
    InSeq(u64),
    /// A message.
    Message(Received),
    /// An acknowledgement.
    Ack(u64),
    /// A keepalive.
    Keepalive(Stamp),
    /// The answer to one.
    KeepaliveAck(Stamp),
    /// The end of the stream.
    Closed,
}

/// The name of a reply's tag.
fn reply_name(tag: u8) -> String {
    let known = [
        (tag::READY, "READY"),
        (tag::RESETSESSION, "RESETSESSION"),
        (tag::WAIT, "WAIT"),
        (tag::RETRY_SESSION, "RETRY_SESSION"),
        (tag::RETRY_GLOBAL, "RETRY_GLOBAL"),
        (tag::BADPROTOVER, "BADPROTOVER"),
        (tag::BADAUTHORIZER, "BADAUTHORIZER"),
        (tag::FEATURES, "FEATURES"),
        (tag::SEQ, "SEQ"),
        (tag::CHALLENGE_AUTHORIZER, "CHALLENGE_AUTHORIZER"),
    ];
    known.iter().find(|(its, _)| *its == tag).map_or_else(|| format!("tag {tag}"), |(_, name)| (*name).to_owned())
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectReply { tag, features, global_seq, connect_seq, protocol_version, lossy, .. } = self.fixed;
        f.write_str(&reply_name(tag))?;
        match tag {
            tag::READY | tag::SEQ => {
                let lossy = if lossy { "lossy" } else { "lossless" };
                write!(f, ", cseq {connect_seq}, proto {protocol_version}, {lossy}")?;
                self.in_seq.map_or(Ok(()), |seq| write!(f, ", in_seq {seq}"))
            }
            tag::RETRY_GLOBAL => write!(f, " {global_seq}"),
            tag::RETRY_SESSION => write!(f, " {connect_seq}"),
            tag::BADPROTOVER => write!(f, ", proto {protocol_version}"),
            tag::FEATURES => write!(f, " {features:#018x}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A monitor answers a ping with a ping that has a text.
        let name = match self.header.kind {
            kind::PING if self.header.source != THE_MONITOR => "ping".to_owned(),
            kind::PING if self.front.is_empty() => "empty pong".to_owned(),
            kind::PING => "pong".to_owned(),
            other => format!("message {other}"),
        };
        write!(f, "{name}, seq {}", self.header.seq)
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Piece::Banner => f.write_str("banner"),
            Piece::Address(addr) => write!(f, "address {addr}"),
            Piece::Greeting(own, seen) => write!(f, "greeting of {own}, sees {seen}"),
            Piece::Connect(connect, authorizer) => write!(
                f,
                "connect: gseq {}, cseq {}, proto {}, authorizer {} of {} bytes",
                connect.global_seq,
                connect.connect_seq,
                connect.protocol_version,
                authorizer.protocol,
                authorizer.data.len()
            ),
            Piece::Reply(reply) => reply.fmt(f),
            Piece::InSeq(seq) => write!(f, "in_seq {seq}"),
            Piece::Message(message) => message.fmt(f),
            Piece::Ack(seq) => write!(f, "ACK {seq}"),
            Piece::Keepalive(stamp) => write!(f, "KEEPALIVE2 {}.{:09}", stamp.sec, stamp.nsec),
            Piece::KeepaliveAck(stamp) => write!(f, "KEEPALIVE2_ACK {}.{:09}", stamp.sec, stamp.nsec),
            Piece::Closed => f.write_str("closed"),
        }
    }
}
