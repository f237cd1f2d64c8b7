//! Who talks: entity types and names.

use std::fmt;

/// What kind of daemon or client an entity is; one byte on the wire, an integer in the handshake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityType(pub u8);

impl EntityType {
    /// Monitor.
    pub const MON: EntityType = EntityType(0x01);
    /// Metadata server.
    pub const MDS: EntityType = EntityType(0x02);
    /// Object storage daemon.
    pub const OSD: EntityType = EntityType(0x04);
    /// Client.
    pub const CLIENT: EntityType = EntityType(0x08);
    /// Manager.
    pub const MGR: EntityType = EntityType(0x10);

    /// The type's name as Ceph prints it, or `None` for a value without a name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            EntityType::MON => "mon",
            EntityType::MDS => "mds",
            EntityType::OSD => "osd",
            EntityType::CLIENT => "client",
            EntityType::MGR => "mgr",
            _ => return None,
        })
    }
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type-{:#04x}", self.0),
        }
    }
}

impl fmt::Debug for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Type and number of an entity, such as `osd.3`; 9 bytes in a message header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName {
    /// Kind of entity.
    pub kind: EntityType,
    /// Its number; [`EntityName::NEW`] for a client that has none yet.
    pub num: u64,
}

impl EntityName {
    /// Number of an entity that has not been given one; all ones on the wire, printed as `?`.
    pub const NEW: u64 = u64::MAX;

    /// `osd.num`.
    #[must_use]
    pub const fn osd(num: u64) -> EntityName {
        EntityName { kind: EntityType::OSD, num }
    }

    /// `mon.num`.
    #[must_use]
    pub const fn mon(num: u64) -> EntityName {
        EntityName { kind: EntityType::MON, num }
    }

    /// `client.num`; pass [`EntityName::NEW`] for `client.?`.
    #[must_use]
    pub const fn client(num: u64) -> EntityName {
        EntityName { kind: EntityType::CLIENT, num }
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.num == EntityName::NEW { write!(f, "{}.?", self.kind) } else { write!(f, "{}.{}", self.kind, self.num) }
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
