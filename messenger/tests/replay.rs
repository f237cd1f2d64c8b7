//! Lossless sessions: wherever a wire breaks, each message arrives once and in order.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgr::session::{Cause, Link};
use msgr::wire::{REPLY_LEN, features, tag};
use msgr::{EntityName, Messenger, Policy};
use msgr_sim::script::{Connector, addr, connect, hello, message_frame};
use msgr_sim::{Net, Node, Seen, Told};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";

/// Three messages each way, the wires breaking as `breaks` says; returns the bytes the first wire carried.
fn conversation(breaks: &[usize], client_policy: Policy, read_max: usize) -> usize {
    let mut net = Net::new();
    net.read_max = read_max;
    net.breaks = breaks.iter().copied().enumerate().collect();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let client = net.node(EntityName::client(7), CLIENT, client_policy);
    server.on_message(|node, from, message| {
        node.record(&message);
        node.send_all(from, [100 + message.tid]);
    });
    let connection = client.connect(&server);
    client.send_all(&connection, [1]);
    net.run();
    client.send_all(&connection, [2, 3]);
    net.run();
    client.send_all(&connection, [4]);
    net.run();
    for _ in 0..breaks.len() {
        net.advance(Duration::from_secs(1));
    }
    assert_eq!((server.tids(), client.tids()), (vec![1, 2, 3, 4], vec![101, 102, 103, 104]), "{breaks:?} {read_max}");
    for node in [&server, &client] {
        assert_eq!(node.stats().msgr_active_connections, 1, "{breaks:?}");
        assert!(!node.events().contains(&Seen::RemoteReset), "{breaks:?}");
    }
    assert_eq!(connection.queued_bytes(), 0, "all is acknowledged");
    net.carried(0)
}

#[test]
fn a_break_after_any_byte_loses_and_doubles_nothing() {
    let total = conversation(&[], Policy::lossless_client(), usize::MAX);
    for read_max in [usize::MAX, 13] {
        for at in 0..total {
            conversation(&[at], Policy::lossless_client(), read_max);
        }
    }
}

#[test]
fn a_second_break_during_the_reconnect_loses_and_doubles_nothing() {
    let total = conversation(&[], Policy::lossless_client(), usize::MAX);
    for first in (450..total).step_by(37) {
        for second in (0..total).step_by(23) {
            conversation(&[first, second], Policy::lossless_client(), usize::MAX);
        }
    }
}

#[test]
fn without_reconnect_seq_what_is_sent_again_is_recognised_by_its_number() {
    let supported = features::SUPPORTED & !features::RECONNECT_SEQ;
    let policy = Policy { features_supported: supported, ..Policy::lossless_client() };
    let total = conversation(&[], policy.clone(), usize::MAX);
    // Up to the open session: before, the acceptor may have opened what the connector starts over.
    for at in 485..total {
        conversation(&[at], policy.clone(), usize::MAX);
    }
}

/// An osd with one session, opened by a connector at [`CLIENT`].
fn opened() -> (Net, Arc<Node>, Connector) {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), SERVER, Policy::stateful_server());
    let peer = Connector::dial(&mut net, &node, addr(CLIENT, 0));
    peer.open(&mut net, connect(1, 0), 0);
    (net, node, peer)
}

#[test]
fn a_session_taken_over_in_the_middle_of_a_batch_says_what_it_delivered() {
    let (mut net, node, peer) = opened();
    let second = Arc::new(Mutex::new(None));
    let (now, slot) = (net.now, Arc::clone(&second));
    node.on_message(move |node, _, message| {
        node.record(&message);
        if message.tid == 2 {
            // As another thread might just now: the peer's next link takes the session over.
            let (local, from) = (node.my_addr().socket.unwrap(), CLIENT.parse().unwrap());
            let (core, id) = (Arc::clone(node.core()), node.core().next_id());
            let mut link = Link::accept(core, id, Arc::new(Told::default()), local, from, now);
            link.chunk([&hello(&addr(CLIENT, 0))[..], &connect(2, 2).emit()].concat().into());
            link.process(now).unwrap();
            *slot.lock().unwrap() = Some(link);
        }
    });
    let batch: Vec<u8> = (1..=5).flat_map(|seq| message_frame(seq, b"x")).collect();
    net.write(peer.wire, 0, &batch);
    net.run();
    assert_eq!(node.tids(), [1, 2], "what follows the takeover is not dispatched");
    let mut link = second.lock().unwrap().take().unwrap();
    link.chunk(connect(3, 2).emit().to_vec().into());
    link.process(now).unwrap();
    let reply = link.take_output().last().unwrap();
    assert_eq!(reply[0], tag::SEQ);
    assert_eq!(reply[REPLY_LEN..], 2u64.to_le_bytes(), "so the peer sends it again");
    link.lost(Cause::Closed, now);
}

#[test]
fn a_message_that_comes_again_is_dropped_and_acknowledged() {
    let (mut net, node, peer) = opened();
    net.write(peer.wire, 0, &message_frame(1, b""));
    net.run();
    assert_eq!(net.read(peer.wire, 0), msgr::wire::frame::ack(1));
    net.write(peer.wire, 0, &message_frame(1, b""));
    net.run();
    assert_eq!(net.read(peer.wire, 0), msgr::wire::frame::ack(1));
    assert_eq!((node.tids(), node.stats().msgr_drop_old_messages), (vec![1], 1));
}

#[test]
fn a_gap_in_the_numbers_is_accepted() {
    let (mut net, node, peer) = opened();
    net.write(peer.wire, 0, &[message_frame(1, b""), message_frame(11, b"")].concat());
    net.run();
    assert_eq!(node.seqs(), [1, 11]);
    assert_eq!(net.read(peer.wire, 0), msgr::wire::frame::ack(11));
}

#[test]
fn an_absurd_announcement_drops_only_what_was_sent() {
    let (mut net, node, peer) = opened();
    let connection = node.connections()[0].clone();
    node.send_all(&connection, [1, 2]);
    net.run();
    net.cut(peer.wire);
    net.run();
    node.send_all(&connection, [3]);
    let again = Connector::dial(&mut net, &node, addr(CLIENT, 0));
    again.open(&mut net, connect(2, 2), u64::MAX);
    let sent = net.read(again.wire, 0);
    assert_eq!((sent.len(), sent[1]), (75, 3), "the third keeps its number");
}

#[test]
fn replayed_messages_keep_their_bytes() {
    let (mut net, node, peer) = opened();
    let connection = node.connections()[0].clone();
    let message = msgr::Message::new(1).with_front(&b"front"[..]).with_data(vec![7; 5000]);
    connection.send_message(message).unwrap();
    net.run();
    let first = net.read(peer.wire, 0);
    net.cut(peer.wire);
    net.run();
    let again = Connector::dial(&mut net, &node, addr(CLIENT, 0));
    again.open(&mut net, connect(2, 2), 0);
    assert_eq!(net.read(again.wire, 0), first);
    assert_eq!(node.stats().msgr_replayed_messages, 1);
}
