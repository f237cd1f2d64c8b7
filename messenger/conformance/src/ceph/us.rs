//! Our messengers as the monitor's peers.

use std::sync::Arc;

use msgr::wire::features;
use msgr::{
    Authorizer, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Events, Message, MessengerFactory, Policy,
};

use super::body::kind;
use super::who::{CLUSTER_PROTOCOL, mon_authorizer};
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
    /// One of its socket's operations in so many fails; 0 for none.
    pub failures: &'static str,
}

impl Mon {
    /// One that listens.
    pub fn listening(nonce: u32) -> Mon {
        let authorizer = Some(mon_authorizer());
        Mon { nonce, listens: true, protocol: CLUSTER_PROTOCOL, authorizer, failures: "0" }
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
        plan = plan.with("ms_inject_socket_failures", self.failures);
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

/// Waits until a node hears that its connection is open.
pub fn connected(node: &Node) {
    node.connected();
}

/// The next message that is dispatched, in words.
pub fn pong(node: &Node) -> String {
    words(&node.message())
}

fn words(message: &Message) -> String {
    assert_eq!((message.kind, message.source), (kind::PING, Some(EntityName::mon(0))));
    // A monitor builds a message anew to replay it, and has lost the text by then.
    let empty = if message.front.is_empty() { "empty pong" } else { "pong" };
    format!("{empty}, seq {}", message.seq)
}

/// What a dispatcher was told, in words.
pub fn told(heard: &Heard) -> String {
    match heard {
        Heard::Fast(_, message) | Heard::Queued(_, message) => words(message),
        Heard::Connect(_) => "connect".to_owned(),
        Heard::Accept(_) => "accept".to_owned(),
        Heard::Reset(_) => "reset".to_owned(),
        Heard::RemoteReset(_) => "remote_reset".to_owned(),
        Heard::Refused(_) => "refused".to_owned(),
    }
}
