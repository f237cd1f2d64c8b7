//! A messenger that is warm allocates nothing for a small message.
//!
//! Counted: every allocation and reallocation of the process while messages of 64 bytes pass, whole, from
//! `send_message` of one messenger to the dispatcher of the other: queue, framing, crc, session, decoding and dispatch.
//! Not counted: making the payload, which is the application's (here one buffer that every message shares).
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::alloc::System;

use bytes::Bytes;
use msgr::{Connection, EntityName, Message, Policy};
use msgr_sim::Net;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rounds before counting: buffers have grown to what they need by then.
const WARM_UP: usize = 50;
const ROUNDS: usize = 200;

fn round(net: &mut Net, connection: &Connection, data: &Bytes, batch: usize) {
    for _ in 0..batch {
        connection.send_message(Message::new(1).with_data(data.clone())).unwrap();
    }
    net.run();
}

/// Allocations while `ROUNDS` batches of messages pass.
fn allocations(server: Policy, client: Policy, batch: usize) -> usize {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), "10.0.0.1:6800", server);
    let client = net.node(EntityName::client(1), "10.0.0.2:6800", client);
    server.on_message(|_, _, message| drop(message));
    let connection = client.connect(&server);
    let data = Bytes::from_static(&[7; 64]);
    for _ in 0..WARM_UP {
        round(&mut net, &connection, &data, batch);
    }
    // The dispatch threads have seen their events, and sleep.
    assert_eq!((client.events().len(), server.events().len()), (1, 1));
    let region = Region::new(ALLOCATOR);
    for _ in 0..ROUNDS {
        round(&mut net, &connection, &data, batch);
    }
    let change = region.change();
    assert_eq!(connection.queued_bytes(), 0);
    change.allocations + change.reallocations
}

#[test]
fn small_messages_are_carried_without_allocating() {
    for batch in [1, 16, 200, 1000] {
        let lossy = allocations(Policy::stateless_server(), Policy::lossy_client(), batch);
        assert_eq!(lossy, 0, "lossy, {batch} at once");
        let lossless = allocations(Policy::stateful_server(), Policy::lossless_client(), batch);
        assert_eq!(lossless, 0, "lossless, {batch} at once");
    }
}
