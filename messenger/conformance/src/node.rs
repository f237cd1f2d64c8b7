//! A messenger with ears: what the cases are made of.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgr::{
    Config, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, Messenger, MessengerFactory, Policy,
    Setup,
};

/// How long a case waits for what must happen. Only a case that fails ever waits that long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A loopback address of its own, with port 0: the cases of all processes can run at once without meeting on a port.
pub fn loopback() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // The last byte is neither 0 nor 255, which some would take for a network's own.
    let last = 1 + NEXT.fetch_add(1, Relaxed) % 254;
    SocketAddr::new(Ipv4Addr::new(127, high, low, last).into(), 0)
}

/// What a dispatcher was told.
#[derive(Debug)]
pub enum Heard {
    /// A message, from `ms_fast_dispatch`.
    Fast(Connection, Message),
    /// A message, from `ms_dispatch`.
    Queued(Connection, Message),
    /// `ms_handle_connect`.
    Connect(Connection),
    /// `ms_handle_accept`.
    Accept(Connection),
    /// `ms_handle_reset`.
    Reset(Connection),
    /// `ms_handle_remote_reset`.
    RemoteReset(Connection),
    /// `ms_handle_refused`.
    Refused(Connection),
}

/// What a case does in a dispatch callback before the message is reported.
pub type React = Box<dyn Fn(&Connection, &Message) + Send + Sync>;

struct Ears {
    fast: bool,
    react: React,
    heard: Mutex<Sender<Heard>>,
}

impl Ears {
    fn hear(&self, heard: Heard) {
        // A case that is over listens no more.
        let _ = self.heard.lock().unwrap().send(heard);
    }
}

impl Dispatcher for Ears {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        self.fast
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        self.fast
    }
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        (self.react)(connection, &message);
        self.hear(Heard::Fast(connection.clone(), message));
    }
    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        (self.react)(connection, &message);
        self.hear(Heard::Queued(connection.clone(), message));
        None
    }
    fn ms_handle_connect(&self, connection: &Connection) {
        self.hear(Heard::Connect(connection.clone()));
    }
    fn ms_handle_accept(&self, connection: &Connection) {
        self.hear(Heard::Accept(connection.clone()));
    }
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        self.hear(Heard::Reset(connection.clone()));
        true
    }
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        self.hear(Heard::RemoteReset(connection.clone()));
    }
    fn ms_handle_refused(&self, connection: &Connection) -> bool {
        self.hear(Heard::Refused(connection.clone()));
        true
    }
}

/// How a [`Node`] is made.
pub struct Plan {
    /// Its name.
    pub name: EntityName,
    /// Its nonce.
    pub nonce: u32,
    /// Its policy for every peer.
    pub policy: Policy,
    /// Where it listens, if it does.
    pub bind: Option<SocketAddr>,
    /// Dispatch from the receiving thread.
    pub fast: bool,
    /// Its options.
    pub options: Vec<(&'static str, &'static str)>,
    /// What its dispatch callback does first.
    pub react: React,
}

/// Answers a message with the same message.
pub fn echo() -> React {
    Box::new(|connection, message| connection.send_message(message.clone()).unwrap())
}

impl Plan {
    /// A server on a loopback address of its own, dispatching fast.
    pub fn server(policy: Policy) -> Plan {
        let (name, nonce) = (EntityName::osd(0), 0);
        Plan {
            name,
            nonce,
            policy,
            bind: Some(loopback()),
            fast: true,
            options: Vec::new(),
            react: Box::new(|_, _| {}),
        }
    }

    /// A client that does not bind, dispatching fast.
    pub fn client(policy: Policy) -> Plan {
        let (name, nonce) = (EntityName::client(1), 4711);
        Plan { name, nonce, policy, bind: None, fast: true, options: Vec::new(), react: Box::new(|_, _| {}) }
    }

    /// Sets an option.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Plan {
        self.options.push((name, value));
        self
    }

    /// Sets what happens in the dispatch callback.
    pub fn reacting(mut self, react: React) -> Plan {
        self.react = react;
        self
    }

    /// Dispatches through the queue.
    pub fn queued(mut self) -> Plan {
        self.fast = false;
        self
    }

    /// Binds to `address`.
    pub fn at(mut self, address: SocketAddr) -> Plan {
        self.bind = Some(address);
        self
    }

    /// Sets the nonce.
    pub fn nonce(mut self, nonce: u32) -> Plan {
        self.nonce = nonce;
        self
    }

    /// The options as a messenger takes them.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        for (name, value) in &self.options {
            config.set(name, value).unwrap();
        }
        config
    }

    /// Makes and starts the messenger.
    pub fn start(self, factory: &dyn MessengerFactory) -> Node {
        let setup = Setup::new(self.name).with_nonce(self.nonce).with_config(self.config());
        let messenger = factory.create(setup).unwrap();
        messenger.set_default_policy(self.policy);
        if let Some(address) = self.bind {
            messenger.bind(address).unwrap();
        }
        let (tell, heard) = channel();
        messenger.add_dispatcher_head(Arc::new(Ears { fast: self.fast, react: self.react, heard: Mutex::new(tell) }));
        messenger.start().unwrap();
        Node { messenger, heard }
    }
}

/// A started messenger and what its dispatcher was told. Ends with the case.
pub struct Node {
    /// The messenger.
    pub messenger: Arc<dyn Messenger>,
    /// What its dispatcher was told, in order.
    pub heard: Receiver<Heard>,
}

impl Node {
    /// Its address.
    pub fn address(&self) -> EntityAddr {
        self.messenger.my_addr()
    }

    /// The address of its socket.
    pub fn socket(&self) -> SocketAddr {
        self.address().socket.unwrap()
    }

    /// A connection to an OSD.
    pub fn connect(&self, address: EntityAddr) -> Connection {
        self.messenger.connect_to(EntityType::OSD, address).unwrap()
    }

    /// The next thing heard for which `pick` has a use.
    pub fn hear<T>(&self, mut pick: impl FnMut(Heard) -> Option<T>) -> T {
        loop {
            let heard = self.heard.recv_timeout(PATIENCE).expect("it never happened");
            if let Some(picked) = pick(heard) {
                return picked;
            }
        }
    }

    /// The next message.
    pub fn message(&self) -> Message {
        self.hear(|heard| match heard {
            Heard::Fast(_, message) | Heard::Queued(_, message) => Some(message),
            _ => None,
        })
    }

    /// The connection of the next reset.
    pub fn reset(&self) -> Connection {
        self.hear(|heard| if let Heard::Reset(connection) = heard { Some(connection) } else { None })
    }

    /// Shuts down and waits.
    pub fn end(&self) {
        self.messenger.shutdown();
        self.messenger.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.messenger.shutdown();
        let ended = self.messenger.wait();
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}
