//! A messenger that lives in memory, and its own only dispatcher.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use msgr::session::{Session, Stack};
use msgr::{Connection, Core, Dispatcher, EntityAddr, Error, Message, Messenger, Policy, Setup};

/// A message kind that is dispatched by the queue, not by the receiving actor.
pub const QUEUED: u16 = 1000;
/// A queued event, as the dispatcher saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// `ms_handle_connect`.
    Connect,
    /// `ms_handle_accept`.
    Accept,
    /// `ms_handle_reset`.
    Reset,
    /// `ms_handle_remote_reset`.
    RemoteReset,
    /// `ms_handle_refused`.
    Refused,
}

type Hook = Arc<dyn Fn(&Node, &Connection, Message) + Send + Sync>;

/// One messenger, its own only dispatcher: it records what arrives, and lets a hook act on it.
pub struct Node {
    core: Arc<Core>,
    dials: Mutex<Vec<Arc<Session>>>,
    received: Mutex<Vec<(u64, u64)>>,
    events: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<Connection>>,
    hook: Mutex<Option<Hook>>,
}

impl Node {
    /// A started messenger at `address`, with one policy for all peers.
    pub fn new(setup: Setup, address: SocketAddr, policy: Policy) -> Arc<Node> {
        let node = Node::without_dispatcher(setup, address, policy);
        node.add_dispatcher_head(Arc::clone(&node) as Arc<dyn Dispatcher>);
        node.start().unwrap();
        node
    }

    /// As [`Node::new`], to be given a dispatcher and started.
    pub fn without_dispatcher(setup: Setup, address: SocketAddr, policy: Policy) -> Arc<Node> {
        let node = Arc::new(Node {
            core: Core::without_threads(setup),
            dials: Mutex::default(),
            received: Mutex::default(),
            events: Mutex::default(),
            connections: Mutex::default(),
            hook: Mutex::default(),
        });
        let weak = Arc::downgrade(&node);
        node.core.install(weak).unwrap();
        node.bind(address).unwrap();
        node.set_default_policy(policy);
        node
    }

    /// Sessions that want a driver.
    pub fn take_dials(&self) -> Vec<Arc<Session>> {
        std::mem::take(&mut *self.dials.lock().unwrap())
    }

    /// Leaves sessions for the next [`Node::take_dials`].
    pub(crate) fn put_dials(&self, dials: Vec<Arc<Session>>) {
        *self.dials.lock().unwrap() = dials;
    }

    /// Transaction ids of the messages received, in order.
    pub fn tids(&self) -> Vec<u64> {
        self.received.lock().unwrap().iter().map(|(tid, _)| *tid).collect()
    }

    /// Sequence numbers of the messages received, in order.
    pub fn seqs(&self) -> Vec<u64> {
        self.received.lock().unwrap().iter().map(|(_, seq)| *seq).collect()
    }

    /// The queued events so far, once all that are queued have been dispatched.
    pub fn events(&self) -> Vec<Seen> {
        self.core.dispatch_queued();
        self.events.lock().unwrap().clone()
    }

    /// The connections that opened, in order.
    pub fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }

    /// Gives every fast-dispatched message to `hook` instead of recording it.
    pub fn on_message(&self, hook: impl Fn(&Node, &Connection, Message) + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// A connection to `other`, which the net's next run carries.
    pub fn connect(&self, other: &Node) -> Connection {
        self.connect_to(other.my_name().kind, other.my_addr()).unwrap()
    }

    /// Sends empty messages with these transaction ids.
    pub fn send_all(&self, to: &Connection, tids: impl IntoIterator<Item = u64>) {
        for tid in tids {
            to.send_message(Message::new(1).with_tid(tid)).unwrap();
        }
    }

    /// Notes a message as received.
    pub fn record(&self, message: &Message) {
        self.received.lock().unwrap().push((message.tid, message.seq));
    }

    fn see(&self, event: Seen) {
        self.events.lock().unwrap().push(event);
    }
}

impl Messenger for Node {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn bind(&self, address: SocketAddr) -> Result<EntityAddr, Error> {
        let addr = EntityAddr::new(address, self.my_addr().nonce);
        self.core.set_addr(addr);
        Ok(addr)
    }

    fn rebind(&self, _avoid: &[u16]) -> Result<EntityAddr, Error> {
        /// As the other messengers do.
        const NONCE_STEP: u32 = 1_000_000;
        let old = self.my_addr();
        let Some(mut address) = old.socket else { return Err(Error::Misuse("rebind follows bind")) };
        self.mark_down_all();
        address.set_port(address.port() + 1);
        let new = EntityAddr::new(address, old.nonce.wrapping_add(NONCE_STEP));
        self.core.set_addr(new);
        Ok(new)
    }

    fn shutdown(&self) {
        self.core.stop();
        self.core.close_all();
    }

    fn wait(&self) -> Result<(), Error> {
        self.core.finish();
        Ok(())
    }

    fn ready(&self) {}
}

impl Dispatcher for Node {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        message.kind < QUEUED
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let hook = self.hook.lock().unwrap().clone();
        match hook {
            Some(hook) => hook(self, connection, message),
            None => self.record(&message),
        }
    }

    fn ms_dispatch(&self, _connection: &Connection, message: Message) -> Option<Message> {
        self.record(&message);
        None
    }

    fn ms_handle_fast_connect(&self, connection: &Connection) {
        self.connections.lock().unwrap().push(connection.clone());
    }

    fn ms_handle_fast_accept(&self, connection: &Connection) {
        self.connections.lock().unwrap().push(connection.clone());
    }

    fn ms_handle_connect(&self, _connection: &Connection) {
        self.see(Seen::Connect);
    }

    fn ms_handle_accept(&self, _connection: &Connection) {
        self.see(Seen::Accept);
    }

    fn ms_handle_reset(&self, _connection: &Connection) -> bool {
        self.see(Seen::Reset);
        true
    }

    fn ms_handle_remote_reset(&self, _connection: &Connection) {
        self.see(Seen::RemoteReset);
    }

    fn ms_handle_refused(&self, _connection: &Connection) -> bool {
        self.see(Seen::Refused);
        true
    }
}

/// Dials are noted, and carried out by the net's next turn.
impl Stack for Node {
    fn dial(&self, session: Arc<Session>) {
        self.dials.lock().unwrap().push(session);
    }
}
