//! The bytes of msgr v1: one file a format, each a fixed layout plus a value type with `parse` and `emit`.
//!
//! Nothing here keeps state, allocates for a peer's sake, or can panic on a peer's bytes. Integers are little-endian;
//! only IP addresses, ports and the address family are in network order.

pub mod address;
pub mod authorizer;
pub mod banner;
pub mod connect;
pub mod crc;
pub mod features;
pub mod footer;
pub mod frame;
pub mod header;
pub mod protocol;

pub use address::ADDRESS_LEN;
pub use banner::{BANNER, BANNER_LEN};
pub use connect::{CONNECT_LEN, Connect, ConnectReply, REPLY_LEN};
pub use footer::Footer;
pub use frame::Stamp;
pub use header::{HEADER_LEN, Header};

/// One-byte tags, of connect replies and of frames.
pub mod tag {
    /// Reply: the session is open, without exchange of sequence numbers.
    pub const READY: u8 = 1;
    /// Reply: your session is not known here; start over with connect_seq 0.
    pub const RESETSESSION: u8 = 2;
    /// Reply: both dialled at once, and the other attempt wins.
    pub const WAIT: u8 = 3;
    /// Reply: dial again with the connect_seq given.
    pub const RETRY_SESSION: u8 = 4;
    /// Reply: dial again with a global_seq above the one given.
    pub const RETRY_GLOBAL: u8 = 5;
    /// Frame: the sender closes.
    pub const CLOSE: u8 = 6;
    /// Frame: a message.
    pub const MSG: u8 = 7;
    /// Frame: everything up to a sequence number arrived.
    pub const ACK: u8 = 8;
    /// Frame: keepalive without a stamp.
    pub const KEEPALIVE: u8 = 9;
    /// Reply: the protocol versions differ.
    pub const BADPROTOVER: u8 = 10;
    /// Reply: the authorizer was rejected.
    pub const BADAUTHORIZER: u8 = 11;
    /// Reply: required features are missing.
    pub const FEATURES: u8 = 12;
    /// Reply: the session is open, and both sides say what they have received.
    pub const SEQ: u8 = 13;
    /// Frame: keepalive with the sender's stamp.
    pub const KEEPALIVE2: u8 = 14;
    /// Frame: the stamp of a KEEPALIVE2, echoed.
    pub const KEEPALIVE2_ACK: u8 = 15;
    /// Reply: connect again with an authorizer that answers the challenge.
    pub const CHALLENGE_AUTHORIZER: u8 = 16;
}
