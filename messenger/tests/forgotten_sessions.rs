//! What becomes of a session when one side has forgotten it, and the other has not.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use msgr::wire::{Connect, ConnectReply, features, tag};
use std::sync::Arc;

use msgr::{EntityName, EntityType, Messenger, Policy};
use msgr_sim::script::{self, Acceptor, Connector, addr, connect, message_frame};
use msgr_sim::{Net, Node, Seen};

const NODE: &str = "10.0.0.5:6800";
/// Orders before [`NODE`], so that its links win races.
const PEER: &str = "10.0.0.4:6800";
/// Orders after it.
const GREATER: &str = "10.0.0.6:6800";

#[test]
fn a_fresh_session_that_a_remembering_peer_takes_over_numbers_on_from_what_the_peer_has_received() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    net.play(PEER);
    let connection = node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap();
    node.send_all(&connection, [1]);
    net.run();
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    peer.open(&mut net, connect(1, 2), 7);
    let sent = net.read(peer.wire, 0);
    assert_eq!((sent.len(), sent[1]), (75, 8), "the peer would drop what is numbered up to 7 as received before");
}

#[test]
fn a_peer_that_continues_a_session_marked_disposable_is_told_to_start_over() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    let first = Connector::dial(&mut net, &node, addr(PEER, 0));
    first.open(&mut net, connect(1, 0), 0);
    node.connections()[0].mark_disposable();
    net.write(first.wire, 0, &message_frame(1, b""));
    net.run();
    let again = Connector::dial(&mut net, &node, addr(PEER, 0));
    let (reply, _) = again.ask(&mut net, &connect(2, 2));
    assert_eq!(reply.tag, tag::RESETSESSION, "it would send message 1 once more");
    assert_eq!(again.open(&mut net, connect(2, 0), 0).connect_seq, 1);
    assert_eq!((node.tids(), node.events()), (vec![1], vec![Seen::Accept, Seen::RemoteReset, Seen::Accept]));
}

#[test]
fn a_session_marked_disposable_is_reset_with_the_peers_even_if_the_link_breaks_before_it_opens() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    net.play(PEER);
    let first = Connector::dial(&mut net, &node, addr(PEER, 0));
    first.open(&mut net, connect(1, 0), 0);
    let connection = node.connections()[0].clone();
    node.send_all(&connection, [1]);
    net.run();
    connection.mark_disposable();
    let again = Connector::dial(&mut net, &node, addr(PEER, 0));
    assert_eq!(again.ask(&mut net, &connect(2, 2)).0.tag, tag::RESETSESSION);
    net.cut(again.wire);
    net.run();
    // The peer has forgotten what it received, so message 1 must not be sent once more.
    let third = Connector::dial(&mut net, &node, addr(PEER, 0));
    assert_eq!(third.ask_until_settled(&mut net, connect(3, 0)).0.tag, tag::RETRY_SESSION);
    third.open(&mut net, connect(3, 1), 0);
    assert_eq!(net.read(third.wire, 0), [0u8; 0]);
    assert_eq!(node.stats().msgr_drop_reset_messages, 1);
}

/// A node that has dialled `peer` with a message queued, and the peer's own dial with a connect_seq of 2: the peer has
/// answered SEQ, but its end of that link broke before the node read the answer.
fn crossed(peer: &str) -> (Net, Arc<Node>, Acceptor, Connector, ConnectReply) {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer_reuse());
    let dialled = Acceptor::dialled_by(&mut net, &node, addr(peer, 0));
    node.send_all(&node.connect_to(EntityType::CLIENT, addr(peer, 0)).unwrap(), [1]);
    dialled.greet(&mut net);
    let dialler = Connector::dial(&mut net, &node, addr(peer, 0));
    let (reply, _) = dialler.ask(&mut net, &connect(1, 2));
    (net, node, dialled, dialler, reply)
}

#[test]
fn a_dial_does_not_open_once_the_peer_was_told_to_forget_what_may_have_answered_it() {
    let (mut net, node, dialled, dialler, reply) = crossed(PEER);
    assert_eq!(reply.tag, tag::RESETSESSION);
    dialled.say(&mut net, &script::reply(tag::SEQ), &[0; 8]);
    assert!(net.is_cut(dialled.wire), "the SEQ is of a session that the peer has forgotten");
    dialler.open(&mut net, connect(1, 0), 0);
    assert_eq!(net.read(dialler.wire, 0)[1], 1);
    assert!(!node.events().contains(&Seen::RemoteReset));
}

#[test]
fn a_dial_that_wins_the_race_decides_what_becomes_of_a_session_the_peer_may_have_opened() {
    let (mut net, node, dialled, dialler, reply) = crossed(GREATER);
    assert_eq!(reply.tag, tag::WAIT);
    net.cut(dialler.wire);
    let sent = dialled.say(&mut net, &script::reply(tag::SEQ), &[0; 8]);
    assert_eq!(sent[8..][..2], [tag::MSG, 1]);
    net.cut(dialled.wire);
    net.run();
    // It was not received, so the node dials again; and so does the peer, which goes on where the node does.
    let again = Connector::dial(&mut net, &node, addr(GREATER, 0));
    assert_eq!(again.open(&mut net, connect(2, 3), 0).connect_seq, 4);
    assert_eq!(net.read(again.wire, 0)[1], 1);
    assert!(!node.events().contains(&Seen::RemoteReset));
}

#[test]
fn a_side_that_does_not_know_whether_it_opened_and_dials_the_greater_address_keeps_it_waiting() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer_reuse());
    net.play(GREATER);
    let connection = node.connect_to(EntityType::CLIENT, addr(GREATER, 0)).unwrap();
    net.run();
    let first = Connector::dial(&mut net, &node, addr(GREATER, 0));
    net.cut(0);
    net.run();
    assert_eq!(first.ask(&mut net, &connect(1, 0)).0.tag, tag::SEQ);
    node.send_all(&connection, [1]);
    net.cut(first.wire);
    net.run();
    assert_eq!(net.dialled(), 3, "it answered, and asks what came of it");
    let second = Connector::dial(&mut net, &node, addr(GREATER, 0));
    assert_eq!(second.ask(&mut net, &connect(2, 0)).0.tag, tag::WAIT);
    assert!(!net.is_cut(2));
}

#[test]
fn a_fresh_session_is_not_taken_over_by_a_peer_that_does_not_say_what_it_has_received() {
    for dialling in [true, false] {
        let mut net = Net::new();
        let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
        if dialling {
            net.play(PEER);
        }
        let connection = node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap();
        net.run();
        let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
        let lacking = |connect: Connect| Connect { features: connect.features & !features::RECONNECT_SEQ, ..connect };
        assert_eq!(peer.ask(&mut net, &lacking(connect(1, 2))).0.tag, tag::RESETSESSION);
        let (reply, _) = peer.ask(&mut net, &lacking(connect(1, 0)));
        assert_eq!((reply.tag, reply.connect_seq), (tag::READY, 1), "and starts over without being asked to retry");
        node.send_all(&connection, [1]);
        net.run();
        assert_eq!(net.read(peer.wire, 0)[1], 1);
    }
}

#[test]
fn a_session_that_was_made_lossy_starts_over_under_its_policy() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    let first = Connector::dial(&mut net, &node, addr(PEER, 0));
    first.open(&mut net, connect(1, 0), 0);
    node.connections()[0].mark_disposable();
    let again = Connector::dial(&mut net, &node, addr(PEER, 0));
    let reply = again.open(&mut net, connect(2, 0), 0);
    assert!(!reply.lossy);
    net.write(again.wire, 0, &message_frame(1, b""));
    net.run();
    assert_eq!(net.read(again.wire, 0), msgr::wire::frame::ack(1));
}

#[test]
fn an_old_attempt_that_comes_after_its_session_was_forgotten_opens_nothing() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer_reuse());
    let late = Connector::dial(&mut net, &node, addr(PEER, 0));
    Connector::dial(&mut net, &node, addr(PEER, 0)).open(&mut net, connect(2, 0), 0);
    node.mark_down(addr(PEER, 0));
    let (reply, _) = late.ask(&mut net, &connect(1, 0));
    assert_eq!((reply.tag, reply.global_seq), (tag::RETRY_GLOBAL, 1), "whoever is still there asks again");
    // The session the peer knows is gone, and no other may stand in for it.
    let again = Connector::dial(&mut net, &node, addr(PEER, 0));
    assert_eq!(again.ask(&mut net, &connect(3, 2)).0.tag, tag::RESETSESSION);
    assert_eq!(late.open(&mut net, connect(4, 0), 0).connect_seq, 1, "it was still there");
}

#[test]
fn a_peer_that_starts_over_on_a_link_that_breaks_says_nothing_about_the_next() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    let first = Connector::dial(&mut net, &node, addr(PEER, 0));
    first.open(&mut net, connect(1, 0), 0);
    net.write(first.wire, 0, &message_frame(1, b""));
    net.run();
    let over = Connector::dial(&mut net, &node, addr(PEER, 0));
    assert_eq!(over.ask(&mut net, &connect(2, 0)).0.tag, tag::RETRY_GLOBAL, "the first reader is still at it");
    net.cut(over.wire);
    net.run();
    let again = Connector::dial(&mut net, &node, addr(PEER, 0));
    let (reply, in_seq) = again.ask(&mut net, &connect(3, 2));
    assert_eq!((reply.tag, in_seq), (tag::SEQ, 1u64.to_le_bytes().to_vec()), "or message 1 would come again");
}
