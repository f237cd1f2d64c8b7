//! What the protocol costs, without a socket or a thread switch: one message from `send_message` to its dispatcher, and
//! the parts of that.
//!
//! The two messengers of the tests carry the bytes from one buffer to the other as the kernel would, so each figure of
//! `message` includes two copies of the frame.
#![allow(clippy::unwrap_used)] // a bench that cannot start has nothing to say

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;
use msgr::parts::{Dispatching, Outgoing};
use msgr::session::{Next, RecvHalf, RecvParams};
use msgr::wire::{Footer, Header, crc::crc32c, features};
use msgr::{Config, EntityName, Message, PRIORITY_DEFAULT, Policy, Stage, Stages, Throttle};
use msgr_sim::{Net, script};

/// Payload sizes: as small as requests are, a page, and a chunk of a stream.
const LENGTHS: [u32; 3] = [64, 4 << 10, 64 << 10];

/// Messages at once where a single one would mostly measure the measuring.
const BATCH: u64 = 64;

/// The whole way of 64-byte messages, `batch` of them at once: queue, framing, crc, session, decoding, fast dispatch.
fn message(c: &mut Criterion) {
    let mut group = c.benchmark_group("message_64B");
    for (name, server, client) in [
        ("lossy", Policy::stateless_server(), Policy::lossy_client()),
        ("lossless", Policy::stateful_server(), Policy::lossless_client()),
    ] {
        for batch in [1u64, 16, 128] {
            let mut net = Net::new();
            let server = net.node(EntityName::osd(1), "10.0.0.1:6800", server.clone());
            let client = net.node(EntityName::client(1), "10.0.0.2:6800", client.clone());
            server.on_message(|_, _, message| drop(black_box(message)));
            let connection = client.connect(&server);
            let data = Bytes::from_static(&[7; 64]);
            net.run();
            group.throughput(Throughput::Elements(batch));
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                b.iter(|| {
                    for _ in 0..batch {
                        connection.send_message(Message::new(1).with_data(data.clone())).unwrap();
                    }
                    net.run();
                });
            });
        }
    }
}

/// What the net itself costs: a turn of two connected messengers with nothing to say. `message` with batches of one
/// contains two of these.
fn idle_turn(c: &mut Criterion) {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), "10.0.0.1:6800", Policy::stateless_server());
    let client = net.node(EntityName::client(1), "10.0.0.2:6800", Policy::lossy_client());
    client.connect(&server);
    net.run();
    c.bench_function("idle_turn", |b| b.iter(|| net.turn()));
}

/// A header and a footer with their crcs, as each message has them.
fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for len in LENGTHS {
        let data = vec![7; len as usize];
        group.throughput(Throughput::Bytes(len.into()));
        group.bench_function(BenchmarkId::from_parameter(len), |b| {
            b.iter(|| {
                let header: Header = script::header(black_box(1), [0, 0, len]);
                let footer = Footer { data_crc: crc32c(0, black_box(&data)), complete: true, ..Footer::default() };
                (header.emit(true), footer.emit(features::MSG_AUTH))
            });
        });
    }
}

/// Frames in one chunk, out of a receive half.
fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (len, frames) in LENGTHS.into_iter().zip([128, 16, 2]) {
        let bytes: Vec<u8> = (1..=frames).flat_map(|seq| script::message_frame(seq, &vec![7; len as usize])).collect();
        let bytes = Bytes::from(bytes);
        let config = Config::default();
        let half = || {
            let params = RecvParams { features: features::MSG_AUTH, in_seq: 0, throttles: [None, None, None] };
            let mut half = RecvHalf::new(params, &config);
            half.push(bytes.clone());
            half
        };
        let drain = |mut half: RecvHalf| {
            while let Next::Item(item) = half.poll().unwrap() {
                black_box(item);
            }
        };
        group.throughput(Throughput::Elements(frames));
        group.bench_function(BenchmarkId::new(len.to_string(), frames), |b| {
            b.iter_batched(half, drain, BatchSize::SmallInput);
        });
    }
}

fn crc(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc");
    for len in LENGTHS {
        let data = vec![7; len as usize];
        group.throughput(Throughput::Bytes(len.into()));
        group.bench_function(BenchmarkId::from_parameter(len), |b| b.iter(|| crc32c(0, black_box(&data))));
    }
}

/// Messages on their way through a session's queue, `BATCH` at once, with copies kept for replay and without.
fn outgoing_queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("outgoing_queue");
    group.throughput(Throughput::Elements(BATCH));
    for (name, keep) in [("lossy", false), ("lossless", true)] {
        let (mut queue, mut batch) = (Outgoing::default(), VecDeque::new());
        let message = Message::new(1).with_priority(PRIORITY_DEFAULT).with_data(Bytes::from_static(&[7; 64]));
        group.bench_function(name, |b| {
            b.iter(|| {
                (0..BATCH).for_each(|_| queue.push(message.clone()));
                queue.take(&mut batch, keep);
                let last = batch.back().map_or(0, |message| message.seq);
                batch.clear();
                queue.acked(last);
            });
        });
    }
}

/// Messages of four connections through the dispatch queue, `BATCH` at once.
fn dispatch_queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch_queue");
    group.throughput(Throughput::Elements(BATCH));
    let config = Config::default();
    let new = || Dispatching::new(config.ms_pq_max_tokens_per_priority, config.ms_pq_min_cost);
    let message = Message::new(1).with_data(Bytes::from_static(&[7; 64]));
    let ways = [
        ("strict", PRIORITY_DEFAULT, Dispatching::push_strict as fn(&mut _, _, _)),
        ("fair", 1, Dispatching::push_fair),
    ];
    for (name, priority, push) in ways {
        let mut queue = new();
        let message = message.clone().with_priority(priority);
        group.bench_function(name, |b| {
            b.iter(|| {
                (0..BATCH).for_each(|at| push(&mut queue, at % 4, message.clone()));
                while let Some(message) = queue.pop() {
                    black_box(message);
                }
            });
        });
    }
}

/// Taking from a throttle that has room, and giving back.
fn throttle(c: &mut Criterion) {
    let throttle = Throttle::new(100 << 20);
    c.bench_function("throttle", |b| b.iter(|| drop(black_box(throttle.try_take(black_box(4096))))));
}

/// What is paid for each time that is recorded: a latency by the load side; a stage by the messenger, which mostly pays for
/// reading the clock.
fn histogram(c: &mut Criterion) {
    let mut group = c.benchmark_group("histogram");
    // Some microseconds, spread as latencies are.
    let times = || (0..1 << 10).map(|at: u64| 5_000 + at * 7919 % 40_000).cycle();
    let mut hdr = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let mut latencies = times();
    group.bench_function("latency", |b| b.iter(|| hdr.saturating_record(latencies.next().unwrap())));
    let stages = Stages::new(Instant::now);
    let begun = Instant::now();
    let from = stages.at(begun);
    let mut latencies = times().map(Duration::from_nanos);
    group.bench_function("stage", |b| {
        b.iter(|| stages.record(Stage::Read, from, stages.at(begun + latencies.next().unwrap()), 1));
    });
    group.bench_function("stage_with_clock", |b| {
        b.iter(|| {
            let from = stages.now();
            stages.record(Stage::Read, from, stages.now(), 1);
        });
    });
}

criterion_group! {
    name = protocol;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = message, idle_turn, encode, decode, crc, outgoing_queue, dispatch_queue, throttle, histogram
}
criterion_main!(protocol);
