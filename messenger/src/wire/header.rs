//! The 53-byte message header.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::crc::crc32c;
use crate::entity::{EntityName, EntityType};
use crate::error::PeerError;

/// Length of a header.
pub const HEADER_LEN: usize = size_of::<RawHeader>();
/// The header's bytes that its crc covers: all but the crc.
const CRC_COVERS: usize = HEADER_LEN - 4;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    seq: U64,
    tid: U64,
    kind: U16,
    priority: U16,
    version: U16,
    front_len: U32,
    middle_len: U32,
    data_len: U32,
    data_off: U16,
    source_type: u8,
    source_num: U64,
    compat_version: U16,
    reserved: U16,
    crc: U32,
}

const _: () = assert!(HEADER_LEN == 53);

/// A message header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sequence number in this direction of the session.
    pub seq: u64,
    /// Transaction id.
    pub tid: u64,
    /// Message type.
    pub kind: u16,
    /// Priority.
    pub priority: u16,
    /// Encoding version.
    pub version: u16,
    /// Bytes of front.
    pub front_len: u32,
    /// Bytes of middle.
    pub middle_len: u32,
    /// Bytes of data.
    pub data_len: u32,
    /// Alignment hint.
    pub data_off: u16,
    /// Sender.
    pub source: EntityName,
    /// Oldest decoder version.
    pub compat_version: u16,
}

impl Header {
    /// Decodes a header, checking its crc when `check_crc`.
    ///
    /// # Errors
    /// [`PeerError::HeaderCrc`].
    pub fn parse(raw: &[u8; HEADER_LEN], check_crc: bool) -> Result<Header, PeerError> {
        let fields: &RawHeader = zerocopy::transmute_ref!(raw);
        if check_crc {
            let (expected, found) = (crc32c(0, &raw[..CRC_COVERS]), fields.crc.get());
            if expected != found {
                return Err(PeerError::HeaderCrc { expected, found });
            }
        }
        Ok(Header {
            seq: fields.seq.get(),
            tid: fields.tid.get(),
            kind: fields.kind.get(),
            priority: fields.priority.get(),
            version: fields.version.get(),
            front_len: fields.front_len.get(),
            middle_len: fields.middle_len.get(),
            data_len: fields.data_len.get(),
            data_off: fields.data_off.get(),
            source: EntityName { kind: EntityType(fields.source_type), num: fields.source_num.get() },
            compat_version: fields.compat_version.get(),
        })
    }

    /// Encodes a header; without `with_crc` its crc field is 0.
    #[must_use]
    pub fn emit(&self, with_crc: bool) -> [u8; HEADER_LEN] {
        let mut raw: [u8; HEADER_LEN] = zerocopy::transmute!(RawHeader {
            seq: self.seq.into(),
            tid: self.tid.into(),
            kind: self.kind.into(),
            priority: self.priority.into(),
            version: self.version.into(),
            front_len: self.front_len.into(),
            middle_len: self.middle_len.into(),
            data_len: self.data_len.into(),
            data_off: self.data_off.into(),
            source_type: self.source.kind.0,
            source_num: self.source.num.into(),
            compat_version: self.compat_version.into(),
            reserved: 0.into(),
            crc: 0.into(),
        });
        if with_crc {
            let crc = crc32c(0, &raw[..CRC_COVERS]);
            raw[CRC_COVERS..].copy_from_slice(&crc.to_le_bytes());
        }
        raw
    }

    /// Bytes of the three sections together.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        u64::from(self.front_len) + u64::from(self.middle_len) + u64::from(self.data_len)
    }
}
