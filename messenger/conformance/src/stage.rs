//! A messenger with hooks in its callbacks, and peers that bring each of them about.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use msgr::{Connection, EntityAddr, EntityName, EntityType, Message, MessengerFactory, Policy};

use crate::hooks::{Callback, FAST, Hooks, QUEUED};
use crate::{Node, PATIENCE, Plan, Started, eventually, loopback};

/// A callback that ran.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) callback: Callback,
    /// Number of its connection, if it had one.
    pub(crate) connection: Option<u64>,
    pub(crate) thread: ThreadId,
    pub(crate) thread_name: String,
}

type Act = Box<dyn FnOnce(Option<&Connection>) + Send>;

#[derive(Default)]
struct Hook {
    /// What to do in the next callback of this kind.
    armed: Mutex<Option<(Callback, Act)>>,
    ran: Mutex<Vec<Ran>>,
}

impl Hook {
    fn call(&self, callback: Callback, connection: Option<&Connection>) {
        let thread = thread::current();
        let thread_name = thread.name().unwrap_or_default().to_owned();
        let ran = Ran { callback, connection: connection.map(Connection::id), thread: thread.id(), thread_name };
        self.ran.lock().unwrap().push(ran);
        let act = self.armed.lock().unwrap().take_if(|(armed, _)| *armed == callback);
        if let Some((_, act)) = act {
            act(connection);
        }
    }
}

/// See the module. Clients are strangers to the subject, monitors stand by, metadata servers are dialled.
pub(crate) struct Stage<'a> {
    factory: &'a dyn MessengerFactory,
    /// The messenger under test.
    pub(crate) subject: Started,
    /// Two peers it has been connected to from the start, over lossy connections.
    pub(crate) bystanders: [Node; 2],
    /// Its connections to these.
    pub(crate) bystanding: [Connection; 2],
    hook: Arc<Hook>,
    /// Peers that brought callbacks about, and stay for the rest of the case.
    peers: Vec<Node>,
}

impl Stage<'_> {
    pub(crate) fn new(factory: &dyn MessengerFactory) -> Stage<'_> {
        let hook = Arc::new(Hook::default());
        let its = Arc::clone(&hook);
        let hooks = Hooks(move |callback, connection: Option<&Connection>| its.call(callback, connection));
        let plan = Plan::server(Policy::lossy_client()).named(EntityName::osd(9)).with("ms_initial_backoff", "0.01");
        let subject = plan.start_with(factory, Arc::new(hooks));
        subject.set_policy(EntityType::CLIENT, Policy::stateless_server());
        subject.set_policy(EntityType::MDS, Policy::lossless_client());
        let bystanders = [0, 1].map(|num| Stage::peer(factory, EntityName::mon(num), Policy::stateless_server()));
        let bystanding = bystanders.each_ref().map(|peer| subject.connect_to(EntityType::MON, peer.address()).unwrap());
        for peer in &bystanders {
            peer.accepted();
        }
        for connection in &bystanding {
            eventually("the bystanders are connected", || connection.is_connected());
        }
        let stage = Stage { factory, subject, bystanders, bystanding, hook, peers: Vec::new() };
        // Until the news of the opening are through, they would be taken for what comes next.
        eventually("the subject hears of it", || stage.ran(Callback::HandleConnect).len() == 2);
        stage
    }

    fn peer(factory: &dyn MessengerFactory, name: EntityName, policy: Policy) -> Node {
        Plan::server(policy).named(name).start(factory)
    }

    /// Has `act` run in the next callback of this kind, once.
    pub(crate) fn arm(&self, callback: Callback, act: impl FnOnce(Option<&Connection>) + Send + 'static) {
        *self.hook.armed.lock().unwrap() = Some((callback, Box::new(act)));
    }

    /// The callbacks of this kind that ran so far.
    pub(crate) fn ran(&self, callback: Callback) -> Vec<Ran> {
        self.hook.ran.lock().unwrap().iter().filter(|ran| ran.callback == callback).cloned().collect()
    }

    /// Forgets which callbacks ran, and returns them.
    pub(crate) fn take_ran(&self) -> Vec<Ran> {
        std::mem::take(&mut self.hook.ran.lock().unwrap())
    }

    /// Brings a callback about, and returns what `act` made of it.
    pub(crate) fn in_callback<T: Send + 'static>(
        &mut self,
        callback: Callback,
        act: impl FnOnce(Option<&Connection>) -> T + Send + 'static,
    ) -> T {
        let (tell, told) = channel();
        self.arm(callback, move |connection| {
            // A case that gave up listens no more.
            let _ = tell.send(act(connection));
        });
        self.provoke(callback);
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{callback:?} did not run, or did not return"))
    }

    /// Does what leads to a callback.
    fn provoke(&mut self, callback: Callback) {
        match callback {
            Callback::CanFastDispatch
            | Callback::FastPreprocess
            | Callback::FastDispatch
            | Callback::Dispatch
            | Callback::HandleFastAccept
            | Callback::HandleAccept
            | Callback::VerifyAuthorizer => self.visit(),
            Callback::FastDispatchLocal => {
                self.subject.loopback_connection().send_message(Message::new(FAST)).unwrap();
            }
            Callback::HandleFastConnect | Callback::HandleConnect | Callback::GetAuthorizer => {
                let peer =
                    Stage::peer(self.factory, EntityName { kind: EntityType::MDS, num: 0 }, Policy::stateless_server());
                self.dial(peer.address());
                self.peers.push(peer);
            }
            Callback::HandleReset => {
                let peer =
                    Stage::peer(self.factory, EntityName { kind: EntityType::MDS, num: 0 }, Policy::stateless_server());
                let connection = self.dial(peer.address());
                eventually("the connection opens", || connection.is_connected());
                peer.end();
            }
            Callback::HandleRemoteReset => {
                let peer =
                    Stage::peer(self.factory, EntityName { kind: EntityType::MDS, num: 0 }, Policy::stateful_server());
                let connection = self.dial(peer.address());
                eventually("the connection opens", || connection.is_connected());
                peer.accepted().mark_down();
                self.peers.push(peer);
            }
            Callback::HandleRefused => {
                let free = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
                self.dial(EntityAddr::new(free, 0));
            }
        }
    }

    fn dial(&self, address: EntityAddr) -> Connection {
        self.subject.connect_to(EntityType::MDS, address).unwrap()
    }

    /// A client connects and sends a message of each route.
    fn visit(&mut self) {
        let nonce = 1 + self.peers.len() as u32;
        let visitor = Plan::client(Policy::lossy_client()).nonce(nonce).start(self.factory);
        let connection = visitor.connect(self.subject.my_addr());
        for kind in [FAST, QUEUED] {
            connection.send_message(Message::new(kind)).unwrap();
        }
        self.peers.push(visitor);
    }

    /// The subject still does all that a messenger does: lets a client in, dispatches both ways, and talks to itself
    /// unless that connection was marked down too.
    pub(crate) fn is_alive(&mut self) {
        self.in_callback(Callback::FastDispatch, |_| ());
        self.in_callback(Callback::Dispatch, |_| ());
        if self.subject.loopback_connection().is_connected() {
            self.in_callback(Callback::FastDispatchLocal, |_| ());
        }
    }

    /// Another peer, that the subject has not heard of.
    pub(crate) fn stranger(&self) -> Node {
        Stage::peer(self.factory, EntityName::mon(2), Policy::stateless_server())
    }
}
