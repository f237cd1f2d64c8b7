//! Policies: what a messenger promises to peers of a type, and what happens when a connection breaks.

use std::sync::Arc;

use crate::throttle::Throttle;
use crate::wire::features;

/// How connections to one type of peer behave. Looked up by the peer's type when a connection starts and copied
/// then: a later change affects later connections only.
#[derive(Clone, Debug)]
pub struct Policy {
    /// A fault ends the connection; nothing is kept for replay and nothing acknowledged.
    pub lossy: bool,
    /// This side never dials; it waits for the peer.
    pub server: bool,
    /// After a fault with nothing to send, wait instead of dialling.
    pub standby: bool,
    /// Notice that the peer forgot the session, and tell the dispatchers.
    pub resetcheck: bool,
    /// Accepted lossy connections are put into the address map; otherwise they are anonymous.
    pub register_lossy_clients: bool,
    /// Held by each message from its arrival until it is dropped, by payload bytes.
    pub throttler_bytes: Option<Arc<Throttle>>,
    /// Held by each message from its arrival until it is dropped, one each.
    pub throttler_messages: Option<Arc<Throttle>>,
    /// Feature bits offered in the handshake.
    pub features_supported: u64,
    /// Feature bits the peer must offer.
    pub features_required: u64,
}

impl Policy {
    const fn new(lossy: bool, server: bool, standby: bool, resetcheck: bool, register: bool) -> Policy {
        Policy {
            lossy,
            server,
            standby,
            resetcheck,
            register_lossy_clients: register,
            throttler_bytes: None,
            throttler_messages: None,
            features_supported: features::SUPPORTED,
            features_required: 0,
        }
    }

    /// Lossless server that remembers its clients' sessions.
    #[must_use]
    pub const fn stateful_server() -> Policy {
        Policy::new(false, true, true, true, true)
    }

    /// Lossy server whose clients are anonymous.
    #[must_use]
    pub const fn stateless_server() -> Policy {
        Policy::new(true, true, false, false, false)
    }

    /// Lossy server that registers its clients by address.
    #[must_use]
    pub const fn stateless_registered_server() -> Policy {
        Policy::new(true, true, false, false, true)
    }

    /// Either side dials; nothing is lost, and a forgotten session is not noticed.
    #[must_use]
    pub const fn lossless_peer() -> Policy {
        Policy::new(false, false, true, false, true)
    }

    /// As [`Policy::lossless_peer`], but a forgotten session is noticed.
    #[must_use]
    pub const fn lossless_peer_reuse() -> Policy {
        Policy::new(false, false, true, true, true)
    }

    /// Dials, and gives the connection up at the first fault.
    #[must_use]
    pub const fn lossy_client() -> Policy {
        Policy::new(true, false, false, false, true)
    }

    /// Dials, reconnects and replays.
    #[must_use]
    pub const fn lossless_client() -> Policy {
        Policy::new(false, false, false, true, true)
    }

    /// The same policy, requiring `features` of the peer.
    #[must_use]
    pub const fn requiring(mut self, features: u64) -> Policy {
        self.features_required = features;
        self
    }

    /// True when accepted connections stay out of the address map.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.server && self.lossy && !self.register_lossy_clients
    }
}

impl Default for Policy {
    /// Lossless, dialling, without standby, with resetcheck.
    fn default() -> Policy {
        Policy::lossless_client()
    }
}
