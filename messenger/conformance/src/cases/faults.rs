//! Cases: connections break.

use std::io::Write;
use std::net::TcpListener;

use msgr::{EntityAddr, EntityType, Message, MessengerFactory, Policy};

use crate::proxy::Proxy;
use crate::{Heard, PATIENCE, Plan, echo, eventually, loopback, random, raw};

/// A lossy connection ends with a reset on both sides when one of them goes away.
pub fn a_lossy_connection_is_reset_when_the_server_goes_away(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    connection.send_message(Message::new(1)).unwrap();
    client.message();
    server.end();
    assert_eq!(client.reset(), connection);
    assert!(!connection.is_connected());
    // Dropped and counted, not an error: the application may not have heard yet. It stays closed.
    connection.send_message(Message::new(1)).unwrap();
    assert_eq!(client.messenger.stats().msgr_drop_closed_messages, 1);
    assert!(!connection.is_connected());
    assert_eq!(client.messenger.stats().msgr_created_connections, 1);
}

/// Marking a connection down closes it, and the other side sees a reset.
pub fn mark_down_is_a_reset_for_the_peer(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    connection.send_message(Message::new(1)).unwrap();
    client.message();
    connection.mark_down();
    assert!(!connection.is_connected());
    server.reset();
    let told = client.rest();
    assert!(!told.iter().any(|heard| matches!(heard, Heard::Reset(_))), "the side that marked down is told: {told:?}");
    // The address can be dialled again.
    let again = client.connect(server.address());
    assert_ne!(again, connection);
    again.send_message(Message::new(1)).unwrap();
    client.message();
}

/// A peer dials and its link breaks, before the session is open or with its first bytes: the session it began is there,
/// and dials as soon as there is something to send.
pub fn a_session_outlives_the_accepted_link_that_began_it(factory: &dyn MessengerFactory) {
    // What follows the connect: nothing, or in the same breath the number that opens the session, and garbage.
    for (nonce, rest) in [(1, vec![]), (2, vec![0, 0, 0, 0, 0, 0, 0, 0, 0xee])] {
        let server = Plan::server(Policy::lossless_peer()).start(factory);
        let peer = TcpListener::bind(loopback()).unwrap();
        let address = EntityAddr::new(peer.local_addr().unwrap(), nonce);
        let mut socket = raw::dial(server.socket());
        let is_garbage = !rest.is_empty();
        socket.write_all(&[raw::hello(&address, false), rest].concat()).unwrap();
        if is_garbage {
            raw::read_to_end(socket);
        } else {
            raw::read_welcome(&mut socket);
            drop(socket);
        }
        eventually("the server notices", || server.messenger.stats().msgr_faults == 1);
        let connection = server.messenger.connect_to(EntityType::CLIENT, address).unwrap();
        connection.send_message(Message::new(1)).unwrap();
        peer.set_nonblocking(true).unwrap();
        eventually("the server dials the peer", || peer.accept().is_ok());
    }
}

/// Over connections that are cut at random, everything arrives once and in order, in both directions.
pub fn nothing_is_lost_doubled_or_reordered_when_sockets_are_cut(factory: &dyn MessengerFactory) {
    const MESSAGES: u64 = 10_000;
    /// Two directions of a hundred messages of 64 bytes each with their framing and acknowledgements.
    const BYTES_BETWEEN_CUTS: u64 = 2 * 100 * 150;
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let mut random = random("nothing_is_lost_doubled_or_reordered_when_sockets_are_cut");
    let proxy = Proxy::new(server.address(), move || Some(random.u64(1..2 * BYTES_BETWEEN_CUTS)));
    let client = Plan::client(Policy::lossless_client()).with("ms_initial_backoff", "0.001").start(factory);
    let connection = client.connect(proxy.address());
    for tid in 0..MESSAGES {
        connection.send_message(Message::new(1).with_tid(tid).with_data(vec![tid as u8; 64])).unwrap();
        // Few at a time, so that the stream lasts long enough to be cut often.
        if tid >= 64 {
            assert_eq!(client.message().tid, tid - 64);
        }
    }
    for tid in MESSAGES - 64..MESSAGES {
        assert_eq!(client.message().tid, tid);
    }
    for tid in 0..MESSAGES {
        assert_eq!(server.message().tid, tid);
    }
    let (connections, stats) = (proxy.connections(), client.messenger.stats());
    assert!(connections > 50, "only {connections} connections");
    assert!(stats.msgr_replayed_messages > 0, "{stats:?}");
    let mut rest = client.rest().into_iter().chain(server.rest());
    assert!(rest.all(|heard| matches!(heard, Heard::Connect(_) | Heard::Accept(_))), "something came twice");
    assert_eq!(stats.msgr_drop_reset_messages, 0);
}

/// A lossless peer that had nothing to send rests after a fault, and the next message wakes it.
pub fn a_resting_peer_dials_again_when_it_has_something_to_send(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let proxy = Proxy::new(server.address(), || None);
    let client = Plan::client(Policy::lossless_peer()).start(factory);
    let connection = client.connect(proxy.address());
    for tid in 1..=5 {
        connection.send_message(Message::new(1).with_tid(tid)).unwrap();
        assert_eq!(client.message().tid, tid);
        // Until the echo is acknowledged a cut would be repaired at once.
        eventually("everything is acknowledged", || connection.queued_bytes() == 0);
        proxy.cut_all();
        eventually("the client notices", || !connection.is_connected());
        assert_eq!(proxy.connections(), tid);
    }
}

/// A dial that nobody listens for is told as refused, and tried again until somebody does.
pub fn a_refused_dial_is_told_and_tried_again(factory: &dyn MessengerFactory) {
    let free = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let client = Plan::client(Policy::lossy_client()).with("ms_initial_backoff", "0.01").start(factory);
    let connection = client.connect(EntityAddr::new(free, 0));
    connection.send_message(Message::new(1).with_tid(9)).unwrap();
    for _ in 0..3 {
        assert_eq!(client.refused(), connection);
    }
    let server = Plan::server(Policy::stateless_server()).at(free).start(factory);
    assert_eq!(server.message().tid, 9);
}

/// A connection on which nothing is said ends by its idle time-out.
pub fn an_idle_connection_times_out(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).with("ms_connection_idle_timeout", "0.1").start(factory);
    let connection = client.connect(server.address());
    connection.send_message(Message::new(1)).unwrap();
    client.message();
    assert_eq!(client.reset(), connection);
    server.reset();
}

/// What is sent while the peer does not answer is not lost to the hang-up of its socket: the end comes although a
/// write blocks.
pub fn a_blocked_write_does_not_delay_the_end(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server());
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    // The server's receiving thread stops reading until the client is gone.
    // Workers of its own, if it has workers: one that blocks helps nobody else.
    let server = server.with("ms_async_op_threads", "2").reacting(Box::new(move |_, _| {
        let _ = hold.lock().unwrap().recv_timeout(PATIENCE);
    }));
    let server = server.start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    connection.send_message(Message::new(1)).unwrap();
    for _ in 0..4 {
        connection.send_message(Message::new(1).with_data(vec![0; 16 << 20])).unwrap();
    }
    // Until the socket's buffers are full; they hold far less than what was sent.
    eventually("the client writes", || client.messenger.stats().msgr_send_bytes > 0);
    client.end();
    drop(release);
}

/// A dispatcher that panics in the receiving thread costs its connection, and nobody else's.
pub fn a_dispatcher_that_panics_costs_its_connection_only(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateful_server()).reacting(Box::new(|connection, message| {
        assert_ne!(message.tid, 13, "this panic is part of the test");
        connection.send_message(message.clone()).unwrap();
    }));
    let server = server.start(factory);
    let clients = [1, 2].map(|nonce| Plan::client(Policy::lossless_client()).nonce(nonce).start(factory));
    let connections = clients.each_ref().map(|client| client.connect(server.address()));
    for (client, connection) in clients.iter().zip(&connections) {
        connection.send_message(Message::new(1).with_tid(1)).unwrap();
        client.message();
    }
    connections[0].send_message(Message::new(1).with_tid(13)).unwrap();
    server.reset();
    // Its peer hears that the session is forgotten, and can start over.
    clients[0].remote_reset();
    for (client, connection) in clients.iter().zip(&connections) {
        connection.send_message(Message::new(1).with_tid(2)).unwrap();
        assert_eq!(client.message().tid, 2);
    }
}
