//! Many messages over verbs while connections break: each arrives once and in order.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod device;
mod verbs;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use device::counters;
use msgr::{Connection, Dispatcher, EntityName, Message, Policy};
use msgr_conformance::cases::synthetic::SCALE_VARIABLE;
use msgr_conformance::{Plan, loopback, random};
use verbs::Verbs;

/// Messages of 1 B to 64 KiB, every order of magnitude as likely as the others.
const MESSAGES: u64 = 100_000;
const BITS: f64 = 16.0;
/// And among them, some of 1 MiB to 4 MiB.
const LARGE: u64 = 200;
const LARGE_BITS: (f64, f64) = (20.0, 22.0);
/// Most bytes sent and not acknowledged: enough to keep the stream busy.
const UNDER_WAY: u64 = 16 << 20;
/// How long nothing may arrive.
const SILENCE: Duration = Duration::from_secs(60);

/// Counts messages, and says what is wrong with the first that is.
struct Counts {
    payload: Bytes,
    arrived: AtomicU64,
    wrong: Mutex<Option<String>>,
}

impl Dispatcher for Counts {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }
    fn ms_fast_dispatch(&self, _: &Connection, message: Message) {
        let next = self.arrived.load(SeqCst);
        // Each begins at another byte of the payload, so that one is not taken for another of the same length.
        let expected = slice(&self.payload, message.tid, message.data.len());
        if message.tid != next || message.data[..] != expected[..] {
            let what = format!("message {} of {} bytes after {next} others", message.tid, message.data.len());
            self.wrong.lock().unwrap().get_or_insert(what);
        }
        self.arrived.store(next + 1, SeqCst);
    }
}

fn slice(payload: &Bytes, tid: u64, len: usize) -> Bytes {
    let at = tid as usize % 251;
    payload.slice(at..at + len)
}

/// Sends everything from a client to a server.
fn everything_arrives(name: &str, (server, client): (Policy, Policy), client_binds: bool) {
    let tenth = env::var(SCALE_VARIABLE).is_ok_and(|scale| scale == "tenth");
    let (messages, large) = if tenth { (MESSAGES / 10, LARGE / 10) } else { (MESSAGES, LARGE) };
    let mut random = random(name);
    let rnr_before = counters("rnr");
    let mut payload = vec![0; (4 << 20) + 256];
    random.fill(&mut payload);
    let payload = Bytes::from(payload);
    let counts = Arc::new(Counts { payload: payload.clone(), arrived: AtomicU64::new(0), wrong: Mutex::default() });
    let broken =
        |plan: Plan, seed| plan.seeded(seed).with("ms_inject_socket_failures", "300").with("ms_max_backoff", "0.2");
    let server = broken(Plan::server(server), random.u64(..)).start_with(&Verbs, Arc::clone(&counts) as _);
    let mut client = broken(Plan::client(client), random.u64(..));
    if client_binds {
        client = client.named(EntityName::osd(1)).at(loopback());
    }
    let client = client.start(&Verbs);
    let connection = client.connect(server.my_addr());
    let begun = Instant::now();
    let mut bytes = 0;
    let every = messages / large;
    let all = messages + large;
    let mut progress = (0, Instant::now());
    let mut watch = || {
        let arrived = counts.arrived.load(SeqCst);
        assert_eq!(*counts.wrong.lock().unwrap(), None);
        if arrived != progress.0 {
            progress = (arrived, Instant::now());
        }
        assert!(progress.1.elapsed() < SILENCE, "nothing arrives after {arrived} of {all}");
        thread::sleep(Duration::from_millis(1));
    };
    for tid in 0..all {
        let (low, high) = if tid % (every + 1) == every { LARGE_BITS } else { (0.0, BITS) };
        let len = (low + (high - low) * random.f64()).exp2() as usize;
        while connection.queued_bytes() > UNDER_WAY {
            watch();
        }
        connection.send_message(Message::new(1).with_tid(tid).with_data(slice(&payload, tid, len))).unwrap();
        bytes += len;
    }
    while counts.arrived.load(SeqCst) < all || connection.queued_bytes() > 0 {
        watch();
    }
    assert_eq!((counts.arrived.load(SeqCst), counts.wrong.lock().unwrap().take()), (all, None));
    let faults = client.messenger.stats().msgr_faults + server.stats().msgr_faults;
    println!(
        "{messages} messages up to 64 KiB, {large} from 1 MiB to 4 MiB, {} MB: {:.1} s, {faults} faults",
        bytes / 1_000_000,
        begun.elapsed().as_secs_f32(),
    );
    assert!(faults > 0, "nothing broke");
    assert_eq!(counters("rnr"), rnr_before, "receives are missing");
}

#[test]
fn what_a_client_sends_to_a_server_with_sessions_arrives_once_and_in_order_while_sockets_fail() {
    everything_arrives("bulk of a client", (Policy::stateful_server(), Policy::lossless_client()), false);
}

#[test]
fn what_a_peer_sends_to_a_peer_arrives_once_and_in_order_while_sockets_fail() {
    everything_arrives("bulk of a peer", (Policy::lossless_peer_reuse(), Policy::lossless_peer_reuse()), true);
}
