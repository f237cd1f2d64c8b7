//! Our messengers as the monitor's peers.

use std::sync::Arc;

use msgr::wire::features;
use msgr::{
    Authorizer, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Events, Message, MessengerFactory, Policy,
};

use super::body::kind;
use super::peer::{CLUSTER_PROTOCOL, mon_authorizer};
use crate::{Heard, Node, Plan, loopback};

/// Shows an authorizer to every monitor, and does nothing else.
struct Shows(Authorizer);

impl Dispatcher for Shows {
    fn ms_events(&self) -> Events {
        Events::NONE
    }
    fn ms_get_authorizer(&self, peer: EntityType, _: Option<&[u8]>) -> Option<Authorizer> {
        (peer == EntityType::MON).then(|| self.0.clone())
    }
}

/// A client, or another daemon that does not listen, with the policy of one.
pub fn client(factory: &dyn MessengerFactory, kind: EntityType, nonce: u32, features: u64) -> Node {
    let policy = Policy { features_supported: features, ..Policy::lossy_client() };
    let name = EntityName { kind, num: EntityName::NEW };
    Plan { name, ..Plan::client(policy).nonce(nonce) }.start(factory)
}

/// A client that offers everything.
pub fn plain_client(factory: &dyn MessengerFactory, nonce: u32) -> Node {
    client(factory, EntityType::CLIENT, nonce, features::SUPPORTED)
}

/// What a monitor of ours is like: a lossless peer that shows an authorizer.
pub struct Mon {
    /// Its nonce.
    pub nonce: u32,
    /// Whether it listens, so that the monitor can dial it.
    pub listens: bool,
    /// Its protocol version.
    pub protocol: u32,
    /// What it shows, if anything.
    pub authorizer: Option<Authorizer>,
}

impl Mon {
    /// One that listens.
    pub fn listening(nonce: u32) -> Mon {
        Mon { nonce, listens: true, protocol: CLUSTER_PROTOCOL, authorizer: Some(mon_authorizer()) }
    }

    /// One that does not.
    pub fn dialling(nonce: u32) -> Mon {
        Mon { listens: false, ..Mon::listening(nonce) }
    }

    /// Starts it.
    pub fn start(self, factory: &dyn MessengerFactory) -> Node {
        let plan = Plan::client(Policy::lossless_peer_reuse()).nonce(self.nonce);
        let name = EntityName::mon(EntityName::NEW);
        // Nobody is to wait long for a peer that has lost its link in the middle of a race.
        let mut plan = Plan { name, ..plan }.with("ms_max_backoff", "0.5");
        plan.bind = self.listens.then(loopback);
        let node = plan.start(factory);
        node.messenger.set_cluster_protocol(self.protocol);
        if let Some(authorizer) = self.authorizer {
            shows(&node, authorizer);
        }
        node
    }
}

/// Lets a messenger show this authorizer to monitors.
pub fn shows(node: &Node, authorizer: Authorizer) {
    node.messenger.add_dispatcher_tail(Arc::new(Shows(authorizer)));
}

/// A connection to the monitor.
pub fn connect(node: &Node, mon: EntityAddr) -> Connection {
    node.messenger.connect_to(EntityType::MON, mon).unwrap()
}

/// Sends a ping.
pub fn ping(connection: &Connection) {
    connection.send_message(Message::new(kind::PING)).unwrap();
}

/// The next message that is dispatched, in words.
pub fn pong(node: &Node) -> String {
    let message = node.message();
    assert_eq!((message.kind, message.source), (kind::PING, Some(EntityName::mon(0))));
    let empty = if message.front.is_empty() { "empty pong" } else { "pong" };
    format!("{empty}, seq {}", message.seq)
}

/// What was heard and not looked at so far, in words; events of connections by their callback.
pub fn heard(node: &Node) -> Vec<&'static str> {
    node.heard.try_iter().map(|heard| name(&heard)).collect()
}

/// The callback that told.
pub fn name(heard: &Heard) -> &'static str {
    match heard {
        Heard::Fast(..) => "a message",
        Heard::Queued(..) => "a queued message",
        Heard::Connect(_) => "connect",
        Heard::Accept(_) => "accept",
        Heard::Reset(_) => "reset",
        Heard::RemoteReset(_) => "remote_reset",
        Heard::Refused(_) => "refused",
    }
}
