//! Seeded stories of several streams over shared queues: every credit is backed by a receive, every byte arrives in
//! order, a stalled reader stops nobody else, and at the end nothing moves any more.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::env;

use fastrand::Rng;

use super::{EXTRA, Kind, Note, Stream, WINDOW_MIN};
use crate::receives::Receives;

const SEEDS: u64 = 3_000;
const STEPS: usize = 600;
/// Bytes of the largest message.
const CHUNK: usize = 16;
const SEND_QUEUE: u32 = 8;

/// One side of a connection.
struct Side {
    node: usize,
    stream: Stream<Vec<u8>>,
    /// Written and not taken by the stream.
    pending: usize,
    written: u64,
    read: u64,
    /// Messages under way to this side, in order.
    arriving: VecDeque<(Vec<u8>, Note)>,
    /// Completions of its own that it has not taken.
    completions: u32,
    stalled: bool,
}

struct World {
    rng: Rng,
    nodes: Vec<Receives>,
    /// In pairs: a side's peer is its neighbour.
    sides: Vec<Side>,
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(31) >> 2) as u8
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let mut nodes: Vec<Receives> = (0..3).map(|_| Receives::new(rng.u32(24..100))).collect();
        let mut sides = Vec::new();
        for _ in 0..rng.usize(1..=4) {
            let one = rng.usize(..3);
            for node in [one, (one + 1) % 3] {
                assert!(nodes[node].promise(WINDOW_MIN + EXTRA), "a queue of 24 serves four peers");
                let stream = Stream::new(WINDOW_MIN, WINDOW_MIN, SEND_QUEUE);
                sides.push(Side {
                    node,
                    stream,
                    pending: 0,
                    written: 0,
                    read: 0,
                    arriving: VecDeque::new(),
                    completions: 0,
                    stalled: false,
                });
            }
        }
        let mut world = World { rng, nodes, sides };
        (0..3).for_each(|node| world.post(node));
        world
    }

    fn post(&mut self, node: usize) {
        let missing = self.nodes[node].missing();
        self.nodes[node].posted(missing);
    }

    fn send(&mut self, at: usize, kind: Kind) -> bool {
        let side = &mut self.sides[at];
        if kind == Kind::Data && side.pending == 0 {
            return false;
        }
        let Some(note) = side.stream.begin(kind) else { return false };
        let n = if kind == Kind::Data { side.pending.min(self.rng.usize(1..=CHUNK)) } else { 0 };
        let first = side.written - side.pending as u64;
        let bytes = (first..first + n as u64).map(byte).collect();
        side.pending -= n;
        side.completions += 1;
        self.sides[at ^ 1].arriving.push_back((bytes, note));
        true
    }

    fn deliver(&mut self, at: usize) -> bool {
        let side = &mut self.sides[at];
        let Some((bytes, note)) = side.arriving.pop_front() else { return false };
        let node = side.node;
        assert!(self.nodes[node].in_queue() > 0, "a message finds no receive");
        self.nodes[node].used();
        let len = bytes.len();
        let (_, unread) = side.stream.receive(bytes, len, note).ok().unwrap();
        self.nodes[node].freed(unread.iter().len() as u32);
        let by = self.sides[at].stream.wants();
        if by > 0 && self.nodes[node].promise(by) {
            self.sides[at].stream.grow(by);
        }
        self.post(node);
        self.send(at, Kind::Grant);
        true
    }

    fn complete(&mut self, at: usize) -> bool {
        if self.sides[at].completions == 0 {
            return false;
        }
        self.sides[at].completions -= 1;
        self.sides[at].stream.completed();
        self.send(at, Kind::Grant);
        true
    }

    fn read(&mut self, at: usize, room: usize) -> bool {
        let side = &mut self.sides[at];
        if side.stalled {
            return false;
        }
        let (mut free, mut left) = (Vec::new(), room);
        let next = &mut side.read;
        let outcome = side.stream.read(
            |bytes| {
                let n = bytes.len().min(left);
                for taken in &bytes[..n] {
                    assert_eq!(*taken, byte(*next));
                    *next += 1;
                }
                left -= n;
                n
            },
            &mut free,
        );
        let node = side.node;
        self.nodes[node].freed(free.len() as u32);
        self.post(node);
        self.send(at, Kind::Grant);
        outcome.is_ok_and(|n| n > 0)
    }

    fn step(&mut self) {
        let at = self.rng.usize(..self.sides.len());
        match self.rng.u32(..20) {
            0..4 => {
                let n = self.rng.usize(1..=4 * CHUNK);
                self.sides[at].written += n as u64;
                self.sides[at].pending += n;
            }
            4..8 => drop(self.send(at, Kind::Data)),
            8..12 => drop(self.deliver(at)),
            12..15 => drop(self.complete(at)),
            15..19 => {
                let room = self.rng.usize(1..=2 * CHUNK);
                self.read(at, room);
            }
            _ => self.sides[at].stalled = self.rng.bool(),
        }
    }

    /// Lets everything happen that can.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let moved = (0..self.sides.len()).fold(false, |moved, at| {
                moved | self.send(at, Kind::Data) | self.deliver(at) | self.complete(at) | self.read(at, CHUNK)
            });
            if !moved {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn check(&self, everybody: bool) {
        for at in (0..self.sides.len()).filter(|at| everybody || !self.sides[*at].stalled) {
            let (side, peer) = (&self.sides[at], &self.sides[at ^ 1]);
            assert_eq!(side.read, peer.written, "side {at} has read what its peer wrote");
        }
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.check(false);
    world.sides.iter_mut().for_each(|side| side.stalled = false);
    world.settle();
    world.check(true);
    for at in 0..world.sides.len() {
        assert!(world.send(at, Kind::End), "the end needs no credit");
        world.settle();
    }
    for side in &world.sides {
        assert!(side.stream.is_over() && side.stream.in_flight() == 0 && side.stream.held() == 0);
    }
}

#[test]
fn streams_over_shared_queues_keep_every_promise() {
    let only = env::var("MSGR_RDMA_SEED").ok().map(|seed| seed.parse().unwrap());
    for seed in only.map_or(0..SEEDS, |seed: u64| seed..seed + 1) {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "replay it with MSGR_RDMA_SEED={seed}");
    }
}
