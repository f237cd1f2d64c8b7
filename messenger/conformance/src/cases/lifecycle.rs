//! Cases: beginning, end, and beginning again.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};

use msgr::{EntityAddr, EntityName, Error, Message, Messenger, MessengerFactory, Policy, Setup};

use crate::{Plan, echo, eventually, loopback, raw};

/// A port that is taken is an error that names it.
pub fn a_port_in_use_is_told(factory: &dyn MessengerFactory) {
    let first = Plan::server(Policy::stateless_server()).start(factory);
    let mut plan = Plan::server(Policy::stateless_server());
    plan = plan.with("ms_bind_retry_count", "1").with("ms_bind_retry_delay", "0.01");
    let second = factory.create(Setup::new(EntityName::osd(1)).with_config(plan.config())).unwrap();
    let error = second.bind(first.socket()).unwrap_err();
    assert!(matches!(error, Error::AddressInUse { address } if address == first.socket()), "{error}");
    // It is not spoilt by that.
    second.bind(loopback()).unwrap();
}

/// Without a port, one of the range in the options is taken; when all are, that is an error.
pub fn port_0_takes_a_free_port_of_the_range(factory: &dyn MessengerFactory) {
    let in_range = |min: u16, max: u16| {
        let mut config = Plan::server(Policy::stateless_server()).with("ms_bind_retry_count", "0").config();
        (config.ms_bind_port_min, config.ms_bind_port_max) = (min.into(), max.into());
        factory.create(Setup::new(EntityName::osd(0)).with_config(config)).unwrap()
    };
    let address = loopback();
    let first = in_range(6900, 6901);
    let second = in_range(6900, 6901);
    let ports = [&first, &second].map(|messenger| messenger.bind(address).unwrap().port());
    assert_eq!(ports, [6900, 6901]);
    let error = in_range(6900, 6901).bind(address).unwrap_err();
    assert!(matches!(error, Error::AddressInUse { .. }), "{error}");
}

/// Rebinding moves to another port under another nonce, and resets what was connected.
pub fn rebind_moves_to_another_port_as_another_incarnation(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let old = server.address();
    let connection = client.connect(old);
    connection.send_message(Message::new(1)).unwrap();
    client.message();
    let avoid: Vec<u16> = (old.port()..old.port() + 10).collect();
    let new = server.messenger.rebind(&avoid).unwrap();
    assert_eq!(new, server.address());
    assert!(!avoid.contains(&new.port()));
    assert_eq!(new.nonce, old.nonce + 1_000_000);
    assert_eq!(client.reset(), connection);
    client.connect(new).send_message(Message::new(1)).unwrap();
    client.message();
}

/// Shutting down in the middle of a fast dispatch returns at once, and waiting there is refused.
pub fn shutdown_in_a_fast_dispatch_returns_and_wait_is_misuse(factory: &dyn MessengerFactory) {
    shutdown_in_a_callback_returns_and_wait_is_misuse(factory, true);
}

/// The same in the dispatch thread.
pub fn shutdown_in_the_dispatch_thread_returns_and_wait_is_misuse(factory: &dyn MessengerFactory) {
    shutdown_in_a_callback_returns_and_wait_is_misuse(factory, false);
}

fn shutdown_in_a_callback_returns_and_wait_is_misuse(factory: &dyn MessengerFactory, fast: bool) {
    let myself: Arc<OnceLock<Arc<dyn Messenger>>> = Arc::default();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let its = Arc::clone(&myself);
    let mut plan = Plan::server(Policy::stateless_server()).reacting(Box::new(move |_, _| {
        let messenger = its.get().unwrap();
        messenger.shutdown();
        tell.lock().unwrap().send(messenger.wait()).unwrap();
    }));
    plan.fast = fast;
    let server = plan.start(factory);
    assert!(myself.set(Arc::clone(&server.messenger)).is_ok());
    let client = Plan::client(Policy::lossy_client()).start(factory);
    client.connect(server.address()).send_message(Message::new(1)).unwrap();
    let outcome = told.recv_timeout(crate::PATIENCE).unwrap();
    assert!(matches!(outcome, Err(Error::Misuse(_))), "{outcome:?}");
    server.messenger.ends();
    client.reset();
}

/// After its end a messenger can be bound and started again.
pub fn a_messenger_can_be_started_again_after_its_end(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    for tid in 0..3 {
        client.connect(server.address()).send_message(Message::new(1).with_tid(tid)).unwrap();
        assert_eq!(client.message().tid, tid);
        let socket = server.socket();
        for node in [&client, &server] {
            node.end();
            assert!(node.messenger.wait().is_ok(), "there is nothing left to wait for");
        }
        assert!(TcpStream::connect(socket).is_err(), "nobody listens any more");
        server.messenger.bind(socket).unwrap();
        for node in [&client, &server] {
            node.messenger.start().unwrap();
        }
    }
}

/// The end does not wait for peers that are being dialled or are still in their handshake.
pub fn the_end_does_not_wait_for_half_open_connections(factory: &dyn MessengerFactory) {
    // Its backlog takes the dial; nobody ever answers.
    let silent = TcpListener::bind(loopback()).unwrap();
    let client = Plan::client(Policy::lossless_client()).start(factory);
    client.connect(EntityAddr::new(silent.local_addr().unwrap(), 0));
    let server = Plan::server(Policy::stateless_server()).start(factory);
    let _half_open = raw::dial(server.socket());
    // TCP itself goes on trying here.
    let unanswering = raw::Unanswering::new();
    client.connect(EntityAddr::new(unanswering.address(), 0));
    // Until both dials are under way.
    let _unanswered = silent.accept().unwrap();
    eventually("the dial", || unanswering.is_dialled());
    client.end();
    server.end();
}

/// Calls that make no sense say so.
pub fn misuse_is_an_error(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).start(factory);
    assert!(matches!(server.messenger.bind(loopback()), Err(Error::Misuse(_))), "bind after start");
    assert!(matches!(server.messenger.start(), Err(Error::Misuse(_))), "start twice");
    let client = Plan::client(Policy::lossy_client()).start(factory);
    assert!(matches!(client.messenger.rebind(&[]), Err(Error::Misuse(_))), "rebind without bind");
    client.end();
    let dial = client.messenger.connect_to(msgr::EntityType::OSD, server.address());
    assert!(matches!(dial, Err(Error::Misuse(_))), "connect after the end");
}

/// A messenger that is dropped without further ado lets go of its port, its peers and its threads.
pub fn dropping_a_messenger_ends_it(factory: &dyn MessengerFactory) {
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let server = factory.create(Setup::new(EntityName::osd(0))).unwrap();
    server.set_default_policy(Policy::stateless_server());
    let address = server.bind(loopback()).unwrap();
    struct Deaf;
    impl msgr::Dispatcher for Deaf {}
    server.add_dispatcher_head(Arc::new(Deaf));
    server.start().unwrap();
    let connection = client.connect(address);
    client.connected();
    drop(server);
    assert_eq!(client.reset(), connection);
    assert!(TcpStream::connect(address.socket.unwrap()).is_err());
}
