//! Alone in its process, because it counts the process's threads.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use msgr::{Message, Policy};
use msgr_conformance::{PATIENCE, Plan, echo, raw};
use msgr_simple::SimpleFactory;

/// The messenger's threads by name, as the kernel has them.
fn threads() -> BTreeMap<String, usize> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end between the listing and the reading.
        let name = fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default();
        if name.starts_with("ms_") {
            *threads.entry(name.trim().to_owned()).or_default() += 1;
        }
    }
    threads
}

fn expect(want: &[(&str, usize)]) {
    let want: BTreeMap<_, _> = want.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    // Threads that are about to end take their time.
    let begun = std::time::Instant::now();
    while threads() != want && begun.elapsed() < PATIENCE {
        thread::yield_now();
    }
    assert_eq!(threads(), want);
}

#[test]
fn an_open_peer_costs_a_reader_and_a_writer_on_each_side() {
    const PEERS: usize = 8;
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(&SimpleFactory);
    expect(&[("ms_accepter", 1)]);
    let clients: Vec<_> = (1..=PEERS as u32)
        .map(|nonce| {
            let client = Plan::client(Policy::lossy_client()).nonce(nonce).start(&SimpleFactory);
            client.connect(server.address()).send_message(Message::new(1)).unwrap();
            client.message();
            client
        })
        .collect();
    expect(&[
        ("ms_accepter", 1),
        // One for each messenger that told its dispatcher of a connection.
        ("ms_dispatch", 1 + PEERS),
        ("ms_pipe_read", 2 * PEERS),
        ("ms_pipe_write", 2 * PEERS),
        ("ms_reaper", 1 + PEERS),
    ]);

    // A peer that does not get as far as a session costs one thread, while it lasts.
    let silent = raw::dial(server.socket());
    expect(&[
        ("ms_accepter", 1),
        ("ms_dispatch", 1 + PEERS),
        ("ms_pipe_read", 2 * PEERS + 1),
        ("ms_pipe_write", 2 * PEERS),
        ("ms_reaper", 1 + PEERS),
    ]);
    drop(silent);

    // Garbage leaves nothing behind.
    for _ in 0..20 {
        drop(raw::dial(server.socket()));
    }
    drop(clients);
    for _ in 0..PEERS {
        server.reset();
    }
    expect(&[("ms_accepter", 1), ("ms_dispatch", 1), ("ms_reaper", 1)]);
    server.end();
    expect(&[]);
}
