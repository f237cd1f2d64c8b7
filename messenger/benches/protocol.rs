//! What the protocol costs, without a socket or a thread switch: one message from `send_message` to its dispatcher, and
//! the parts of that.
//!
//! The two messengers of the tests carry the bytes from one buffer to the other as the kernel would, so each figure of
//! `message` includes two copies of the frame.
#![allow(clippy::unwrap_used)] // a bench that cannot start has nothing to say

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use msgr::session::{Next, RecvHalf, RecvParams};
use msgr::wire::{Footer, Header, crc::crc32c, features};
use msgr::{Config, EntityName, Message, Policy};
use msgr_sim::{Net, script};

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
    let data = [7; 64];
    c.bench_function("encode_64B", |b| {
        b.iter(|| {
            let header: Header = script::header(black_box(1), [0, 0, 64]);
            let footer = Footer { data_crc: crc32c(0, black_box(&data)), complete: true, ..Footer::default() };
            (header.emit(true), footer.emit(features::MSG_AUTH))
        });
    });
}

/// 128 frames of 64 bytes in one chunk, out of a receive half.
fn decode(c: &mut Criterion) {
    const FRAMES: u64 = 128;
    let frames: Vec<u8> = (1..=FRAMES).flat_map(|seq| script::message_frame(seq, &[7; 64])).collect();
    let frames = Bytes::from(frames);
    let config = Config::default();
    let mut group = c.benchmark_group("decode_64B");
    group.throughput(Throughput::Elements(FRAMES));
    group.bench_function("128", |b| {
        let half = || {
            let params = RecvParams { features: features::MSG_AUTH, in_seq: 0, throttles: [None, None, None] };
            let mut half = RecvHalf::new(params, &config);
            half.push(frames.clone());
            half
        };
        let drain = |mut half: RecvHalf| {
            while let Next::Item(item) = half.poll().unwrap() {
                black_box(item);
            }
        };
        b.iter_batched(half, drain, BatchSize::SmallInput);
    });
}

fn crc(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc");
    for len in [64, 4 << 10, 64 << 10] {
        let data = vec![7; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |b| b.iter(|| crc32c(0, black_box(&data))));
    }
}

criterion_group! {
    name = protocol;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = message, idle_turn, encode, decode, crc
}
criterion_main!(protocol);
