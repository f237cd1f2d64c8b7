//! Entity addresses: a socket address and a nonce, compared as Ceph compares them.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where an entity is reached, and which incarnation of it.
///
/// The nonce tells apart entities that share an address: clients that never bind all have port 0, and a daemon
/// that restarts on the same port picks a new nonce. Connections are registered under the whole address.
///
/// Ordering is the byte-wise order of the 36 bytes Ceph keeps in memory (type, nonce and sockaddr), which decides the
/// connection race; it is not the numeric order of IP and port.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntityAddr {
    /// Distinguishes incarnations and unbound clients.
    pub nonce: u32,
    /// IP and port; `None` for an entity that has no address at all (family 0 on the wire).
    pub socket: Option<SocketAddr>,
}

impl EntityAddr {
    /// The address of an entity that knows neither its IP nor its port.
    #[must_use]
    pub const fn blank(nonce: u32) -> EntityAddr {
        EntityAddr { nonce, socket: None }
    }

    /// `socket` with `nonce`.
    #[must_use]
    pub const fn new(socket: SocketAddr, nonce: u32) -> EntityAddr {
        EntityAddr { nonce, socket: Some(socket) }
    }

    /// True when the IP is not known: no address, or `0.0.0.0` or `::`.
    #[must_use]
    pub fn is_blank_ip(&self) -> bool {
        self.socket.is_none_or(|socket| socket.ip().is_unspecified())
    }

    /// The port, 0 when unbound.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.socket.map_or(0, |socket| socket.port())
    }

    /// The same entity at `ip`: port and nonce are kept.
    #[must_use]
    pub fn with_ip(&self, ip: IpAddr) -> EntityAddr {
        EntityAddr { nonce: self.nonce, socket: Some(SocketAddr::new(ip, self.port())) }
    }

    /// The 36 bytes Ceph compares: type 1, nonce, then `sockaddr` with the family in host order and port and IP in
    /// network order.
    fn sort_key(&self) -> [u8; 36] {
        let mut key = [0; 36];
        key[0] = 1;
        key[4..8].copy_from_slice(&self.nonce.to_le_bytes());
        match self.socket {
            None => {}
            Some(SocketAddr::V4(v4)) => {
                key[8] = 2;
                key[10..12].copy_from_slice(&v4.port().to_be_bytes());
                key[12..16].copy_from_slice(&v4.ip().octets());
            }
            Some(SocketAddr::V6(v6)) => {
                key[8] = 10;
                key[10..12].copy_from_slice(&v6.port().to_be_bytes());
                key[12..16].copy_from_slice(&v6.flowinfo().to_be_bytes());
                key[16..32].copy_from_slice(&v6.ip().octets());
                key[32..36].copy_from_slice(&v6.scope_id().to_le_bytes());
            }
        }
        key
    }
}

impl Ord for EntityAddr {
    fn cmp(&self, other: &EntityAddr) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for EntityAddr {
    fn partial_cmp(&self, other: &EntityAddr) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EntityAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket {
            Some(socket) => write!(f, "{socket}/{}", self.nonce),
            None => write!(f, "-/{}", self.nonce),
        }
    }
}

impl fmt::Debug for EntityAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_bytewise_nonce_first() {
        let addr = |s: &str, nonce| EntityAddr::new(s.parse().unwrap(), nonce);
        assert!(addr("9.9.9.9:9", 0x0000_0100) < addr("1.1.1.1:1", 0x0000_0001));
        assert!(addr("127.0.0.1:256", 7) > addr("127.0.0.1:255", 7));
        assert!(addr("127.0.0.2:1", 7) > addr("127.0.0.1:1", 7));
        assert!(addr("127.0.0.2:1", 7) < addr("127.0.0.1:2", 7));
        assert!(EntityAddr::blank(7) < addr("127.0.0.1:1", 7));
        assert!(addr("127.0.0.1:1", 7) < addr("[::1]:1", 7));
    }

    #[test]
    fn equality_includes_the_nonce() {
        let a = EntityAddr::new("127.0.0.1:1".parse().unwrap(), 1);
        assert_ne!(a, EntityAddr { nonce: 2, ..a });
        assert!(EntityAddr::new("0.0.0.0:1".parse().unwrap(), 1).is_blank_ip());
        assert!(!a.is_blank_ip());
    }
}
