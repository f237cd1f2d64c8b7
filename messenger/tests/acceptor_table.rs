//! The acceptor's table, row by row (docs/WIRE.md), as a connector sees it.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::Arc;
use std::time::Duration;

use msgr::wire::tag;
use msgr::{EntityName, EntityType, Messenger, Policy};
use msgr_sim::script::{Connector, addr, connect};
use msgr_sim::{Net, Node, Seen};

const NODE: &str = "10.0.0.5:6800";
/// Orders before [`NODE`]: ports are compared before IPs, but nonces first.
const SMALLER: &str = "10.0.0.4:6800";
const GREATER: &str = "10.0.0.6:6800";

fn node(policy: Policy) -> (Net, Arc<Node>) {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, policy);
    (net, node)
}

/// A session with connect_seq 1 and the peer's global_seq `global_seq`, opened by a connector at [`SMALLER`].
fn session(net: &mut Net, node: &Arc<Node>, global_seq: u32) -> Connector {
    let first = Connector::dial(net, node, addr(SMALLER, 0));
    assert_eq!(first.open(net, connect(global_seq, 0), 0).connect_seq, 1);
    first
}

#[test]
fn row_a_a_session_that_is_not_known_is_reset() {
    let (mut net, node) = node(Policy::stateful_server());
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.ask(&mut net, &connect(1, 3)).0.tag, tag::RESETSESSION);
    // It stays and listens: the connector starts over on the same link.
    assert_eq!(peer.open(&mut net, connect(1, 0), 0).connect_seq, 1);
}

#[test]
fn row_b_a_fresh_session_opens() {
    let (mut net, node) = node(Policy::stateful_server());
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, in_seq) = peer.ask(&mut net, &connect(1, 0));
    assert_eq!((reply.tag, reply.connect_seq, in_seq), (tag::SEQ, 1, vec![0; 8]));
}

#[test]
fn anonymous_clients_are_not_looked_up() {
    let (mut net, node) = node(Policy::stateless_server());
    for _ in 0..2 {
        let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
        let reply = peer.open(&mut net, connect(1, 5), 0);
        assert_eq!((reply.connect_seq, reply.lossy), (6, true));
    }
    assert_eq!(node.stats().msgr_active_connections, 2);
}

#[test]
fn row_c_a_closed_session_counts_as_none() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 1);
    node.mark_down(addr(SMALLER, 0));
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.ask(&mut net, &connect(2, 2)).0.tag, tag::RESETSESSION);
    assert_eq!(peer.open(&mut net, connect(2, 0), 0).connect_seq, 1);
    assert_eq!(node.events(), [Seen::Accept, Seen::Reset, Seen::Accept]);
}

#[test]
fn row_d_a_session_that_is_being_taken_over_asks_to_retry() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 1);
    let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let third = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    // Both are judged before the first link's reader has handed the receive half back.
    net.write(second.wire, 0, &connect(2, 2).emit());
    net.write(third.wire, 0, &connect(3, 2).emit());
    net.run();
    for peer in [&second, &third] {
        let (reply, _) = peer.reply(&mut net);
        assert_eq!((reply.tag, reply.global_seq), (tag::RETRY_GLOBAL, 1));
    }
    // The one that took it over opens it; the other now meets an open session.
    assert_eq!(second.open(&mut net, connect(2, 2), 0).connect_seq, 3);
    assert_eq!(third.ask(&mut net, &connect(3, 2)).0.tag, tag::RETRY_SESSION);
}

#[test]
fn row_e_an_older_attempt_is_told_the_newer_ones_number() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 7);
    let late = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, _) = late.ask(&mut net, &connect(6, 0));
    assert_eq!((reply.tag, reply.global_seq), (tag::RETRY_GLOBAL, 7));
}

#[test]
fn a_peer_that_is_told_to_ask_again_and_again_must_wait() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 7);
    let late = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    for _ in 0..4 {
        assert_eq!(late.ask(&mut net, &connect(6, 0)).0.tag, tag::RETRY_GLOBAL);
    }
    for millis in [1, 2, 4, 8, 16, 32, 64, 100, 100] {
        net.write(late.wire, 0, &connect(6, 0).emit());
        net.run();
        net.advance(Duration::from_micros(1000 * millis - 1));
        assert_eq!(net.read(late.wire, 0), []);
        net.advance(Duration::from_micros(1));
        assert_eq!(late.reply(&mut net).0.tag, tag::RETRY_GLOBAL);
    }
}

#[test]
fn row_f_a_lossy_session_is_reset_and_replaced() {
    let (mut net, node) = node(Policy::stateless_registered_server());
    let first = session(&mut net, &node, 1);
    let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(second.open(&mut net, connect(2, 0), 0).connect_seq, 1);
    assert!(net.is_cut(first.wire));
    assert_eq!(node.events(), [Seen::Accept, Seen::RemoteReset, Seen::Accept]);
    assert_eq!(node.stats().msgr_active_connections, 1);
}

#[test]
fn row_g_a_peer_that_starts_over_gets_ready_and_the_session_is_reset() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 1);
    let again = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, rest) = again.ask_until_settled(&mut net, connect(2, 0));
    assert_eq!((reply.tag, reply.connect_seq, rest), (tag::READY, 1, vec![]));
    assert_eq!(node.events(), [Seen::Accept, Seen::RemoteReset, Seen::Accept]);
}

#[test]
fn row_g_without_resetcheck_the_queue_survives() {
    let (mut net, node) = node(Policy::lossless_peer());
    let first = session(&mut net, &node, 1);
    net.cut(first.wire);
    net.run();
    let again = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, _) = again.ask_until_settled(&mut net, connect(2, 0));
    assert_eq!(reply.tag, tag::READY);
    assert_eq!(node.events(), [Seen::Accept, Seen::Accept], "and nobody is told of a reset");
}

/// A session with connect_seq 3, its last link cut.
fn reopened(net: &mut Net, node: &Arc<Node>) {
    let first = session(net, node, 1);
    net.cut(first.wire);
    net.run();
    let second = Connector::dial(net, node, addr(SMALLER, 0));
    assert_eq!(second.open(net, connect(2, 2), 0).connect_seq, 3);
    net.cut(second.wire);
    net.run();
}

#[test]
fn row_h_a_connect_seq_that_is_behind_is_told_the_next_one() {
    let (mut net, node) = node(Policy::stateful_server());
    reopened(&mut net, &node);
    let behind = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, _) = behind.ask(&mut net, &connect(3, 1));
    assert_eq!((reply.tag, reply.connect_seq), (tag::RETRY_SESSION, 4));
    assert_eq!(behind.open(&mut net, connect(3, 4), 0).connect_seq, 5);
}

#[test]
fn row_i_an_equal_connect_seq_is_told_the_next_one() {
    let (mut net, node) = node(Policy::stateful_server());
    reopened(&mut net, &node);
    let equal = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, _) = equal.ask(&mut net, &connect(3, 3));
    assert_eq!((reply.tag, reply.connect_seq), (tag::RETRY_SESSION, 4));
}

/// A session that dialled [`SMALLER`] in vain and rests with connect_seq 0.
fn refused(policy: Policy) -> (Net, Arc<Node>) {
    let (mut net, node) = node(policy);
    node.connect_to(EntityType::CLIENT, addr(SMALLER, 0)).unwrap();
    net.run();
    (net, node)
}

#[test]
fn row_i_with_resetcheck_two_fresh_sides_do_not_ask_each_other_for_ever() {
    let (mut net, node) = refused(Policy::lossless_peer_reuse());
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.open(&mut net, connect(1, 0), 0).connect_seq, 1);
}

#[test]
fn row_i_without_resetcheck_a_resting_session_asks_for_its_next_number() {
    let (mut net, node) = refused(Policy::lossless_peer());
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.ask(&mut net, &connect(1, 0)).0.tag, tag::RETRY_SESSION);
    assert_eq!(peer.open(&mut net, connect(1, 1), 0).connect_seq, 2);
}

/// A node that is dialling `peer`, which does not answer.
fn dialling(peer: &str) -> (Net, Arc<Node>) {
    let (mut net, node) = node(Policy::lossless_peer_reuse());
    net.play(peer);
    let connection = node.connect_to(EntityType::CLIENT, addr(peer, 0)).unwrap();
    node.send_all(&connection, [1]);
    net.run();
    assert_eq!(net.dialled(), 1);
    (net, node)
}

#[test]
fn row_j_in_a_race_the_smaller_address_wins() {
    let (mut net, node) = dialling(SMALLER);
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.open(&mut net, connect(1, 0), 0).connect_seq, 1);
    assert!(net.is_cut(0), "the own attempt is given up");
    assert_eq!(node.stats().msgr_send_messages, 1, "what waited for it leaves by the other");
}

#[test]
fn row_k_in_a_race_the_greater_address_waits() {
    let (mut net, node) = dialling(GREATER);
    let peer = Connector::dial(&mut net, &node, addr(GREATER, 0));
    assert_eq!(peer.ask(&mut net, &connect(1, 0)).0.tag, tag::WAIT);
    assert!(!net.is_cut(0), "the own attempt goes on");
    assert_eq!(net.dialled(), 2, "and is not made twice");
}

/// What a node says to a peer that continues from `connect_seq`, while the node itself dials to go on from 2.
fn answer_to(peer: &str, connect_seq: u32) -> (Net, u8) {
    let (mut net, node) = node(Policy::lossless_peer_reuse());
    net.play(peer);
    let first = Connector::dial(&mut net, &node, addr(peer, 0));
    first.open(&mut net, connect(1, 0), 0);
    let connection = node.connect_to(EntityType::CLIENT, addr(peer, 0)).unwrap();
    node.send_all(&connection, [1]);
    net.cut(first.wire);
    net.run();
    assert_eq!(net.dialled(), 2, "it dials");
    let second = Connector::dial(&mut net, &node, addr(peer, 0));
    let tag = second.ask(&mut net, &connect(2, connect_seq)).0.tag;
    (net, tag)
}

#[test]
fn row_k_the_greater_address_waits_also_when_it_has_forgotten_the_session_or_is_behind() {
    for connect_seq in 0..=2 {
        let (net, tag) = answer_to(GREATER, connect_seq);
        assert_eq!(tag, tag::WAIT, "{connect_seq}");
        assert!(!net.is_cut(1), "{connect_seq}: the own attempt goes on");
    }
    assert_ne!(answer_to(GREATER, 3).1, tag::WAIT, "row m");
    for connect_seq in 0..=3 {
        assert_ne!(answer_to(SMALLER, connect_seq).1, tag::WAIT, "{connect_seq}");
    }
}

#[test]
fn row_l_a_session_continued_with_a_fresh_side_is_reset() {
    let (mut net, node) = dialling(SMALLER);
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(peer.ask(&mut net, &connect(1, 5)).0.tag, tag::RESETSESSION);
}

#[test]
fn row_m_a_reconnect_takes_the_session_over() {
    let (mut net, node) = node(Policy::stateful_server());
    let first = session(&mut net, &node, 1);
    let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(second.open(&mut net, connect(2, 2), 0).connect_seq, 3);
    assert!(net.is_cut(first.wire));
    assert_eq!(node.connections()[0], node.connections()[1], "the handle survives");
    assert_eq!(node.stats().msgr_active_connections, 1);
}

#[test]
fn a_link_that_breaks_during_its_takeover_does_not_block_the_next() {
    for policy in [Policy::stateful_server(), Policy::lossless_peer(), Policy::stateless_registered_server()] {
        let (mut net, node) = node(policy);
        session(&mut net, &node, 1);
        let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
        net.write(second.wire, 0, &connect(2, 2).emit());
        net.turn();
        net.cut(second.wire);
        net.run();
        let third = Connector::dial(&mut net, &node, addr(SMALLER, 0));
        let (reply, _) = third.ask_until_settled(&mut net, connect(3, 0));
        assert!([tag::SEQ, tag::READY].contains(&reply.tag), "{reply:?}");
    }
}

#[test]
fn a_takeover_followed_at_once_by_garbage_does_not_block_the_next() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 1);
    let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let absurd = msgr::wire::Connect { authorizer_len: u32::MAX, ..connect(3, 2) };
    net.write(second.wire, 0, &[connect(2, 2).emit(), absurd.emit()].concat());
    net.run();
    assert!(net.is_cut(second.wire));
    let third = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    let (reply, _) = third.ask_until_settled(&mut net, connect(4, 0));
    assert_eq!(reply.tag, tag::READY);
}

#[test]
fn a_lossy_session_whose_takeover_breaks_is_over() {
    let (mut net, node) = node(Policy::stateless_registered_server());
    session(&mut net, &node, 1);
    let second = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    net.write(second.wire, 0, &connect(2, 0).emit());
    net.run();
    net.cut(second.wire);
    net.run();
    assert_eq!(node.events(), [Seen::Accept, Seen::RemoteReset, Seen::Reset]);
}

#[test]
fn a_handle_the_application_holds_survives_a_takeover_that_breaks() {
    let (mut net, node) = node(Policy::lossless_peer_reuse());
    net.play(SMALLER);
    let connection = node.connect_to(EntityType::CLIENT, addr(SMALLER, 0)).unwrap();
    net.run();
    let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    peer.ask(&mut net, &connect(1, 0));
    net.cut(peer.wire);
    net.run();
    node.send_all(&connection, [1]);
    assert_eq!(node.stats().msgr_drop_closed_messages, 0);
    net.run();
    assert_eq!(net.dialled(), 3, "the message makes it dial again");
}

#[test]
fn row_g_a_peer_that_starts_over_is_known_by_the_opening_when_the_count_has_come_round() {
    let (mut net, node) = node(Policy::stateful_server());
    session(&mut net, &node, 1);
    let last = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(last.open(&mut net, connect(2, u32::MAX), 0).connect_seq, 0);
    let again = Connector::dial(&mut net, &node, addr(SMALLER, 0));
    assert_eq!(again.ask_until_settled(&mut net, connect(3, 0)).0.tag, tag::READY);
}

#[test]
fn a_wrapping_connect_seq_breaks_nothing() {
    let (mut net, node) = node(Policy::lossless_peer());
    session(&mut net, &node, 1);
    for connect_seq in [u32::MAX - 1, u32::MAX] {
        let peer = Connector::dial(&mut net, &node, addr(SMALLER, 0));
        peer.open(&mut net, connect(2, connect_seq), 0);
        node.send_all(&node.connections()[0], [1]);
        net.cut(peer.wire);
        net.run();
    }
}
