//! Errors, by whose fault they are: the peer's, this host's, or the caller's.

use std::io;
use std::net::SocketAddr;

use crate::addr::EntityAddr;

/// Anything a messenger reports to its caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol; its connection is dropped, others are not touched.
    #[error("the peer broke the protocol: {0}")]
    Peer(#[from] PeerError),
    /// Something on this host failed.
    #[error("{doing}: {source}")]
    Local {
        /// What was being done, to what.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No free port to bind to.
    #[error(
        "{address} is in use: stop what listens there, choose another port, or pass port 0 to search ms_bind_port_min..ms_bind_port_max"
    )]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The caller asked for something that makes no sense now.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The connection's queue is full; the message was not taken.
    #[error(
        "the queue to {peer} holds {queued} bytes, its bound (ms_out_queue_max_bytes): wait for replies before sending more"
    )]
    QueueFull {
        /// The connection's peer.
        peer: EntityAddr,
        /// Bytes queued or unacknowledged.
        queued: u64,
    },
    /// An option does not exist or does not take this value.
    #[error(transparent)]
    Option(#[from] crate::config::OptionError),
}

impl Error {
    /// Wraps what the operating system said about `doing`.
    pub fn local(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Local { doing: doing.into(), source }
    }
}

/// How a peer broke the protocol. Counted by variant (see [`crate::stats`]), logged, and the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Not a msgr v1 peer.
    #[error("its banner is not \"ceph v027\"")]
    BadBanner,
    /// A msgr v2 peer.
    #[error("it speaks msgr v2; dial its v1 port (monitors: 6789, not 3300)")]
    SpeaksV2,
    /// An address that is no address.
    #[error("its address does not decode (family {family})")]
    BadAddress {
        /// The address family it gave.
        family: u16,
    },
    /// Someone else answered where the peer was dialled.
    #[error("{found} answered at {dialled}; dial with the peer's own nonce")]
    WrongPeer {
        /// The address dialled.
        dialled: EntityAddr,
        /// The address that answered.
        found: EntityAddr,
    },
    /// A tag the state does not allow.
    #[error("tag {tag} is unknown or out of place")]
    BadTag {
        /// The byte received.
        tag: u8,
    },
    /// Header checksum mismatch.
    #[error("header crc is {found:#010x}, should be {expected:#010x}")]
    HeaderCrc {
        /// The crc computed here.
        expected: u32,
        /// The crc in the header.
        found: u32,
    },
    /// Payload checksum mismatch.
    #[error("{section} crc is {found:#010x}, should be {expected:#010x}")]
    PayloadCrc {
        /// `front`, `middle` or `data`.
        section: &'static str,
        /// The crc computed here.
        expected: u32,
        /// The crc in the footer.
        found: u32,
    },
    /// A payload section over the cap.
    #[error("{section} of {length} bytes is over the cap of {cap} ({option})")]
    TooLong {
        /// `front`, `middle`, `data` or `authorizer`.
        section: &'static str,
        /// Its announced length.
        length: u64,
        /// The cap.
        cap: u64,
        /// The option that sets the cap, or where it is fixed.
        option: &'static str,
    },
    /// The sender gave the message up in the middle.
    #[error("it aborted a message (COMPLETE flag clear)")]
    Incomplete,
    /// The other side asked for features this side lacks.
    #[error("it requires features {missing:#x} that this side does not offer")]
    MissingFeatures {
        /// The bits.
        missing: u64,
    },
    /// The other side lacks features required here.
    #[error("it lacks the required features {missing:#x}")]
    LacksFeatures {
        /// The bits.
        missing: u64,
    },
    /// The two sides' protocol versions differ.
    #[error("its protocol version is {theirs}, ours is {ours}")]
    ProtocolVersion {
        /// Ours.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
    /// The peer did not accept our credentials.
    #[error("it rejected the authorizer")]
    BadAuthorizer,
    /// A reply that contradicts the handshake so far.
    #[error("its connect reply makes no sense: {0}")]
    BadReply(&'static str),
    /// The handshake took too long.
    #[error("the handshake did not finish within ms_connection_ready_timeout")]
    HandshakeTimeout,
}
