//! Two messengers joined in memory: how a session opens, ends, rests and starts over.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::time::Duration;

use msgr::wire::{ADDRESS_LEN, BANNER_LEN, CONNECT_LEN, REPLY_LEN, features, tag};
use msgr::{Config, EntityName, EntityType, Error, Message, Messenger, Policy, Setup};
use msgr_sim::script::{Connector, GREETING_LEN, addr, connect, message_frame};
use msgr_sim::{Net, Seen};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";
/// Where the first frame is in what a connector writes, when the acceptor answered SEQ.
const FIRST_FRAME: usize = BANNER_LEN + ADDRESS_LEN + CONNECT_LEN + 8;

fn without(policy: Policy, bits: u64) -> Policy {
    Policy { features_supported: policy.features_supported & !bits, ..policy }
}

#[test]
fn a_message_and_its_answer_cross() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    server.on_message(|node, from, message| node.send_all(from, [message.tid + 1]));
    let connection = client.connect(&server);
    client.send_all(&connection, [10, 20]);
    net.run();
    assert_eq!((client.tids(), client.seqs()), (vec![11, 21], vec![1, 2]));
    assert!(connection.is_connected());
    assert_eq!((client.events(), server.events()), (vec![Seen::Connect], vec![Seen::Accept]));
    assert_eq!(connection.peer_name(), Some(EntityName::osd(1)));
}

#[test]
fn the_connection_to_oneself_is_told_once_before_its_first_message() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), SERVER, Policy::lossless_peer());
    node.on_message(|node, from, message| {
        assert_eq!(node.connections(), std::slice::from_ref(from));
        node.record(&message);
    });
    let loopback = node.connect(&node);
    node.send_all(&loopback, [1, 2]);
    net.run();
    node.send_all(&loopback, [3]);
    net.run();
    assert_eq!(node.tids(), [1, 2, 3]);
    assert_eq!((node.connections().len(), node.events()), (1, vec![]));
}

#[test]
fn a_fresh_session_opens_with_seq() {
    let mut net = Net::recording();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    client.connect(&server);
    net.run();
    assert_eq!(net.transcript(0, 1)[GREETING_LEN], tag::SEQ);
    assert_eq!(net.transcript(0, 1).len(), GREETING_LEN + REPLY_LEN + 8);
    assert_eq!(net.transcript(0, 0).len(), FIRST_FRAME);
}

#[test]
fn unless_both_sides_have_reconnect_seq_it_opens_with_ready() {
    for lacking in [[features::RECONNECT_SEQ, 0], [0, features::RECONNECT_SEQ]] {
        let mut net = Net::recording();
        let server = net.node(EntityName::osd(1), SERVER, without(Policy::stateful_server(), lacking[0]));
        let client = net.node(EntityName::client(7), CLIENT, without(Policy::lossless_client(), lacking[1]));
        let connection = client.connect(&server);
        client.send_all(&connection, [1]);
        net.run();
        assert_eq!(net.transcript(0, 1)[GREETING_LEN], tag::READY);
        assert_eq!(server.tids(), [1]);
    }
}

#[test]
fn the_footer_has_13_bytes_unless_both_sides_have_msg_auth() {
    for (bits, len) in [(0, 75), (features::MSG_AUTH, 67)] {
        let mut net = Net::recording();
        let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
        let client = net.node(EntityName::client(7), CLIENT, without(Policy::lossy_client(), bits));
        let connection = client.connect(&server);
        client.send_all(&connection, [1]);
        net.run();
        assert_eq!(net.transcript(0, 0).len() - FIRST_FRAME, len);
        assert_eq!(server.tids(), [1]);
    }
}

#[test]
fn acks_empty_the_queue_of_a_lossless_sender_and_lossy_ones_get_none() {
    for (server_policy, acks) in [(Policy::stateful_server(), 1), (Policy::stateless_server(), 0)] {
        let mut net = Net::recording();
        let server = net.node(EntityName::osd(1), SERVER, server_policy);
        let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
        let connection = client.connect(&server);
        net.run();
        let opened = net.transcript(0, 1).len();
        client.send_all(&connection, 1..=10);
        assert!(connection.queued_bytes() > 0);
        net.run();
        assert_eq!(connection.queued_bytes(), 0);
        let expected: Vec<u8> = if acks == 1 { [&[tag::ACK][..], &10u64.to_le_bytes()].concat() } else { vec![] };
        assert_eq!(net.transcript(0, 1)[opened..], expected, "one ACK for all that was read at once");
    }
}

#[test]
fn a_peer_with_nothing_to_send_rests_until_it_has() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::lossless_peer());
    let client = net.node(EntityName::osd(2), CLIENT, Policy::lossless_peer());
    let connection = client.connect(&server);
    client.send_all(&connection, [1]);
    net.run();
    net.cut(0);
    net.advance(Duration::from_secs(60));
    assert_eq!((net.dialled(), connection.is_connected()), (1, false));
    client.send_all(&connection, [2]);
    net.run();
    assert_eq!((net.dialled(), server.tids()), (2, vec![1, 2]));
    // The other side may revive it as well: it knows the address.
    net.cut(1);
    net.run();
    server.send_all(&server.connections()[0], [3]);
    net.run();
    assert_eq!((net.dialled(), client.tids()), (3, vec![3]));
}

#[test]
fn a_server_waits_for_its_client_however_much_it_has_to_send() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let client = net.node(EntityName::client(2), CLIENT, Policy::lossless_peer());
    let connection = client.connect(&server);
    net.run();
    net.cut(0);
    net.run();
    server.send_all(&server.connections()[0], [1, 2]);
    net.advance(Duration::from_secs(60));
    assert_eq!((net.dialled(), client.tids()), (1, vec![]));
    connection.send_keepalive();
    net.run();
    assert_eq!((net.dialled(), client.tids()), (2, vec![1, 2]));
}

#[test]
fn a_client_without_a_port_is_not_dialled_back() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::lossless_peer());
    let client = net.node(EntityName::client(2), "10.0.0.2:0", Policy::lossy_client());
    client.connect(&server);
    net.run();
    net.remove(&client);
    net.run();
    server.send_all(&server.connections()[0], [1]);
    net.advance(Duration::from_secs(60));
    assert_eq!((net.dialled(), server.events()), (1, vec![Seen::Accept]));
}

#[test]
fn a_lossy_connection_ends_with_its_first_fault() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let connection = client.connect(&server);
    client.send_all(&connection, [1]);
    net.run();
    net.cut(0);
    net.run();
    assert_eq!(client.events(), [Seen::Connect, Seen::Reset]);
    assert_eq!(server.events(), [Seen::Accept, Seen::Reset]);
    connection.send_message(Message::new(1)).unwrap();
    assert_eq!(client.stats().msgr_drop_closed_messages, 1);
    assert_eq!((client.stats().msgr_active_connections, server.stats().msgr_active_connections), (0, 0));
    assert_ne!(client.connect(&server), connection, "the next one is another");
}

#[test]
fn the_acceptors_policy_decides_whether_a_connection_is_lossy() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    client.connect(&server);
    net.run();
    net.cut(0);
    net.run();
    assert_eq!(client.events(), [Seen::Connect, Seen::Reset]);
}

#[test]
fn a_server_that_restarted_resets_its_clients_session() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    let connection = client.connect(&server);
    client.send_all(&connection, [1]);
    net.run();
    net.remove(&server);
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    client.send_all(&connection, [2, 3]);
    net.run();
    assert_eq!(client.events(), [Seen::Connect, Seen::RemoteReset, Seen::Connect]);
    assert_eq!(client.stats().msgr_drop_reset_messages, 2);
    client.send_all(&connection, [4]);
    net.run();
    assert_eq!(server.tids(), [4]);
    // Signing peers restart their numbers at random, so that old messages cannot be slipped in.
    assert_ne!(server.seqs(), [1]);
}

#[test]
fn a_client_that_restarted_resets_its_servers_session() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    client.connect(&server);
    net.run();
    net.remove(&client);
    net.run();
    let handle = server.connections()[0].clone();
    server.send_all(&handle, [1]);
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    let connection = client.connect(&server);
    client.send_all(&connection, [2]);
    net.run();
    assert_eq!(server.events(), [Seen::Accept, Seen::RemoteReset, Seen::Accept]);
    server.send_all(&handle, [3]);
    net.run();
    assert_eq!((server.tids(), client.tids()), (vec![2], vec![3]), "the handle survives, what it had queued does not");
}

#[test]
fn a_race_ends_with_one_session_and_everything_delivered() {
    for read_max in [1, 7, 50, usize::MAX] {
        for first in [0, 1] {
            let mut net = Net::new();
            net.read_max = read_max;
            let policy = Policy::lossless_peer_reuse();
            let sides = [SERVER, CLIENT].map(|at| net.node(EntityName::osd(1), at, policy.clone()));
            let connect = |from: usize| sides[from].connect_to(EntityType::OSD, sides[1 - from].my_addr()).unwrap();
            for side in [first, 1 - first] {
                let connection = connect(side);
                sides[side].send_all(&connection, [10 + side as u64, 20 + side as u64]);
            }
            net.run();
            net.advance(Duration::from_secs(15));
            assert_eq!((sides[0].tids(), sides[1].tids()), (vec![11, 21], vec![10, 20]));
            assert!(sides.iter().all(|side| side.stats().msgr_active_connections == 1));
        }
    }
}

#[test]
fn mark_down_in_a_callback_ends_delivery_at_once() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    server.on_message(|node, from, message| {
        node.record(&message);
        if message.tid == 2 {
            from.mark_down();
        }
    });
    let connection = client.connect(&server);
    client.send_all(&connection, 1..=4);
    net.run();
    assert_eq!(server.tids(), [1, 2]);
    assert_eq!(server.events(), [Seen::Accept], "the one who marks down needs no reset event");
    assert_eq!(client.events(), [Seen::Connect, Seen::Reset]);
    assert_eq!(server.stats().msgr_active_connections, 0);
}

#[test]
fn a_keepalive_is_answered_with_its_stamp() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let connection = client.connect(&server);
    net.run();
    assert_eq!(connection.last_keepalive_ack(), None);
    connection.send_keepalive();
    net.run();
    assert!(connection.last_keepalive_ack().is_some());
}

#[test]
fn a_peer_without_keepalive2_gets_the_old_keepalive() {
    let mut net = Net::recording();
    let server = net.node(EntityName::osd(1), SERVER, without(Policy::stateless_server(), features::KEEPALIVE2));
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let connection = client.connect(&server);
    connection.send_keepalive();
    client.send_all(&connection, [1]);
    net.run();
    assert_eq!(net.transcript(0, 0)[FIRST_FRAME], tag::KEEPALIVE);
    assert_eq!((server.tids(), connection.last_keepalive_ack()), (vec![1], None));
}

#[test]
fn a_full_queue_refuses_messages_until_the_peer_has_some() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let config = Config { ms_out_queue_max_bytes: 10_000, ..Config::default() };
    let setup = Setup::new(EntityName::client(7)).with_config(config);
    let client = net.node_with(setup, CLIENT, Policy::lossless_client());
    let connection = client.connect(&server);
    let message = || Message::new(1).with_data(vec![0; 4000]);
    connection.send_message(message()).unwrap();
    connection.send_message(message()).unwrap();
    let refused = connection.send_message(message()).unwrap_err();
    assert!(matches!(refused, Error::QueueFull { queued, .. } if queued > 8000), "{refused}");
    net.run();
    connection.send_message(message()).unwrap();
}

#[test]
fn a_refused_dial_is_reported_and_tried_again_ever_later() {
    let mut net = Net::new();
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossless_client());
    let connection = client.connect_to(EntityType::OSD, msgr_sim::script::addr(SERVER, 0)).unwrap();
    client.send_all(&connection, [1]);
    net.run();
    let mut refusals = vec![client.events().len()];
    for wait in [0.19, 0.01, 0.39, 0.01, 0.8, 1.6] {
        net.advance(Duration::from_secs_f64(wait));
        refusals.push(client.events().len());
    }
    assert_eq!(refusals, [1, 1, 2, 2, 3, 4, 5]);
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    net.advance(Duration::from_secs(15));
    assert_eq!(server.tids(), [1]);
}

#[test]
fn backoff_options_that_cross_or_never_end_are_survived() {
    for (initial, max) in [(2, 1), (1, u64::MAX)] {
        let mut net = Net::new();
        let config = Config {
            ms_initial_backoff: Duration::from_secs(initial),
            ms_max_backoff: Duration::from_secs(max),
            ms_connection_ready_timeout: Duration::MAX,
            ms_connection_idle_timeout: Duration::MAX,
            ..Config::default()
        };
        let setup = Setup::new(EntityName::client(7)).with_config(config);
        let client = net.node_with(setup, CLIENT, Policy::lossless_client());
        client.connect_to(EntityType::OSD, msgr_sim::script::addr(SERVER, 0)).unwrap();
        net.run();
        net.advance(Duration::from_secs(1));
        assert_eq!(client.events(), [Seen::Refused, Seen::Refused]);
    }
}

#[test]
fn a_silent_connection_faults_after_the_idle_time() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let connection = client.connect(&server);
    net.run();
    net.advance(Duration::from_secs(899));
    connection.send_keepalive();
    net.run();
    net.advance(Duration::from_secs(899));
    assert!(connection.is_connected());
    net.advance(Duration::from_secs(1));
    assert_eq!(server.events(), [Seen::Accept, Seen::Reset]);
}

#[test]
fn a_shutdown_closes_everything_and_a_restart_begins_afresh() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let connection = client.connect(&server);
    net.run();
    client.shutdown();
    assert!(matches!(client.connect_to(EntityType::OSD, server.my_addr()), Err(Error::Misuse(_))));
    client.wait().unwrap();
    net.run();
    assert!(!connection.is_connected());
    assert_eq!(client.stats().msgr_active_connections, 0);
    client.start().unwrap();
    let again = client.connect(&server);
    client.send_all(&again, [1]);
    net.run();
    assert_eq!(server.tids(), [1]);
}

#[test]
fn a_session_that_the_peer_takes_over_before_its_dial_begins_is_written_by_the_link_that_took_it() {
    const PEER: &str = "10.0.0.0:6800";
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), SERVER, Policy::lossless_peer_reuse());
    let other = Connector::dial(&mut net, &node, addr(CLIENT, 0));
    other.open(&mut net, connect(1, 0), 0);
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    node.on_message(|node, _, _| node.send_all(&node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap(), [1]));
    // One turn: a callback wishes for the connection, and the peer's connect comes before anybody has begun to dial.
    net.write(other.wire, 0, &message_frame(1, b""));
    net.write(peer.wire, 0, &connect(1, 0).emit());
    net.run();
    assert_eq!(peer.reply(&mut net).0.tag, tag::SEQ);
    net.write(peer.wire, 0, &[0; 8]);
    net.run();
    assert_eq!(net.read(peer.wire, 0).first(), Some(&tag::MSG));
    node.send_all(&node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap(), [2]);
    net.run();
    assert_eq!(net.read(peer.wire, 0).first(), Some(&tag::MSG));
}
