//! Cases: what the policies promise about sessions, when one side ends or forgets them.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use msgr::{Connection, Dispatcher, EntityName, EntityType, Message, MessengerFactory, Policy};

use crate::{PATIENCE, Plan, Started, echo, eventually, random, session_count};

/// What a server accepted is what it gets when it asks for a connection to that client, though it could not dial it.
///
/// Upstream's server is a stateless one, which registered its clients then; now only others do.
pub fn an_accepted_connection_is_found_by_its_peers_address(factory: &dyn MessengerFactory) {
    for policy in [Policy::stateful_server(), Policy::stateless_registered_server()] {
        let server = Plan::server(policy).reacting(echo()).start(factory);
        let client = Plan::client(Policy::lossy_client()).start(factory);
        let connection = client.connect(server.address());
        client.ask(&connection, Message::new(1));
        assert_eq!(connection.peer_addr(), server.address());
        let accepted = server.accepted();
        assert_eq!(accepted.peer_addr(), client.address());
        let found = server.messenger.connect_to(EntityType::CLIENT, client.address()).unwrap();
        assert_eq!(found, accepted);
        server.messenger.send_message(Message::new(2), EntityType::CLIENT, client.address()).unwrap();
        assert_eq!(client.message().kind, 2);
    }
}

/// A client marks its connection down: the server keeps the session. The client's next connection makes it plain that the
/// session is over, and the server is told.
pub fn a_stateful_server_is_told_that_its_client_started_over(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossless_client()).start(factory);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    let accepted = server.accepted();
    connection.mark_down();
    eventually("the server notices", || !accepted.is_connected());
    assert_eq!(session_count(&accepted), Some(1));

    let again = client.connect(server.address());
    assert_ne!(again, connection);
    assert_eq!(server.remote_reset(), accepted);
    client.ask(&again, Message::new(1));
    assert_eq!((session_count(&again), session_count(&accepted)), (Some(1), Some(1)));
    assert!(accepted.is_connected(), "the server's handle is the same, with another session");
}

/// A server marks a client's connection down: the client dials again by itself, and is told that the session is gone.
pub fn a_client_is_told_that_its_server_forgot_it_and_connects_again(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossless_client()).start(factory);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    client.connected();
    let first = server.accepted();
    first.mark_down();
    assert_eq!(client.remote_reset(), connection);
    assert_eq!(client.connected(), connection);
    assert!(connection.is_connected());
    client.ask(&connection, Message::new(1));
    let second = server.accepted();
    assert_ne!(second, first);
    assert_eq!((session_count(&connection), session_count(&second)), (Some(1), Some(1)));
}

/// With a stateless server a client that starts over is a new one, and nobody needs to be told of the old session.
pub fn a_stateless_server_forgets_a_client_with_its_connection(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    let first = server.accepted();
    connection.mark_down();
    assert_eq!(server.reset(), first);
    assert_eq!(session_count(&first), None);
    let again = client.connect(server.address());
    client.ask(&again, Message::new(1));
    let second = server.accepted();
    assert_ne!(second, first);
    assert_eq!((session_count(&again), session_count(&second)), (Some(1), Some(1)));
}

/// A lossy client that the server marked down finds its connection closed, and has to ask for another one.
pub fn a_lossy_client_notices_by_a_keepalive_that_it_was_marked_down(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    server.accepted().mark_down();
    connection.send_keepalive();
    assert_eq!(client.reset(), connection);
    assert!(!connection.is_connected());
    let again = client.connect(server.address());
    assert_ne!(again, connection);
    client.ask(&again, Message::new(1));
    assert_eq!((session_count(&again), session_count(&server.accepted())), (Some(1), Some(1)));
}

/// A client that rests after a fault learns with its next message that the server forgot the session: that message is
/// lost with it, which the client is told, and the one after it is answered over the same handle.
pub fn a_resting_client_that_was_forgotten_starts_over_with_its_next_message(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossless_peer()).start(factory);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    client.connected();
    eventually("everything is acknowledged", || connection.queued_bytes() == 0);
    server.accepted().mark_down();
    eventually("the client rests", || !connection.is_connected());
    let told = client.rest();
    assert!(told.is_empty(), "the client was not to dial yet: {told:?}");

    connection.send_message(Message::new(1).with_tid(1)).unwrap();
    assert_eq!(client.remote_reset(), connection);
    assert_eq!(client.connected(), connection);
    assert!(connection.is_connected());
    client.ask(&connection, Message::new(1).with_tid(2));
    let accepted = server.accepted();
    assert_eq!((session_count(&connection), session_count(&accepted)), (Some(1), Some(1)));
}

/// A dispatcher of two messengers that, in its callbacks and under a lock of its own, marks down the connection that did
/// not just speak, after a moment.
struct Rivals {
    known: Mutex<HashMap<(EntityName, u64), Connection>>,
    random: Mutex<fastrand::Rng>,
    heard: Sender<()>,
}

/// [`Rivals`] as one of the two messengers sees it: connection numbers are unique within a messenger only.
struct Rival {
    name: EntityName,
    all: Arc<Rivals>,
}

impl Rival {
    fn dawdle(&self) {
        let pause = self.all.random.lock().unwrap().u64(0..500);
        thread::sleep(Duration::from_micros(pause));
    }

    fn forget(&self, connection: &Connection) {
        let mut known = self.all.known.lock().unwrap();
        known.remove(&(self.name, connection.id()));
        self.dawdle();
    }
}

impl Dispatcher for Rival {
    fn ms_dispatch(&self, connection: &Connection, _: Message) -> Option<Message> {
        let _ = self.all.heard.send(());
        let mut known = self.all.known.lock().unwrap();
        let me = (self.name, connection.id());
        known.insert(me, connection.clone());
        self.dawdle();
        let other = known.keys().find(|key| **key != me).copied();
        if let Some(other) = other.and_then(|key| known.remove(&key)) {
            other.mark_down();
        }
        None
    }
    fn ms_handle_accept(&self, connection: &Connection) {
        self.all.known.lock().unwrap().insert((self.name, connection.id()), connection.clone());
    }
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        self.forget(connection);
        true
    }
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        self.forget(connection);
    }
}

/// Two servers share a dispatcher that marks down, from the callbacks of one, the connections of the other. A client
/// talks to both for a thousand rounds, and gets through.
///
/// Upstream sleeps half a second after a round in which no message arrived, and allows three of them. Both messages of a
/// round may be lost rightly (they were sent on connections that had just been marked down), so here another round
/// follows at once, and the patience of all cases bounds how long nothing arrives.
pub fn dispatchers_that_mark_each_others_connections_down_make_progress(factory: &dyn MessengerFactory) {
    const ROUNDS: u32 = 1000;
    /// How long a round waits for a message before the next one tries.
    const ROUND: Duration = Duration::from_millis(5);
    let (heard, arrivals): (_, Receiver<()>) = channel();
    let random = Mutex::new(random("dispatchers_that_mark_each_others_connections_down_make_progress"));
    let all = Arc::new(Rivals { known: Mutex::default(), random, heard });
    let servers = [0, 1].map(|num| {
        let name = EntityName::osd(num);
        let rival = Rival { name, all: Arc::clone(&all) };
        Plan::server(Policy::stateless_server()).named(name).start_with(factory, Arc::new(rival))
    });
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let (mut rounds, mut last) = (0, Instant::now());
    while rounds < ROUNDS {
        for server in &servers {
            client.connect(server.my_addr()).send_message(Message::new(2)).unwrap();
        }
        if arrivals.recv_timeout(ROUND).is_ok() {
            (rounds, last) = (rounds + 1, Instant::now());
        }
        assert!(last.elapsed() < PATIENCE, "nothing arrives any more after {rounds} rounds");
        while arrivals.try_recv().is_ok() {}
        client.rest();
    }
    servers.iter().for_each(Started::end);
    // It has the connections, which would keep the messengers.
    all.known.lock().unwrap().clear();
}
