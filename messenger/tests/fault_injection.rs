//! Fault injection by option: sockets fail, messages and handshakes wait, and the promises hold.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::Arc;
use std::time::Duration;

use msgr::wire::tag;
use msgr::{Config, Connection, EntityName, Messenger, Policy, Setup};
use msgr_sim::script::{self, Connector};
use msgr_sim::{Net, Node};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";
const SECOND: Duration = Duration::from_secs(1);

fn config(options: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    for (name, value) in options {
        config.set(name, value).unwrap();
    }
    config
}

/// A client connected to a server with these options, once the dial has had time.
fn pair(options: &[(&str, &str)], server: Policy, client: Policy) -> (Net, Arc<Node>, Arc<Node>, Connection) {
    let mut net = Net::new();
    let server = net.node_with(Setup::new(EntityName::osd(1)).with_config(config(options)), SERVER, server);
    let client = net.node(EntityName::client(7), CLIENT, client);
    let connection = client.connect(&server);
    net.run();
    (net, server, client, connection)
}

const ALWAYS: [(&str, &str); 3] =
    [("ms_inject_delay_type", "osd client"), ("ms_inject_delay_probability", "1"), ("ms_inject_delay_max", "5")];

#[test]
fn delayed_messages_arrive_in_order_and_within_the_longest_delay() {
    let (mut net, server, client, connection) = pair(&ALWAYS, Policy::stateful_server(), Policy::lossless_client());
    client.send_all(&connection, 1..=20);
    net.run();
    assert_eq!(server.tids().len(), 0);
    assert_eq!(connection.queued_bytes(), 0, "received is received: they are acknowledged");
    for _ in 0..5 {
        net.advance(SECOND);
    }
    assert_eq!(server.tids(), (1..=20).collect::<Vec<_>>());
    assert_eq!(server.stats().msgr_injected_delays, 20);
}

#[test]
fn only_the_listed_types_and_kinds_are_delayed() {
    for options in [
        [("ms_inject_delay_type", "mon"), ("ms_inject_delay_probability", "1")],
        [("ms_inject_delay_type", "client"), ("ms_inject_delay_probability", "0")],
    ] {
        let (mut net, server, client, connection) =
            pair(&options, Policy::stateful_server(), Policy::lossless_client());
        client.send_all(&connection, [1]);
        net.run();
        assert_eq!(server.tids(), [1]);
    }
    let other_kind = [&ALWAYS[..], &[("ms_inject_delay_msg_type", "2")]].concat();
    let (mut net, server, client, connection) = pair(&other_kind, Policy::stateful_server(), Policy::lossless_client());
    client.send_all(&connection, [1]);
    net.run();
    assert_eq!(server.tids(), [1]);
}

#[test]
fn a_fault_delivers_what_a_lossless_session_holds_back_before_the_next_link() {
    let (mut net, server, client, connection) = pair(&ALWAYS, Policy::stateful_server(), Policy::lossless_client());
    client.send_all(&connection, 1..=5);
    net.run();
    net.cut(0);
    net.run();
    assert_eq!(server.tids(), [1, 2, 3, 4, 5]);
    client.send_all(&connection, [6]);
    net.run();
    net.advance(5 * SECOND);
    assert_eq!(server.tids(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_lossy_fault_and_a_mark_down_drop_what_is_held_back() {
    let (mut net, server, client, connection) = pair(&ALWAYS, Policy::stateless_server(), Policy::lossy_client());
    client.send_all(&connection, [1]);
    net.run();
    net.cut(0);
    net.run();
    net.advance(5 * SECOND);
    assert_eq!(server.tids(), [0; 0]);
    let connection = client.connect(&server);
    client.send_all(&connection, [2]);
    net.run();
    server.connections()[1].mark_down();
    net.run();
    net.advance(5 * SECOND);
    assert_eq!(server.tids(), [0; 0]);
}

#[test]
fn a_hard_reset_by_the_peer_drops_what_is_held_back() {
    let mut net = Net::new();
    let setup = Setup::new(EntityName::osd(1)).with_config(config(&ALWAYS));
    let server = net.node_with(setup, SERVER, Policy::stateful_server());
    let peer = script::addr(CLIENT, 7);
    // The first connection stays up: only the second one's connect tells that the peer started over.
    for (attempt, seq) in [(1, 1), (2, 5)] {
        let connector = Connector::dial(&mut net, &server, peer);
        let (reply, _) = connector.ask_until_settled(&mut net, script::connect(attempt, 0));
        if reply.tag == tag::SEQ {
            net.write(connector.wire, 0, &0u64.to_le_bytes());
        }
        net.write(connector.wire, 0, &script::message_frame(seq, b""));
        net.run();
    }
    net.advance(5 * SECOND);
    assert_eq!(server.tids(), [5]);
}

#[test]
fn reading_pauses_when_a_delay_queue_is_full() {
    let (mut net, server, client, connection) = pair(&ALWAYS, Policy::stateful_server(), Policy::lossless_client());
    client.send_all(&connection, 1..=3000);
    net.run();
    assert!(connection.queued_bytes() > 0);
    for _ in 0..50 {
        net.advance(SECOND);
    }
    assert_eq!(server.tids(), (1..=3000).collect::<Vec<_>>());
}

#[test]
fn internal_delays_hold_up_each_step_of_a_handshake_and_the_dial_after_a_fault() {
    let delay = [("ms_inject_internal_delays", "0.5")];
    let (mut net, server, client, connection) = pair(&delay, Policy::stateful_server(), Policy::lossless_client());
    client.send_all(&connection, [1]);
    assert!(!connection.is_connected());
    for _ in 0..4 {
        net.advance(SECOND);
    }
    assert!(connection.is_connected());
    assert_eq!(server.tids(), [1]);
}

#[test]
fn messages_survive_sockets_that_fail_on_purpose() {
    let failing = [("ms_inject_socket_failures", "20"), ("ms_initial_backoff", "0.01")];
    let (mut net, server, client, connection) = pair(&failing, Policy::stateful_server(), Policy::lossless_client());
    for tid in 1..=500 {
        client.send_all(&connection, [tid]);
        net.run();
        net.advance(SECOND);
    }
    assert_eq!(server.tids(), (1..=500).collect::<Vec<_>>());
    assert!(server.stats().msgr_injected_socket_failures > 10, "{:?}", server.stats());
}
