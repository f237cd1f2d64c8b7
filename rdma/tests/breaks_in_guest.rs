//! What breaks under a connection, and what its messenger makes of that.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod device;
mod verbs;

use std::net::SocketAddr;

use device::{cable, files, resources};
use msgr::{Message, Policy};
use msgr_async::AsyncFactory;
use msgr_conformance::{Node, Plan, echo, eventually};
use msgr_rdma::break_queue_pairs;
use verbs::Verbs;

#[test]
fn two_hundred_connects_and_drops_leave_nothing_behind() {
    const CONNECTS: u64 = 200;
    // That are registered.
    const CHUNKS_AT_ONCE: u64 = 32;
    // With several workers, it is a matter of timing which of them first needs queues of its own.
    let one_worker = |plan: Plan| plan.with("ms_async_op_threads", "1");
    let server = one_worker(Plan::server(Policy::stateless_server()).reacting(echo())).start(&Verbs);
    let client = one_worker(Plan::client(Policy::lossy_client())).start(&Verbs);
    let visit = || {
        let connection = client.connect(server.address());
        client.ask(&connection, Message::new(1));
        connection.mark_down();
        server.reset();
    };
    // What is made once is made now.
    (0..20).for_each(|_| visit());
    eventually("these are gone", || resources("qp") <= 1);
    let (files_before, registrations) = (files(), resources("mr"));
    for _ in 0..CONNECTS {
        visit();
    }
    eventually("no queue pair is left", || resources("qp") <= 1);
    // One that was still being closed may have been among the first.
    eventually("all files are closed", || files() <= files_before);
    let after = resources("mr");
    println!("{CONNECTS} connects: files {files_before} and {}, registrations {registrations} and {after}", files());
    // A busy machine has more of them under way at once, and so may register once more; if each lost a chunk, six times more.
    assert!(after < registrations + CONNECTS / CHUNKS_AT_ONCE, "chunks are used again");
}

/// A server on rxe1 and a client on rxe0, with the cable between them.
fn over_the_cable(server: Policy, client: Policy) -> (Node, Node) {
    let address: SocketAddr = "10.0.0.2:0".parse().unwrap();
    let server = Plan::server(server).at(address).with("ms_async_rdma_device_name", "rxe1").reacting(echo());
    let client = Plan::client(client).with("ms_async_rdma_device_name", "rxe0").with("ms_max_backoff", "0.2");
    (server.start(&Verbs), client.start(&Verbs))
}

#[test]
fn a_lossless_session_outlives_a_cut_cable() {
    const MESSAGES: u64 = 300;
    let (server, client) = over_the_cable(Policy::stateful_server(), Policy::lossless_client());
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1).with_tid(MESSAGES));
    let mut expected = 0;
    for tid in 0..MESSAGES {
        connection.send_message(Message::new(1).with_tid(tid).with_data(vec![1; 10_000])).unwrap();
        if tid % 100 == 50 {
            assert_eq!(client.message().tid, expected);
            expected += 1;
            cable(false);
            eventually("the client notices", || !connection.is_connected());
            cable(true);
            eventually("it is connected again", || connection.is_connected());
        }
    }
    for tid in expected..MESSAGES {
        assert_eq!(client.message().tid, tid);
    }
    assert!(client.messenger.stats().msgr_faults >= 3);
}

#[test]
fn a_lossy_session_is_reset_when_the_cable_is_cut() {
    let (server, client) = over_the_cable(Policy::stateless_server(), Policy::lossy_client());
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    cable(false);
    assert_eq!(client.reset(), connection);
    server.reset();
    cable(true);
}

#[test]
fn a_port_that_goes_down_is_told_to_a_session_at_rest_which_goes_on_afterwards() {
    let (server, client) = over_the_cable(Policy::stateful_server(), Policy::lossless_client());
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1).with_tid(1));
    eventually("nothing is under way", || connection.queued_bytes() == 0);
    cable(false);
    // Nobody sends, and TCP notices nothing: only the device can tell.
    eventually("the client is told", || client.messenger.stats().msgr_faults > 0);
    eventually("the server is told", || server.messenger.stats().msgr_faults > 0);
    cable(true);
    client.ask(&connection, Message::new(1).with_tid(2));
}

#[test]
fn a_port_that_is_down_for_a_moment_breaks_nothing() {
    // A guest that has something else to do may mend the cable late; not every time.
    const TRIES: usize = 20;
    let (server, client) = over_the_cable(Policy::stateful_server(), Policy::lossless_client());
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    let breaks_nothing = || {
        let faults = || client.messenger.stats().msgr_faults + server.messenger.stats().msgr_faults;
        let before = faults();
        cable(false);
        cable(true);
        client.ask(&connection, Message::new(1));
        faults() == before
    };
    assert!((0..TRIES).any(|_| breaks_nothing()));
}

#[test]
fn a_lossless_session_outlives_queue_pairs_that_break_under_traffic() {
    const MESSAGES: u64 = 600;
    let server = Plan::server(Policy::stateful_server()).reacting(echo()).start(&Verbs);
    let client = Plan::client(Policy::lossless_client()).with("ms_max_backoff", "0.2").start(&Verbs);
    let connection = client.connect(server.address());
    for tid in 0..MESSAGES {
        connection.send_message(Message::new(1).with_tid(tid).with_data(vec![1; 10_000])).unwrap();
        if tid % 100 == 50 {
            eventually("it is connected", || connection.is_connected());
            assert!(break_queue_pairs() > 0);
        }
    }
    for tid in 0..MESSAGES {
        assert_eq!(client.message().tid, tid);
    }
    assert!(client.messenger.stats().msgr_faults + server.messenger.stats().msgr_faults > 0);
    eventually("the broken ones are gone", || resources("qp") <= 3);
}

#[test]
fn a_lossy_session_is_reset_when_its_queue_pair_breaks() {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(&Verbs);
    let client = Plan::client(Policy::lossy_client()).start(&Verbs);
    let connection = client.connect(server.address());
    client.ask(&connection, Message::new(1));
    assert!(break_queue_pairs() >= 2);
    // Neither side notices before one of them sends.
    connection.send_message(Message::new(1)).unwrap();
    assert_eq!(client.reset(), connection);
    server.reset();
}

#[test]
fn peers_on_tcp_are_kept_out_and_harm_nobody() {
    let tcp = Plan::server(Policy::stateless_server()).reacting(echo()).start(&AsyncFactory);
    let rdma = Plan::server(Policy::stateless_server()).reacting(echo()).start(&Verbs);
    let good = Plan::client(Policy::lossy_client()).nonce(1).start(&Verbs);
    let good_connection = good.connect(rdma.address());
    let quick = |plan: Plan| plan.with("ms_initial_backoff", "0.01").with("ms_max_backoff", "0.02");
    let by_tcp = quick(Plan::client(Policy::lossy_client()).nonce(2)).start(&AsyncFactory);
    let by_rdma = quick(Plan::client(Policy::lossy_client()).nonce(3)).start(&Verbs);
    let strangers = [(&by_tcp, by_tcp.connect(rdma.address())), (&by_rdma, by_rdma.connect(tcp.address()))];
    for (stranger, connection) in &strangers {
        connection.send_message(Message::new(1)).unwrap();
        // Before it opens, a failed dial is no reason to give a connection up.
        eventually("it tries again and again", || stranger.messenger.stats().msgr_faults >= 5);
        assert!(!connection.is_connected());
        good.ask(&good_connection, Message::new(1));
    }
}
