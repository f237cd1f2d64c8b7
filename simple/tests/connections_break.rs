//! Connections break.

mod common;

use common::{Heard, Plan, faults as cases};
use msgr::{Message, Policy};
use msgr_simple::SimpleFactory;

#[test]
fn a_lossy_connection_is_reset_when_the_server_goes_away() {
    cases::a_lossy_connection_is_reset_when_the_server_goes_away(&SimpleFactory);
}

#[test]
fn mark_down_is_a_reset_for_the_peer() {
    cases::mark_down_is_a_reset_for_the_peer(&SimpleFactory);
}

#[test]
fn nothing_is_lost_doubled_or_reordered_when_sockets_are_cut() {
    cases::nothing_is_lost_doubled_or_reordered_when_sockets_are_cut(&SimpleFactory);
}

#[test]
fn a_resting_peer_dials_again_when_it_has_something_to_send() {
    cases::a_resting_peer_dials_again_when_it_has_something_to_send(&SimpleFactory);
}

#[test]
fn a_refused_dial_is_told_and_tried_again() {
    cases::a_refused_dial_is_told_and_tried_again(&SimpleFactory);
}

#[test]
fn an_idle_connection_times_out() {
    cases::an_idle_connection_times_out(&SimpleFactory);
}

#[test]
fn a_blocked_write_does_not_delay_the_end() {
    cases::a_blocked_write_does_not_delay_the_end(&SimpleFactory);
}

#[test]
fn a_dispatcher_that_panics_costs_its_connection_only() {
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
