//! Entity addresses: the fixed legacy form of the handshake, and the tagged form inside newer message bodies.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::addr::EntityAddr;
use crate::error::PeerError;

/// Length of the legacy form: type, nonce, and a 128-byte `sockaddr_storage`.
pub const ADDRESS_LEN: usize = 136;

const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Offsets in the legacy form.
mod field {
    use std::ops::Range;
    pub(super) const NONCE: Range<usize> = 4..8;
    pub(super) const FAMILY: Range<usize> = 8..10;
    pub(super) const PORT: Range<usize> = 10..12;
    pub(super) const IPV4: Range<usize> = 12..16;
    pub(super) const FLOWINFO: Range<usize> = 12..16;
    pub(super) const IPV6: Range<usize> = 16..32;
    pub(super) const SCOPE: Range<usize> = 32..36;
}

/// Encodes the legacy form. The family is big-endian here, unlike in memory.
#[must_use]
pub fn emit(addr: &EntityAddr) -> [u8; ADDRESS_LEN] {
    let mut out = [0; ADDRESS_LEN];
    out[field::NONCE].copy_from_slice(&addr.nonce.to_le_bytes());
    match addr.socket {
        None => {}
        Some(SocketAddr::V4(v4)) => {
            out[field::FAMILY].copy_from_slice(&AF_INET.to_be_bytes());
            out[field::PORT].copy_from_slice(&v4.port().to_be_bytes());
            out[field::IPV4].copy_from_slice(&v4.ip().octets());
        }
        Some(SocketAddr::V6(v6)) => {
            out[field::FAMILY].copy_from_slice(&AF_INET6.to_be_bytes());
            out[field::PORT].copy_from_slice(&v6.port().to_be_bytes());
            out[field::FLOWINFO].copy_from_slice(&v6.flowinfo().to_be_bytes());
            out[field::IPV6].copy_from_slice(&v6.ip().octets());
            out[field::SCOPE].copy_from_slice(&v6.scope_id().to_le_bytes());
        }
    }
    out
}

/// Decodes the legacy form. Family 0 is an entity without an address.
///
/// # Errors
/// [`PeerError::BadAddress`] when the family is neither IPv4 nor IPv6 nor 0, or the form is not the legacy one.
pub fn parse(raw: &[u8; ADDRESS_LEN]) -> Result<EntityAddr, PeerError> {
    let family = u16::from_be_bytes(array(&raw[field::FAMILY]));
    if raw[0] != 0 {
        return Err(PeerError::BadAddress { family });
    }
    let port = u16::from_be_bytes(array(&raw[field::PORT]));
    let socket = match family {
        AF_UNSPEC => None,
        AF_INET => {
            let ip = Ipv4Addr::from(array::<4>(&raw[field::IPV4]));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, port)))
        }
        AF_INET6 => {
            let ip = Ipv6Addr::from(array::<16>(&raw[field::IPV6]));
            let flow = u32::from_be_bytes(array(&raw[field::FLOWINFO]));
            let scope = u32::from_le_bytes(array(&raw[field::SCOPE]));
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, flow, scope)))
        }
        _ => return Err(PeerError::BadAddress { family }),
    };
    Ok(EntityAddr { nonce: u32::from_le_bytes(array(&raw[field::NONCE])), socket })
}

/// How the tagged form begins: marker, struct version and compat version.
const TAGGED_PREFIX: [u8; 3] = [1, 1, 1];
/// Address type of msgr v1 in the tagged form.
const TYPE_LEGACY: u32 = 1;

/// Encodes the tagged form that message bodies use between peers with the MSG_ADDR2 feature: 19 bytes, then 16 for
/// IPv4 or 28 for IPv6. The family is little-endian in this form.
#[must_use]
pub fn emit_tagged(addr: &EntityAddr) -> Vec<u8> {
    let mut sockaddr = Vec::with_capacity(28);
    match addr.socket {
        None => {}
        Some(SocketAddr::V4(v4)) => {
            sockaddr.extend(AF_INET.to_le_bytes());
            sockaddr.extend(v4.port().to_be_bytes());
            sockaddr.extend(v4.ip().octets());
            sockaddr.extend([0; 8]);
        }
        Some(SocketAddr::V6(v6)) => {
            sockaddr.extend(AF_INET6.to_le_bytes());
            sockaddr.extend(v6.port().to_be_bytes());
            sockaddr.extend(v6.flowinfo().to_be_bytes());
            sockaddr.extend(v6.ip().octets());
            sockaddr.extend(v6.scope_id().to_le_bytes());
        }
    }
    let mut body = Vec::with_capacity(12 + sockaddr.len());
    body.extend(TYPE_LEGACY.to_le_bytes());
    body.extend(addr.nonce.to_le_bytes());
    body.extend((sockaddr.len() as u32).to_le_bytes());
    body.extend(sockaddr);
    let mut out = TAGGED_PREFIX.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out
}

/// Decodes the tagged form, which must be all of `raw`.
///
/// # Errors
/// [`PeerError::BadAddress`] when it is not the tagged form of a msgr v1 address.
pub fn parse_tagged(raw: &[u8]) -> Result<EntityAddr, PeerError> {
    let word = |at: usize| raw.get(at..at + 4).map(|word| u32::from_le_bytes(array(word)));
    let bad = PeerError::BadAddress { family: raw.get(19..21).map_or(0, |family| u16::from_le_bytes(array(family))) };
    let (Some(struct_len), Some(kind), Some(nonce), Some(len)) = (word(3), word(7), word(11), word(15)) else {
        return Err(bad);
    };
    let sockaddr = &raw[19..];
    let whole = struct_len as usize == raw.len() - 7 && len as usize == sockaddr.len();
    if !raw.starts_with(&TAGGED_PREFIX) || kind != TYPE_LEGACY || !whole {
        return Err(bad);
    }
    if sockaddr.is_empty() {
        return Ok(EntityAddr::blank(nonce));
    }
    // As the legacy form, but for the byte order of the family.
    let mut legacy = [0; ADDRESS_LEN];
    legacy[field::NONCE].copy_from_slice(&nonce.to_le_bytes());
    let Some(room) = legacy.get_mut(8..8 + sockaddr.len()).filter(|room| room.len() >= 16) else { return Err(bad) };
    room.copy_from_slice(sockaddr);
    legacy[field::FAMILY].reverse();
    parse(&legacy)
}

/// Copies a slice whose length a constant range fixed.
fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(slice);
    out
}
