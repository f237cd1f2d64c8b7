//! Throttles hold input back, and let it go on.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::{Arc, Mutex};

use msgr::wire::tag;
use msgr::{Config, Connection, EntityName, EntityType, Message, Messenger, Policy, Setup, Throttle};
use msgr_sim::script::{Connector, addr, connect, header, message_frame};
use msgr_sim::{Net, Node, QUEUED};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";
const LIAR: &str = "10.0.0.3:6800";

struct Pair {
    net: Net,
    server: Arc<Node>,
    client: Arc<Node>,
    connection: Connection,
    /// Messages the server's application keeps.
    kept: Arc<Mutex<Vec<Message>>>,
}

/// A client connected to a server with these throttles, whose application keeps every message.
fn pair(config: Config, bytes: Option<Arc<Throttle>>, messages: Option<Arc<Throttle>>) -> Pair {
    let mut net = Net::new();
    let setup = Setup::new(EntityName::osd(1)).with_config(config);
    let server = net.node_with(setup, SERVER, Policy::stateless_server());
    server.set_policy_throttlers(EntityType::CLIENT, bytes, messages);
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    server.on_message(move |node, _, message| {
        node.record(&message);
        keep.lock().unwrap().push(message);
    });
    let connection = client.connect(&server);
    net.run();
    Pair { net, server, client, connection, kept }
}

#[test]
fn a_message_throttle_lets_one_in_for_each_that_is_dropped() {
    let throttle = Throttle::new(2);
    let mut pair = pair(Config::default(), None, Some(Arc::clone(&throttle)));
    pair.client.send_all(&pair.connection, 1..=5);
    pair.net.run();
    assert_eq!(pair.server.tids(), [1, 2]);
    pair.kept.lock().unwrap().remove(0);
    pair.net.run();
    assert_eq!(pair.server.tids(), [1, 2, 3]);
    while throttle.taken() > 0 {
        pair.kept.lock().unwrap().clear();
        pair.net.run();
    }
    assert_eq!(pair.server.tids(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_byte_throttle_holds_what_does_not_fit_and_passes_what_never_would() {
    let throttle = Throttle::new(1000);
    let mut pair = pair(Config::default(), Some(Arc::clone(&throttle)), None);
    for size in [600, 600, 5000, 300] {
        pair.connection.send_message(Message::new(1).with_tid(size as u64).with_data(vec![0; size])).unwrap();
    }
    for arrived in [&[600][..], &[600, 600, 5000], &[600, 600, 5000]] {
        pair.net.run();
        assert_eq!(pair.server.tids(), arrived);
        let oldest = pair.kept.lock().unwrap().remove(0);
        drop(oldest);
    }
    pair.net.run();
    assert_eq!(pair.server.tids(), [600, 600, 5000, 300]);
    pair.kept.lock().unwrap().clear();
    assert_eq!(throttle.taken(), 0);
}

#[test]
fn fast_dispatch_gives_the_dispatch_budget_back_at_once() {
    let config = Config { ms_dispatch_throttle_bytes: 100, ..Config::default() };
    let mut pair = pair(config, None, None);
    for tid in 0..10 {
        pair.connection.send_message(Message::new(1).with_tid(tid).with_data(vec![0; 90])).unwrap();
    }
    pair.net.run();
    assert_eq!(pair.server.tids().len(), 10);
}

#[test]
fn queued_dispatch_gives_the_dispatch_budget_back_when_dispatched() {
    let config = Config { ms_dispatch_throttle_bytes: 100, ..Config::default() };
    let mut pair = pair(config, None, None);
    for tid in 0..10 {
        pair.connection.send_message(Message::new(QUEUED).with_tid(tid).with_data(vec![0; 90])).unwrap();
    }
    while pair.server.tids().len() < 10 {
        pair.net.run();
        std::thread::yield_now();
    }
    assert_eq!(pair.server.tids(), (0..10).collect::<Vec<_>>());
}

#[test]
fn messages_without_payload_are_bounded_too_while_they_wait_for_dispatch() {
    let config = Config { ms_dispatch_throttle_bytes: 10_000, ..Config::default() };
    let mut pair = pair(config, None, None);
    let held = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&held);
    let server = Arc::clone(&pair.server);
    pair.server.on_message(move |_, _, _| *seen.lock().unwrap() = server.dispatch_queue_len());
    // The last one is dispatched at once, and sees how many wait before it.
    for tid in 0..1000 {
        pair.connection.send_message(Message::new(QUEUED).with_tid(tid)).unwrap();
    }
    pair.client.send_all(&pair.connection, [1000]);
    while pair.server.tids().len() < 1000 {
        assert!(pair.server.dispatch_queue_len() < 50, "10,000 bytes are 39 messages");
        pair.net.turn();
    }
    assert!(*held.lock().unwrap() < 50);
}

#[test]
fn the_queue_to_oneself_is_bounded() {
    let config = Config { ms_out_queue_max_bytes: 1000, ..Config::default() };
    let mut pair = pair(config, None, None);
    let loopback = pair.server.loopback_connection();
    let refused = (0..10).filter(|_| loopback.send_message(Message::new(1)).is_err()).count();
    assert_eq!(refused, 6);
    pair.net.run();
    loopback.send_message(Message::new(1)).unwrap();
    pair.net.run();
    assert_eq!(pair.kept.lock().unwrap().len(), 5);
}

#[test]
fn a_connection_that_ends_while_it_waits_leaves_the_queue() {
    let throttle = Throttle::new(1);
    let mut pair = pair(Config::default(), None, Some(Arc::clone(&throttle)));
    let second = pair.net.node(EntityName::client(8), "10.0.0.3:6800", Policy::lossy_client());
    let other = second.connect(&pair.server);
    pair.client.send_all(&pair.connection, [1, 2]);
    pair.net.run();
    second.send_all(&other, [3]);
    pair.net.run();
    assert_eq!(pair.server.tids(), [1]);
    pair.server.connections()[0].mark_down();
    pair.net.run();
    pair.kept.lock().unwrap().clear();
    pair.net.run();
    assert_eq!(pair.server.tids(), [1, 3]);
}

#[test]
fn a_message_sent_on_does_not_hold_the_throttle_it_came_through() {
    let throttle = Throttle::new(1);
    let mut pair = pair(Config::default(), None, Some(Arc::clone(&throttle)));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&taken);
    pair.server.on_message(move |_, from, message| {
        from.send_message(message).unwrap();
        seen.lock().unwrap().push(throttle.taken());
    });
    pair.client.send_all(&pair.connection, [1, 2]);
    pair.net.run();
    assert_eq!((pair.client.tids(), taken.lock().unwrap().clone()), (vec![1, 2], vec![0, 0]));
}

#[test]
fn a_message_that_is_announced_and_not_sent_holds_up_no_complete_one() {
    let config = Config { ms_dispatch_throttle_bytes: 10_000, ..Config::default() };
    let mut pair = pair(config, None, None);
    let liar = Connector::dial(&mut pair.net, &pair.server, addr(LIAR, 0));
    liar.open(&mut pair.net, connect(1, 0), 0);
    pair.net.write(liar.wire, 0, &[&[tag::MSG][..], &header(1, [0, 0, 200 << 20]).emit(true)].concat());
    pair.net.run();
    pair.client.send_all(&pair.connection, [1]);
    pair.net.run();
    assert_eq!(pair.server.tids(), [1]);
}

#[test]
fn large_messages_arrive_one_by_one_when_there_is_room_for_one() {
    let config = Config { ms_dispatch_throttle_bytes: 10_000, ..Config::default() };
    let mut pair = pair(config, None, None);
    let others: Vec<Connector> = (0..3)
        .map(|nonce| {
            let other = Connector::dial(&mut pair.net, &pair.server, addr(LIAR, nonce));
            other.open(&mut pair.net, connect(1, 0), 0);
            other
        })
        .collect();
    let data = vec![7; 8_000];
    let bytes = message_frame(1, &data);
    for other in &others {
        pair.net.write(other.wire, 0, &bytes[..5_000]);
        pair.net.run();
    }
    assert_eq!(pair.server.core().arriving_bytes(), 8_000, "the others wait unread");
    for (done, other) in (1..).zip(&others) {
        pair.net.write(other.wire, 0, &bytes[5_000..]);
        pair.net.run();
        assert_eq!(pair.server.tids().len(), done);
    }
    assert_eq!(pair.server.core().arriving_bytes(), 0);
}
