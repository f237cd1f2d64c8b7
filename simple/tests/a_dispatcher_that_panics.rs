//! A dispatcher that panics takes its reader thread with it, and nothing else.
#![allow(clippy::unwrap_used)]

use msgr::{Message, Policy};
use msgr_conformance::{Heard, Plan};
use msgr_simple::SimpleFactory;

#[test]
fn it_costs_its_connection_only() {
    let server = Plan::server(Policy::stateful_server()).reacting(Box::new(|connection, message| {
        assert_ne!(message.tid, 13, "this panic is part of the test");
        connection.send_message(message.clone()).unwrap();
    }));
    let server = server.start(&SimpleFactory);
    let clients = [1, 2].map(|nonce| Plan::client(Policy::lossless_client()).nonce(nonce).start(&SimpleFactory));
    let connections = clients.each_ref().map(|client| client.connect(server.address()));
    for (client, connection) in clients.iter().zip(&connections) {
        connection.send_message(Message::new(1).with_tid(1)).unwrap();
        client.message();
    }
    connections[0].send_message(Message::new(1).with_tid(13)).unwrap();
    server.reset();
    // Its peer hears that the session is forgotten, and can start over.
    clients[0].hear(|heard| matches!(heard, Heard::RemoteReset(_)).then_some(()));
    for (client, connection) in clients.iter().zip(&connections) {
        connection.send_message(Message::new(1).with_tid(2)).unwrap();
        assert_eq!(client.message().tid, 2);
    }
}
