//! The `Messenger` trait: what every architecture offers, and nothing that depends on which one it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::addr::EntityAddr;
use crate::config::Config;
use crate::connection::Connection;
use crate::core::Core;
use crate::dispatcher::Dispatcher;
use crate::entity::{EntityName, EntityType};
use crate::error::Error;
use crate::message::Message;
use crate::policy::Policy;
use crate::stages::Stages;
use crate::stats::Stats;
use crate::throttle::Throttle;

/// What a messenger is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its own name.
    pub name: EntityName,
    /// Part of its address: what tells apart incarnations, and clients that do not bind. Well-known daemons use 0.
    pub nonce: u32,
    /// Its options.
    pub config: Config,
    /// Seeds the few random choices of the protocol (sequence numbers after a session reset).
    pub seed: u64,
}

impl Setup {
    /// A messenger called `name`, with nonce 0, default options and a seed of its own.
    #[must_use]
    pub fn new(name: EntityName) -> Setup {
        use std::hash::{BuildHasher, RandomState};
        let seed = RandomState::new().hash_one(name);
        Setup { name, nonce: 0, config: Config::default(), seed }
    }

    /// Sets the nonce.
    #[must_use]
    pub fn with_nonce(mut self, nonce: u32) -> Setup {
        self.nonce = nonce;
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Setup {
        self.config = config;
        self
    }
}

/// Makes messengers of one kind.
pub trait MessengerFactory: Send + Sync {
    /// The kind: `simple`, `async`, ...
    fn name(&self) -> &'static str;

    /// Makes a messenger.
    ///
    /// # Errors
    /// When the host refuses what the kind needs (threads, event queues).
    fn create(&self, setup: Setup) -> Result<Arc<dyn Messenger>, Error>;
}

/// Sends and receives messages over connections to named peers.
///
/// Life of a messenger: make it, set policies, [`bind`](Messenger::bind) it (servers only), add dispatchers (the first
/// one starts the accepting), [`start`](Messenger::start) it, use it, [`shutdown`](Messenger::shutdown), then
/// [`wait`](Messenger::wait). After `wait` it can be started again.
///
/// The required methods are what differs between architectures; the provided ones are the same for all.
pub trait Messenger: Send + Sync {
    /// What all messengers share: registry, policies, dispatch queue, counters.
    fn core(&self) -> &Arc<Core>;

    /// Listens on `address`. Port 0 takes the first free port of `ms_bind_port_min..=ms_bind_port_max`; a blank IP is
    /// learned from the first peer.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], other failures of the socket, or misuse after [`Messenger::start`].
    fn bind(&self, address: SocketAddr) -> Result<EntityAddr, Error>;

    /// Marks everything down and listens on another port that is neither the present one nor in `avoid`, with a nonce
    /// of its own.
    ///
    /// # Errors
    /// As [`Messenger::bind`], and misuse when it was not bound.
    fn rebind(&self, avoid: &[u16]) -> Result<EntityAddr, Error>;

    /// Ends the messenger: nothing is accepted or delivered from now on. Returns at once, from any thread.
    fn shutdown(&self);

    /// Blocks until [`Messenger::shutdown`] was called and every thread, connection and queued message is gone. Returns at
    /// once when the messenger is not started: there is nothing to wait for.
    ///
    /// # Errors
    /// Misuse, when called from one of the messenger's own threads.
    fn wait(&self) -> Result<(), Error>;

    /// Adds a dispatcher before the others. The first dispatcher starts the accepting.
    fn add_dispatcher_head(&self, dispatcher: Arc<dyn Dispatcher>) {
        if self.core().add_dispatcher(dispatcher, true) {
            self.ready();
        }
    }

    /// Adds a dispatcher after the others. The first dispatcher starts the accepting.
    fn add_dispatcher_tail(&self, dispatcher: Arc<dyn Dispatcher>) {
        if self.core().add_dispatcher(dispatcher, false) {
            self.ready();
        }
    }

    /// Starts accepting, if bound. Called by adding the first dispatcher.
    fn ready(&self);

    /// Starts the messenger.
    ///
    /// # Errors
    /// Misuse, when it is already started.
    fn start(&self) -> Result<(), Error> {
        self.core().start()?;
        if self.core().has_dispatchers() {
            self.ready();
        }
        Ok(())
    }

    /// The connection to the peer of type `kind` at `address`, dialling if there is none. The dial goes on in the
    /// background: the handle is usable at once. The messenger's own address gives the loopback connection.
    ///
    /// # Errors
    /// Misuse: a blank address, a messenger that is not started, or a peer that policy says must dial us.
    fn connect_to(&self, kind: EntityType, address: EntityAddr) -> Result<Connection, Error> {
        self.core().connect_to(kind, address)
    }

    /// Sends to the peer of type `kind` at `address`, dialling if need be. A message for a peer that policy says must
    /// dial us is dropped (and counted) when there is no connection.
    ///
    /// # Errors
    /// As [`Messenger::connect_to`] and [`Connection::send_message`].
    fn send_message(&self, message: Message, kind: EntityType, address: EntityAddr) -> Result<(), Error> {
        self.core().send_to(message, kind, address)
    }

    /// The connection to ourselves: what is sent on it is dispatched here, unencoded.
    fn loopback_connection(&self) -> Connection {
        self.core().loopback()
    }

    /// Closes the connection to `address`, if there is one; the dispatchers see a reset.
    fn mark_down(&self, address: EntityAddr) {
        self.core().mark_down(address);
    }

    /// Closes every connection; the dispatchers see a reset for each.
    fn mark_down_all(&self) {
        self.core().mark_down_all();
    }

    /// The policy for peers of types without one of their own.
    fn set_default_policy(&self, policy: Policy) {
        self.core().set_default_policy(policy);
    }

    /// The policy for peers of type `kind`.
    fn set_policy(&self, kind: EntityType, policy: Policy) {
        self.core().set_policy(kind, policy);
    }

    /// Attaches throttles to the policy for peers of type `kind` (a copy of the default policy if it has none yet).
    fn set_policy_throttlers(&self, kind: EntityType, bytes: Option<Arc<Throttle>>, messages: Option<Arc<Throttle>>) {
        self.core().set_policy_throttlers(kind, bytes, messages);
    }

    /// The protocol version spoken with peers of the own type; 0 unless set.
    fn set_cluster_protocol(&self, version: u32) {
        self.core().set_cluster_protocol(version);
    }

    /// Sets the own IP where it is not known yet.
    fn set_addr_unknowns(&self, ip: IpAddr) {
        self.core().learn_ip(ip);
    }

    /// The own address, as far as it is known.
    fn my_addr(&self) -> EntityAddr {
        self.core().my_addr()
    }

    /// The own name.
    fn my_name(&self) -> EntityName {
        self.core().my_name()
    }

    /// Messages and events waiting in the dispatch queue.
    fn dispatch_queue_len(&self) -> usize {
        self.core().dispatch_queue_len()
    }

    /// The counters, now.
    fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Name and value of the counters of what the messenger shares with others of its process, now: every one of them shows
    /// the same, so they are not to be summed up. None where it shares nothing.
    fn shared_counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Where the time of messages goes, if `ms_stage_histograms` asks for it.
    fn stages(&self) -> Option<&Stages> {
        self.core().stages()
    }
}
