//! Too little of something: receives, chunks to send from, a reader's attention. Who is short of it waits or is refused,
//! and nobody else notices.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod device;
mod verbs;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use device::{counters, resources};
use msgr::{Connection, Dispatcher, EntityName, EntityType, Message, Policy};
use msgr_conformance::{Node, PATIENCE, Plan, echo};
use verbs::Verbs;

#[test]
fn a_connection_that_finds_no_receives_is_refused_until_another_one_ends() {
    // Two connections take 6 receives each.
    let server = Plan::server(Policy::stateless_server()).with("ms_async_rdma_receive_queue_len", "13");
    let server = server.with("ms_async_op_threads", "1").reacting(echo()).start(&Verbs);
    let client =
        |nonce| Plan::client(Policy::lossy_client()).nonce(nonce).with("ms_initial_backoff", "0.01").start(&Verbs);
    let clients: Vec<Node> = (1..=3).map(client).collect();
    let connections: Vec<Connection> = clients[..2].iter().map(|client| client.connect(server.address())).collect();
    for (client, connection) in clients.iter().zip(&connections) {
        client.ask(connection, Message::new(1));
    }
    let refused = clients[2].connect(server.address());
    refused.send_message(Message::new(1).with_tid(7)).unwrap();
    for _ in 0..3 {
        assert_eq!(clients[2].refused(), refused);
    }
    for (client, connection) in clients.iter().zip(&connections) {
        client.ask(connection, Message::new(1));
    }
    clients[0].end();
    assert_eq!(clients[2].message().tid, 7);
}

#[test]
fn connections_that_share_one_chunk_to_send_from_all_make_progress() {
    const MESSAGES: u64 = 50;
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(&Verbs);
    let clients: Vec<Node> = (1..=4)
        .map(|nonce| {
            let plan = Plan::client(Policy::lossless_client()).nonce(nonce);
            plan.with("ms_async_rdma_send_buffers", "1").start(&Verbs)
        })
        .collect();
    for client in &clients {
        let connection = client.connect(server.address());
        for tid in 0..MESSAGES {
            connection.send_message(Message::new(1).with_tid(tid).with_data(vec![tid as u8; 100_000])).unwrap();
        }
    }
    for client in &clients {
        for tid in 0..MESSAGES {
            let answer = client.message();
            assert_eq!((answer.tid, answer.data.len()), (tid, 100_000));
            assert!(answer.data.iter().all(|byte| *byte == tid as u8));
        }
    }
}

#[test]
fn a_thread_that_finds_no_chunk_while_its_worker_sleeps_sends_when_there_is_one() {
    const ROUNDS: u64 = 10;
    // Nothing is ever answered, so nothing but the bell and completions can wake the client's worker.
    let server = Plan::server(Policy::stateless_server()).start(&Verbs);
    let client = Plan::client(Policy::lossy_client()).with("ms_async_rdma_send_buffers", "1");
    let client = client.with("ms_async_op_threads", "1").with("ms_async_rdma_polling_us", "0").start(&Verbs);
    let connection = client.connect(server.address());
    for round in 0..ROUNDS {
        let send = |part: u64| {
            let message = Message::new(1).with_tid(2 * round + part).with_data(vec![1; 100_000]);
            connection.send_message(message).unwrap();
        };
        send(0);
        // Not so soon that the worker is asked to write, and before the first one is acknowledged.
        thread::sleep(Duration::from_millis(1));
        send(1);
        assert_eq!([server.message().tid, server.message().tid], [2 * round, 2 * round + 1]);
        // Longer than it looks after sends by itself.
        thread::sleep(Duration::from_millis(150));
    }
}

const PEERS: usize = 8;
/// Messages under way to each peer.
const DEPTH: usize = 4;
/// Echoes in all whose time is taken.
const ECHOES: usize = 2000;
/// What the others must keep of their rate.
const KEPT: f64 = 0.8;
/// How often that is tried: the guest's processors are shared with whatever else its host does.
const TRIES: usize = 3;
/// Registrations, of 32 chunks each, when every window of both sides of every connection is as large as it gets (34 receives),
/// as many sends are under way, and a last one is begun in the two pools of each of three workers.
const REGISTRATIONS_MAX: u64 = (2 * PEERS as u64 * (34 + 34)).div_ceil(32) + 2 * 3;
/// Messages for the reader that stalls: several times what its throttle and its receives hold.
const BACKLOG: u64 = 100;

/// Tells which peer has answered.
struct Hears(Mutex<Sender<(u64, u64)>>);

impl Dispatcher for Hears {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }
    fn ms_fast_dispatch(&self, _: &Connection, message: Message) {
        // Kind is the peer's number.
        self.0.lock().unwrap().send((u64::from(message.kind), message.tid)).unwrap();
    }
}

#[test]
fn a_reader_that_stalls_slows_nobody_else_and_delivers_everything_afterwards() {
    let gate = Arc::new(Mutex::new(()));
    let servers: Vec<Node> = (0..PEERS)
        .map(|peer| {
            let gate = Arc::clone(&gate);
            let plan = Plan::server(Policy::stateful_server()).named(EntityName::osd(peer as u64));
            // Its messages wait for the dispatch thread, and the reader for them.
            let plan = plan.queued().with("ms_dispatch_throttle_bytes", "64KiB");
            plan.reacting(Box::new(move |connection, message| {
                drop((peer == 0).then(|| gate.lock().unwrap()));
                connection.send_message(message.clone()).unwrap();
            }))
            .start(&Verbs)
        })
        .collect();
    let (tell, told) = channel();
    let client = Plan::client(Policy::lossless_client()).start_with(&Verbs, Arc::new(Hears(Mutex::new(tell))));
    let connections: Vec<Connection> =
        servers.iter().map(|server| client.connect_to(EntityType::OSD, server.address()).unwrap()).collect();
    let send = |peer: usize, tid: u64, len: usize| {
        connections[peer].send_message(Message::new(peer as u16).with_tid(tid).with_data(vec![1; len])).unwrap();
    };
    // The rate of the peers but the first.
    let rate = || {
        (1..PEERS).for_each(|peer| (0..DEPTH).for_each(|_| send(peer, 0, 4096)));
        let begun = Instant::now();
        for _ in 0..ECHOES {
            let (peer, _) = told.recv_timeout(PATIENCE).unwrap();
            send(peer as usize, 0, 4096);
        }
        let rate = ECHOES as f64 / begun.elapsed().as_secs_f64();
        for _ in 0..(PEERS - 1) * DEPTH {
            told.recv_timeout(PATIENCE).unwrap();
        }
        rate
    };
    let rnr = counters("rnr");
    let kept = (0..TRIES).any(|_| {
        let before = rate();
        let held = gate.lock().unwrap();
        (0..BACKLOG).for_each(|tid| send(0, tid, 16 << 10));
        let during = rate();
        let registered = resources("mr");
        println!(
            "{before:.0} echoes a second, {during:.0} while one reader of {PEERS} stalls; {registered} registrations"
        );
        assert!(registered <= REGISTRATIONS_MAX, "memory outside what credits allow");
        assert!(connections[0].queued_bytes() > 0, "it does not stall");
        drop(held);
        for tid in 0..BACKLOG {
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (0, tid));
        }
        during >= KEPT * before
    });
    assert!(kept, "the others do not keep {KEPT} of their rate");
    assert_eq!(counters("rnr"), rnr, "somebody found no receive");
}
