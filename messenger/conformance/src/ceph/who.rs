//! Who a peer of the monitor says it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use msgr::wire::{authorizer, features};
use msgr::{Authorizer, EntityAddr, EntityName, EntityType};

/// The protocol version between monitors.
pub const CLUSTER_PROTOCOL: u32 = 13;
/// The protocol version of a monitor for everybody else.
const PUBLIC_PROTOCOL: u32 = 15;

/// A nonce that no other peer of the monitor has. Not 0, so that its address is greater than the monitor's.
pub fn nonce() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// Who a peer says it is.
#[derive(Clone, Debug)]
pub struct Who {
    /// Its name.
    pub name: EntityName,
    /// Its address.
    pub addr: EntityAddr,
    /// The features it offers.
    pub features: u64,
    /// The protocol version it claims.
    pub protocol: u32,
    /// Its authorizer.
    pub authorizer: Authorizer,
}

/// The authorizer of a monitor of ours.
pub fn mon_authorizer() -> Authorizer {
    authorizer::auth_none(EntityType::MON, "us", 0)
}

impl Who {
    /// A new one of this type, without an authorizer, that does not listen.
    pub fn new(kind: EntityType) -> Who {
        let name = EntityName { kind, num: EntityName::NEW };
        let addr = EntityAddr::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), nonce());
        Who { name, addr, features: features::SUPPORTED, protocol: PUBLIC_PROTOCOL, authorizer: Authorizer::default() }
    }

    /// A new client.
    pub fn client() -> Who {
        Who::new(EntityType::CLIENT)
    }

    /// A new monitor that does not listen.
    pub fn mon() -> Who {
        Who { authorizer: mon_authorizer(), protocol: CLUSTER_PROTOCOL, ..Who::new(EntityType::MON) }
    }

    /// The same without these features.
    pub fn without(mut self, features: u64) -> Who {
        self.features &= !features;
        self
    }
}
