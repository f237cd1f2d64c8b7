//! The formats of the wire: whatever parses is emitted as something that parses to the same.

use msgr::Authorizer;
use msgr::wire::{ADDRESS_LEN, BANNER, CONNECT_LEN, Connect, ConnectReply, Footer, HEADER_LEN, Header, REPLY_LEN};
use msgr::wire::{address, authorizer, banner, features};

pub(super) fn check(bytes: &[u8]) {
    if let Some(Ok(addr)) = padded::<ADDRESS_LEN>(bytes).map(|raw| address::parse(&raw)) {
        assert_eq!(address::parse(&address::emit(&addr)), Ok(addr));
    }
    if let Ok(addr) = address::parse_tagged(bytes) {
        assert_eq!(address::parse_tagged(&address::emit_tagged(&addr)), Ok(addr));
    }
    if let Some(raw) = padded::<CONNECT_LEN>(bytes) {
        let connect = Connect::parse(&raw);
        assert_eq!(Connect::parse(&connect.emit()), connect);
    }
    if let Some(raw) = padded::<REPLY_LEN>(bytes) {
        let reply = ConnectReply::parse(&raw);
        assert_eq!(ConnectReply::parse(&reply.emit()), reply);
    }
    if let Some(Ok(header)) = padded::<HEADER_LEN>(bytes).map(|raw| Header::parse(&raw, false)) {
        assert_eq!(Header::parse(&header.emit(true), true), Ok(header));
    }
    if let Some(footer) = Footer::parse(bytes) {
        let (raw, len) = footer.emit(features::MSG_AUTH);
        assert_eq!(Footer::parse(&raw[..len]), Some(footer));
    }
    if let Some(raw) = bytes.first_chunk() {
        assert_eq!(banner::check(raw).is_ok(), raw == &BANNER);
    }
    let shown = Authorizer { protocol: authorizer::PROTOCOL_NONE, data: bytes.to_vec() };
    if let Some((kind, id, global_id)) = authorizer::parse_auth_none(&shown) {
        assert_eq!(authorizer::auth_none(kind, id, global_id), shown);
    }
}

/// The first `N` bytes, filled up with zeros unless there are none at all.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut raw = [0; N];
    let n = bytes.len().min(N);
    raw[..n].copy_from_slice(&bytes[..n]);
    (n > 0).then_some(raw)
}
