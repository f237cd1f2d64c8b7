//! How queue pairs are addressed: GIDs, the choice among those of a port, and what two ends tell each other.
//!
//! Plain values: nothing here needs a device.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A port's global identifier: 16 bytes in network order. On RoCE it is an IPv6 address, or an IPv4 address mapped into
/// one (`::ffff:10.0.0.1`).
///
/// Its text is eight groups of four hex digits, `0000:0000:0000:0000:0000:ffff:0a00:0001`, with no zeroes left out; that
/// is how verbs' tools, `/sys/class/infiniband` and `ms_async_rdma_local_gid` write it. IPv6's short forms are understood.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Gid(pub [u8; 16]);

impl Gid {
    /// Whether it stands for an IPv4 address.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        Ipv6Addr::from(self.0).to_ipv4_mapped().is_some()
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in Ipv6Addr::from(self.0).segments().into_iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{group:04x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no GID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no GID: write eight groups of four hex digits, like 0000:0000:0000:0000:0000:ffff:0a00:0001")]
pub struct GidSyntax(pub String);

impl FromStr for Gid {
    type Err = GidSyntax;

    fn from_str(text: &str) -> Result<Gid, GidSyntax> {
        text.trim().parse::<Ipv6Addr>().map(|ip| Gid(ip.octets())).map_err(|_| GidSyntax(text.to_owned()))
    }
}

/// What packets a GID makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GidKind {
    /// InfiniBand's own network.
    InfiniBand,
    /// RoCE in Ethernet frames, which no router forwards. `ms_async_rdma_roce_ver` 0.
    RoceV1,
    /// RoCE in UDP packets, port 4791. `ms_async_rdma_roce_ver` 1.
    RoceV2,
}

impl fmt::Display for GidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GidKind::InfiniBand => "InfiniBand",
            GidKind::RoceV1 => "RoCE v1",
            GidKind::RoceV2 => "RoCE v2",
        })
    }
}

/// One entry of a port's table of GIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// The identifier.
    pub gid: Gid,
    /// Its place in the table, which has gaps. Queue pairs are told this; it fits in eight bits.
    pub index: u8,
    /// What packets it makes.
    pub kind: GidKind,
}

impl fmt::Display for GidEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.index, self.gid, self.kind)
    }
}

/// Which of a port's GIDs to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GidChoice {
    /// The first RoCE v2 GID that is an IPv4 address, else the first of RoCE v2, else that at index 0.
    #[default]
    Automatic,
    /// The one at this place in the table.
    Index(u8),
    /// This one, in the version of RoCE asked for; the same GID mostly stands in the table for either.
    Exactly(Gid, GidKind),
}

impl GidChoice {
    /// The entry chosen from a port's table; `None` when it is not there.
    #[must_use]
    pub fn choose(&self, table: &[GidEntry]) -> Option<GidEntry> {
        let first = |wanted: &dyn Fn(&GidEntry) -> bool| table.iter().copied().find(|entry| wanted(entry));
        match *self {
            GidChoice::Index(index) => first(&|entry| entry.index == index),
            GidChoice::Exactly(gid, kind) => first(&|entry| entry.gid == gid && entry.kind == kind),
            GidChoice::Automatic => first(&|entry| entry.kind == GidKind::RoceV2 && entry.gid.is_ipv4())
                .or_else(|| first(&|entry| entry.kind == GidKind::RoceV2))
                .or_else(|| first(&|entry| entry.index == 0)),
        }
    }
}

impl fmt::Display for GidChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GidChoice::Automatic => f.write_str("of RoCE v2 or at index 0"),
            GidChoice::Index(index) => write!(f, "at index {index}"),
            GidChoice::Exactly(gid, kind) => write!(f, "{gid} ({kind})"),
        }
    }
}

/// What one end of a connection must know of the other's queue pair. The ends exchange it before RDMA can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The queue pair's number, 24 bits.
    pub qp_num: u32,
    /// The number of the first packet it sends, 24 bits.
    pub psn: u32,
    /// The port's local identifier; 0 on RoCE, which has none.
    pub lid: u16,
    /// The port's global identifier.
    pub gid: Gid,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0000:0000:0000:0000:0000:ffff:0a00:0001";

    fn entry(index: u8, gid: &str, kind: GidKind) -> GidEntry {
        GidEntry { gid: gid.parse().unwrap(), index, kind }
    }

    #[test]
    fn a_gid_is_read_and_written_as_eight_groups() {
        let gid: Gid = TEXT.parse().unwrap();
        assert_eq!(gid.to_string(), TEXT);
        assert!(gid.is_ipv4());
        assert_eq!(gid, "::ffff:10.0.0.1".parse().unwrap());
        assert!(!"fe80:0000:0000:0000:0202:03ff:fe04:0506".parse::<Gid>().unwrap().is_ipv4());
        for wrong in ["", "10.0.0.1", "0000:0000", "0000000000000000000000000a000001"] {
            let error = wrong.parse::<Gid>().unwrap_err().to_string();
            assert!(error.contains("eight groups"), "{error}");
        }
    }

    #[test]
    fn an_ipv4_gid_of_the_later_roce_is_preferred() {
        let v1 = entry(0, "::ffff:10.0.0.1", GidKind::RoceV1);
        let link_local = entry(1, "fe80::1", GidKind::RoceV2);
        let v4 = entry(3, "::ffff:10.0.0.1", GidKind::RoceV2);
        let automatic = GidChoice::Automatic;
        assert_eq!(automatic.choose(&[v1, link_local, v4]), Some(v4));
        assert_eq!(automatic.choose(&[v1, link_local]), Some(link_local));
        assert_eq!(automatic.choose(&[v1]), Some(v1));
        assert_eq!(automatic.choose(&[]), None);
    }

    #[test]
    fn an_explicit_gid_is_that_one_or_none() {
        let v1 = entry(2, "::ffff:10.0.0.1", GidKind::RoceV1);
        let v2 = entry(5, "::ffff:10.0.0.1", GidKind::RoceV2);
        let table = [v1, v2];
        assert_eq!(GidChoice::Index(5).choose(&table), Some(v2));
        assert_eq!(GidChoice::Index(1).choose(&table), None);
        let exactly = |text: &str, kind| GidChoice::Exactly(text.parse().unwrap(), kind).choose(&table);
        assert_eq!(exactly(TEXT, GidKind::RoceV1), Some(v1));
        assert_eq!(exactly(TEXT, GidKind::RoceV2), Some(v2));
        assert_eq!(exactly("::ffff:10.0.0.2", GidKind::RoceV2), None);
    }
}
