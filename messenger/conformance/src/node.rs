//! A messenger with ears: what the cases are made of.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use msgr::{
    Config, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, MessengerFactory, Policy, Setup,
};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::ears::{Ears, Heard, React};
use crate::started::Started;

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

/// Writes what messengers log to the standard error output, as much as `RUST_LOG` asks for: nothing by itself.
fn log_as_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy();
        // Somebody else may have set up another, which is as good.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    });
}

/// Waits until `it` holds, as it must. For what can be seen but is not told.
pub fn eventually(what: &str, mut it: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !it() {
        assert!(begun.elapsed() < PATIENCE, "it never happened: {what}");
        thread::yield_now();
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
    /// What seeds its own random choices, if not chance.
    pub seed: Option<u64>,
    /// Its options.
    pub options: Vec<(&'static str, &'static str)>,
    /// What its dispatch callback does first.
    pub react: React,
}

impl Plan {
    /// A messenger that does not bind, dispatching fast.
    fn new(name: EntityName, nonce: u32, policy: Policy) -> Plan {
        let (options, react) = (Vec::new(), Box::new(|_: &Connection, _: &Message| {}));
        Plan { name, nonce, policy, bind: None, fast: true, seed: None, options, react }
    }

    /// A server on a loopback address of its own, dispatching fast.
    pub fn server(policy: Policy) -> Plan {
        Plan::new(EntityName::osd(0), 0, policy).at(loopback())
    }

    /// A client that does not bind, dispatching fast.
    pub fn client(policy: Policy) -> Plan {
        Plan::new(EntityName::client(1), 4711, policy)
    }

    /// Sets the name.
    pub fn named(mut self, name: EntityName) -> Plan {
        self.name = name;
        self
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

    /// Seeds its own random choices.
    pub fn seeded(mut self, seed: u64) -> Plan {
        self.seed = Some(seed);
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
    pub fn start(mut self, factory: &dyn MessengerFactory) -> Node {
        let (tell, heard) = channel();
        let react = std::mem::replace(&mut self.react, Box::new(|_, _| {}));
        let ears = Ears { fast: self.fast, react, heard: Mutex::new(tell) };
        Node { messenger: self.start_with(factory, Arc::new(ears)), heard, put_aside: RefCell::default() }
    }

    /// Makes and starts the messenger with a dispatcher of the case's own; `fast` and `react` do not matter then.
    pub fn start_with(self, factory: &dyn MessengerFactory, dispatcher: Arc<dyn Dispatcher>) -> Started {
        log_as_asked();
        let mut setup = Setup::new(self.name).with_nonce(self.nonce).with_config(self.config());
        if let Some(seed) = self.seed {
            setup.seed = seed;
        }
        let messenger = factory.create(setup).unwrap();
        messenger.set_default_policy(self.policy);
        if let Some(address) = self.bind {
            messenger.bind(address).unwrap();
        }
        messenger.add_dispatcher_head(dispatcher);
        messenger.start().unwrap();
        Started::new(messenger)
    }
}

/// A started messenger and what its dispatcher was told. Ends with the case.
pub struct Node {
    /// The messenger.
    pub messenger: Started,
    heard: Receiver<Heard>,
    /// Heard, and not what was waited for then.
    put_aside: RefCell<VecDeque<Heard>>,
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

    /// The first thing heard that is `wanted`; the others wait to be asked for.
    pub fn hear(&self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let mut put_aside = self.put_aside.borrow_mut();
        if let Some(at) = put_aside.iter().position(&wanted) {
            return put_aside.remove(at).unwrap();
        }
        loop {
            let Ok(heard) = self.heard.recv_timeout(PATIENCE) else {
                panic!("it never happened, only {put_aside:?}");
            };
            if wanted(&heard) {
                return heard;
            }
            put_aside.push_back(heard);
        }
    }

    /// Everything heard up to now that was not asked for.
    pub fn rest(&self) -> Vec<Heard> {
        self.put_aside.take().into_iter().chain(self.heard.try_iter()).collect()
    }

    /// The next message.
    pub fn message(&self) -> Message {
        match self.hear(|heard| matches!(heard, Heard::Fast(..) | Heard::Queued(..))) {
            Heard::Fast(_, message) | Heard::Queued(_, message) => message,
            other => unreachable!("{other:?} was not asked for"),
        }
    }

    /// The connection of the next reset.
    pub fn reset(&self) -> Connection {
        self.hear(|heard| matches!(heard, Heard::Reset(_))).into_connection()
    }

    /// The connection of the next remote reset.
    pub fn remote_reset(&self) -> Connection {
        self.hear(|heard| matches!(heard, Heard::RemoteReset(_))).into_connection()
    }

    /// The connection of the next refused dial.
    pub fn refused(&self) -> Connection {
        self.hear(|heard| matches!(heard, Heard::Refused(_))).into_connection()
    }

    /// The next connection that opened after this side dialled.
    pub fn connected(&self) -> Connection {
        self.hear(|heard| matches!(heard, Heard::Connect(_))).into_connection()
    }

    /// The next connection that opened after its peer dialled.
    pub fn accepted(&self) -> Connection {
        self.hear(|heard| matches!(heard, Heard::Accept(_))).into_connection()
    }

    /// The message that answers `message`, sent on `connection`.
    pub fn ask(&self, connection: &Connection, message: Message) -> Message {
        let (kind, tid) = (message.kind, message.tid);
        connection.send_message(message).unwrap();
        let answer = self.message();
        assert_eq!((answer.kind, answer.tid), (kind, tid));
        answer
    }

    /// Shuts down and waits.
    pub fn end(&self) {
        self.messenger.end();
    }
}
