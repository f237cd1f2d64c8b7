//! `connect` (33 bytes) and `connect_reply` (26 bytes), the two messages of the handshake.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a connect without its authorizer.
pub const CONNECT_LEN: usize = size_of::<RawConnect>();
/// Length of a reply without the authorizer reply and, for SEQ, the sequence number behind it.
pub const REPLY_LEN: usize = size_of::<RawReply>();

/// Flag: the connection is lossy.
const LOSSY: u8 = 1;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawConnect {
    features: U64,
    host_type: U32,
    global_seq: U32,
    connect_seq: U32,
    protocol_version: U32,
    authorizer_protocol: U32,
    authorizer_len: U32,
    flags: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawReply {
    tag: u8,
    features: U64,
    global_seq: U32,
    connect_seq: U32,
    protocol_version: U32,
    authorizer_len: U32,
    flags: u8,
}

const _: () = assert!(CONNECT_LEN == 33 && REPLY_LEN == 26);

/// What a connector says of itself and of the session it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// Features offered.
    pub features: u64,
    /// The connector's entity type.
    pub host_type: u32,
    /// Its attempt counter.
    pub global_seq: u32,
    /// Which opening of the session this is; 0 for a fresh session.
    pub connect_seq: u32,
    /// See [`super::protocol`].
    pub protocol_version: u32,
    /// 0 none, 1 auth none, 2 cephx.
    pub authorizer_protocol: u32,
    /// Bytes of authorizer that follow.
    pub authorizer_len: u32,
    /// Informational: the acceptor decides.
    pub lossy: bool,
}

impl Connect {
    /// Decodes the fixed part.
    #[must_use]
    pub fn parse(raw: &[u8; CONNECT_LEN]) -> Connect {
        let raw: &RawConnect = zerocopy::transmute_ref!(raw);
        Connect {
            features: raw.features.get(),
            host_type: raw.host_type.get(),
            global_seq: raw.global_seq.get(),
            connect_seq: raw.connect_seq.get(),
            protocol_version: raw.protocol_version.get(),
            authorizer_protocol: raw.authorizer_protocol.get(),
            authorizer_len: raw.authorizer_len.get(),
            lossy: raw.flags & LOSSY != 0,
        }
    }

    /// Encodes the fixed part.
    #[must_use]
    pub fn emit(&self) -> [u8; CONNECT_LEN] {
        zerocopy::transmute!(RawConnect {
            features: self.features.into(),
            host_type: self.host_type.into(),
            global_seq: self.global_seq.into(),
            connect_seq: self.connect_seq.into(),
            protocol_version: self.protocol_version.into(),
            authorizer_protocol: self.authorizer_protocol.into(),
            authorizer_len: self.authorizer_len.into(),
            flags: u8::from(self.lossy),
        })
    }
}

/// What an acceptor answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectReply {
    /// One of [`super::tag`]'s reply tags.
    pub tag: u8,
    /// All features of the acceptor when the session opens, otherwise those in common and those required.
    pub features: u64,
    /// A fresh value of the acceptor's counter, or what the connector must exceed.
    pub global_seq: u32,
    /// The opening's number, or what the connector must use.
    pub connect_seq: u32,
    /// The acceptor's version.
    pub protocol_version: u32,
    /// Bytes of authorizer reply that follow.
    pub authorizer_len: u32,
    /// The connection is lossy: the acceptor's policy says so.
    pub lossy: bool,
}

impl ConnectReply {
    /// Decodes the fixed part.
    #[must_use]
    pub fn parse(raw: &[u8; REPLY_LEN]) -> ConnectReply {
        let raw: &RawReply = zerocopy::transmute_ref!(raw);
        ConnectReply {
            tag: raw.tag,
            features: raw.features.get(),
            global_seq: raw.global_seq.get(),
            connect_seq: raw.connect_seq.get(),
            protocol_version: raw.protocol_version.get(),
            authorizer_len: raw.authorizer_len.get(),
            lossy: raw.flags & LOSSY != 0,
        }
    }

    /// Encodes the fixed part.
    #[must_use]
    pub fn emit(&self) -> [u8; REPLY_LEN] {
        zerocopy::transmute!(RawReply {
            tag: self.tag,
            features: self.features.into(),
            global_seq: self.global_seq.into(),
            connect_seq: self.connect_seq.into(),
            protocol_version: self.protocol_version.into(),
            authorizer_len: self.authorizer_len.into(),
            flags: u8::from(self.lossy),
        })
    }
}
