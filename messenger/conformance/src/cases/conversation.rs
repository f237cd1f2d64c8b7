//! Cases: messages pass.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use msgr::{EntityType, Message, MessengerFactory, Policy, Throttle};

use crate::{Heard, PATIENCE, Plan, echo};

/// Requests are answered one by one, from the receiving thread or through the queue.
pub fn requests_are_answered(factory: &dyn MessengerFactory, bind: &str, fast: bool) {
    let bind: SocketAddr = bind.parse().unwrap();
    let mut server = Plan::server(Policy::stateless_server()).at(bind).reacting(echo());
    let mut client = Plan::client(Policy::lossy_client());
    (server.fast, client.fast) = (fast, fast);
    let (server, client) = (server.start(factory), client.start(factory));
    let connection = client.connect(server.address());
    for tid in 0..100 {
        let request = Message::new(7).with_tid(tid).with_front("front").with_middle("middle").with_data("data");
        connection.send_message(request).unwrap();
        let reply = client.message();
        assert_eq!((reply.tid, reply.kind), (tid, 7));
        assert_eq!(
            (&reply.front[..], &reply.middle[..], &reply.data[..]),
            (&b"front"[..], &b"middle"[..], &b"data"[..])
        );
    }
    assert!(connection.is_connected());
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
    let opened = client.hear(Some);
    assert!(matches!(opened, Heard::Connect(ref its) if *its == connection), "{opened:?}");
    let accepted = server.hear(Some);
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

/// What a messenger sends to itself arrives without a socket.
pub fn a_messenger_can_talk_to_itself(factory: &dyn MessengerFactory) {
    let node = Plan::server(Policy::lossless_peer()).start(factory);
    let connection = node.connect(node.address());
    assert!(connection.is_loopback());
    connection.send_message(Message::new(1).with_tid(5)).unwrap();
    assert_eq!(node.message().tid, 5);
    assert_eq!(node.messenger.stats().msgr_created_connections, 0);
}

/// A keepalive is answered while nothing else is said.
pub fn keepalives_are_answered(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let connection = client.connect(server.address());
    client.hear(|heard| matches!(heard, Heard::Connect(_)).then_some(()));
    connection.send_keepalive();
    let begun = Instant::now();
    while connection.last_keepalive_ack().is_none() {
        assert!(begun.elapsed() < PATIENCE, "no answer");
        thread::yield_now();
    }
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
        let early = server.heard.try_iter().find(|heard| matches!(heard, Heard::Fast(..)));
        assert!(early.is_none(), "a second message passed the throttle: {early:?}");
    }
    // The 41st is heard and held, the rest wait; the end must not wait for them.
    let _held = server.message();
    server.end();
}
