//! The bodies of the few monitor messages that the rows exchange.

use msgr::EntityAddr;
use msgr::wire::address;
use serde_json::Value;

/// Message types.
pub mod kind {
    /// A ping, and its answer.
    pub const PING: u16 = 2;
    /// The map of monitors.
    pub const MON_MAP: u16 = 4;
    /// A step of the authentication.
    pub const AUTH: u16 = 17;
    /// Its answer.
    pub const AUTH_REPLY: u16 = 18;
}

/// Takes values off the front of some bytes; `None` once they run out.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// What is preceded by its length.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.bytes(len as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.counted()?).ok()
    }

    /// The contents of a versioned structure: version, oldest version that can read it, length.
    fn versioned(&mut self) -> Option<Cursor<'a>> {
        self.bytes(2)?;
        self.counted().map(Cursor)
    }
}

/// The front of a ping's answer: a text in JSON.
pub fn status(front: &[u8]) -> Option<Value> {
    serde_json::from_str(Cursor(front).text()?).ok()
}

/// The front of an authentication as `client.{id}` that offers the method none only.
pub fn auth(id: &str) -> Vec<u8> {
    let mut payload = vec![1];
    payload.extend(1u32.to_le_bytes()); // methods
    payload.extend(1u32.to_le_bytes()); // none
    payload.extend(8u32.to_le_bytes()); // client
    payload.extend((id.len() as u32).to_le_bytes());
    payload.extend(id.as_bytes());
    payload.extend(0u64.to_le_bytes()); // global id
    let mut front = Vec::new();
    // Which state of the monitors the sender has seen: none.
    front.extend(0u64.to_le_bytes());
    front.extend((-1i16).to_le_bytes());
    front.extend(0u64.to_le_bytes());
    front.extend(0u32.to_le_bytes()); // let the monitor choose
    front.extend((payload.len() as u32).to_le_bytes());
    front.extend(payload);
    front.extend(0u32.to_le_bytes()); // epoch of the map of monitors
    front
}

/// The answer to an authentication.
#[derive(Debug, PartialEq, Eq)]
pub struct AuthReply {
    /// The method chosen: 1 is none.
    pub protocol: u32,
    /// 0, or a negated error number.
    pub result: i32,
    /// The number that names the client from now on.
    pub global_id: u64,
}

/// The front of an answer to an authentication.
pub fn auth_reply(front: &[u8]) -> Option<AuthReply> {
    let mut cursor = Cursor(front);
    let reply = AuthReply { protocol: cursor.u32()?, result: cursor.u32()? as i32, global_id: cursor.u64()? };
    let (_blob, _text) = (cursor.counted()?, cursor.text()?);
    cursor.0.is_empty().then_some(reply)
}

/// The part of a map of monitors that tells who they are.
#[derive(Debug, PartialEq, Eq)]
pub struct MonMap {
    /// Id of the cluster.
    pub fsid: String,
    /// Version of the map.
    pub epoch: u32,
    /// The monitors' names and addresses.
    pub mons: Vec<(String, Vec<EntityAddr>)>,
}

/// The front of a map of monitors.
pub fn mon_map(front: &[u8]) -> Option<MonMap> {
    let mut map = Cursor(Cursor(front).counted()?).versioned()?;
    let fsid: String = map.bytes(16)?.iter().map(|byte| format!("{byte:02x}")).collect();
    let fsid = [&fsid[..8], &fsid[8..12], &fsid[12..16], &fsid[16..20], &fsid[20..]].join("-");
    let epoch = map.u32()?;
    map.bytes(2 * 8)?; // when it was changed and made
    map.versioned()?; // features that all monitors must have
    map.versioned()?; // and may have
    let mut mons = Vec::new();
    for _ in 0..map.u32()? {
        map.text()?;
        let mut mon = map.versioned()?;
        mons.push((mon.text()?.to_owned(), addresses(&mut mon)?));
    }
    Some(MonMap { fsid, epoch, mons })
}

/// A list of addresses.
fn addresses(cursor: &mut Cursor<'_>) -> Option<Vec<EntityAddr>> {
    /// How such a list begins.
    const LIST: u8 = 2;
    if cursor.u8()? != LIST {
        return None;
    }
    let count = cursor.u32()?;
    (0..count).map(|_| tagged(cursor)).collect()
}

/// An address with its marker, versions and length.
fn tagged(cursor: &mut Cursor<'_>) -> Option<EntityAddr> {
    let whole = cursor.0;
    cursor.bytes(1)?;
    cursor.versioned()?;
    address::parse_tagged(&whole[..whole.len() - cursor.0.len()]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use msgr::wire::crc::crc32c;

    #[test]
    fn an_authentication_has_the_bytes_that_a_monitor_took() {
        let front = auth("admin");
        assert_eq!((front.len(), crc32c(0, &front)), (60, 0x35a7_635b));
    }

    #[test]
    fn what_does_not_decode_is_none() {
        let reply = [1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(auth_reply(&reply), Some(AuthReply { protocol: 1, result: 0, global_id: 4097 }));
        for len in 0..reply.len() {
            assert_eq!(auth_reply(&reply[..len]), None);
            assert_eq!(mon_map(&reply[..len]), None);
            assert_eq!(status(&reply[..len]), None);
        }
    }
}
