//! Cases: messages pass.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use msgr::{EntityName, EntityType, Message, MessengerFactory, Policy, Throttle};

use crate::{Heard, Plan, echo, eventually, session_count};

/// Requests are answered one by one, and the connection knows who answers.
pub fn requests_are_answered_from_the_receiving_thread(factory: &dyn MessengerFactory) {
    requests_are_answered(factory, "127.0.0.1:0", true);
}

/// The same by way of the dispatch queue.
pub fn requests_are_answered_from_the_dispatch_queue(factory: &dyn MessengerFactory) {
    requests_are_answered(factory, "127.0.0.1:0", false);
}

/// The same over IPv6.
pub fn requests_are_answered_over_ipv6(factory: &dyn MessengerFactory) {
    requests_are_answered(factory, "[::1]:0", true);
}

fn requests_are_answered(factory: &dyn MessengerFactory, bind: &str, fast: bool) {
    let bind: SocketAddr = bind.parse().unwrap();
    let mut server = Plan::server(Policy::stateless_server()).at(bind).reacting(echo());
    let mut client = Plan::client(Policy::lossy_client());
    (server.fast, client.fast) = (fast, fast);
    let (server, client) = (server.start(factory), client.start(factory));
    let connection = client.connect(server.address());
    for tid in 0..100 {
        let request = Message::new(7).with_tid(tid).with_front("front").with_middle("middle").with_data("data");
        let reply = client.ask(&connection, request);
        assert_eq!(
            (&reply.front[..], &reply.middle[..], &reply.data[..]),
            (&b"front"[..], &b"middle"[..], &b"data"[..])
        );
    }
    assert!(connection.is_connected());
    assert_eq!((connection.peer_type(), connection.peer_name()), (EntityType::OSD, Some(EntityName::osd(0))));
    assert_eq!(session_count(&connection), Some(100));
    assert_eq!(server.messenger.stats().msgr_active_connections, 1);
    // What is counted by the batch is exact at the end.
    server.end();
    let stats = server.messenger.stats();
    assert_eq!((stats.msgr_recv_messages, stats.msgr_send_messages, stats.msgr_active_connections), (100, 100, 0));
}

/// The two sides hear of the connection before its first message.
pub fn both_sides_hear_of_the_connection(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).queued().start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    connection.send_message(Message::new(1)).unwrap();
    let opened = client.hear(|_| true);
    assert!(matches!(opened, Heard::Connect(ref its) if *its == connection), "{opened:?}");
    let accepted = server.hear(|_| true);
    assert!(matches!(accepted, Heard::Accept(ref its) if its.peer_type() == EntityType::CLIENT), "{accepted:?}");
    server.message();
}

/// Messages of 0 bytes and of 64 MiB arrive whole, and small ones around them stay in order.
pub fn empty_and_huge_messages_pass(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    let huge = Bytes::from((0..64 << 20).map(|i: u32| (i ^ i >> 11) as u8).collect::<Vec<_>>());
    for (tid, data) in [Bytes::new(), Bytes::from_static(b"small"), huge.clone(), Bytes::new(), huge.slice(7..4103)]
        .into_iter()
        .enumerate()
    {
        connection.send_message(Message::new(1).with_tid(tid as u64).with_data(data)).unwrap();
    }
    let lengths: Vec<_> = (0..5)
        .map(|tid| {
            let message = server.message();
            assert_eq!(message.tid, tid);
            assert!(message.data.len() < 4096 || huge.starts_with(&message.data) || message.data == huge[7..4103]);
            message.data.len()
        })
        .collect();
    assert_eq!(lengths, [0, 5, 64 << 20, 0, 4096]);
}

/// A stream in both directions at once arrives in order; nobody waits for anybody.
pub fn streams_in_both_directions_keep_order(factory: &dyn MessengerFactory) {
    const MESSAGES: u64 = 20_000;
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    for tid in 0..MESSAGES {
        connection.send_message(Message::new(1).with_tid(tid).with_data(vec![tid as u8; 64])).unwrap();
    }
    for tid in 0..MESSAGES {
        assert_eq!(client.message().tid, tid);
    }
    let stats = client.messenger.stats();
    assert!(stats.msgr_write_calls < MESSAGES, "a stream is written in batches: {stats:?}");
}

/// What a messenger sends to itself arrives without a socket, whether it finds itself by its address or, unbound, has none.
pub fn a_messenger_can_talk_to_itself(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::lossless_peer()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connections = [server.connect(server.address()), client.messenger.loopback_connection()];
    for (node, connection) in [server, client].iter().zip(connections) {
        assert!(connection.is_loopback() && connection.is_connected());
        let message = node.ask(&connection, Message::new(1).with_tid(5));
        assert_eq!(message.source, Some(node.messenger.my_name()));
        assert_eq!(session_count(&connection), Some(1));
        assert_eq!(node.messenger.stats().msgr_created_connections, 0);
    }
}

/// A front of many strings, nearly a megabyte in all, and then as much data, each in one message.
pub fn large_sections_arrive_whole(factory: &dyn MessengerFactory) {
    const TEXT: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    const TEXTS: usize = 30_720;
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossless_peer()).start(factory);
    let connection = client.connect(server.address());
    // A list of strings as Ceph encodes it: their number, then each behind its length.
    let mut strings = (TEXTS as u32).to_le_bytes().to_vec();
    for _ in 0..TEXTS {
        strings.extend((TEXT.len() as u32).to_le_bytes());
        strings.extend(TEXT);
    }
    let front = Bytes::from(strings);
    assert_eq!(client.ask(&connection, Message::new(97).with_tid(1).with_front(front.clone())).front, front);
    let data = Bytes::from(TEXT.repeat(TEXTS));
    assert_eq!(client.ask(&connection, Message::new(2).with_tid(2).with_data(data.clone())).data, data);
    assert_eq!(session_count(&connection), Some(2));
}

/// A keepalive is answered while nothing else is said.
pub fn keepalives_are_answered(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    client.connected();
    connection.send_keepalive();
    eventually("an answer", || connection.last_keepalive_ack().is_some());
    assert_eq!(server.messenger.stats().msgr_recv_messages, 0);
}

/// A message throttle holds the next message back until the one before is dropped, and ends cleanly while it does.
pub fn a_throttle_holds_messages_back(factory: &dyn MessengerFactory) {
    let throttle = Throttle::new(1);
    let server = Plan::server(Policy::stateless_server()).start(factory);
    server.messenger.set_policy(EntityType::CLIENT, Policy::stateless_server());
    server.messenger.set_policy_throttlers(EntityType::CLIENT, None, Some(Arc::clone(&throttle)));
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    for tid in 0..50 {
        connection.send_message(Message::new(1).with_tid(tid)).unwrap();
    }
    for tid in 0..40 {
        let message = server.message();
        assert_eq!((message.tid, throttle.taken()), (tid, 1));
        let early = server.rest();
        assert!(!early.iter().any(|heard| matches!(heard, Heard::Fast(..))), "one passed the throttle: {early:?}");
    }
    // The 41st is heard and held, the rest wait; the end must not wait for them.
    let _held = server.message();
    server.end();
}
