//! Seeded stories of several streams over shared queues: every credit is backed by a receive, every byte arrives in
//! order, whoever waits is woken, a stalled reader stops nobody else, connections that break or end give back all they
//! had, and at the end nothing moves any more.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::{env, io};

use fastrand::Rng;

use super::{EXTRA, Kind, Note, Stream, WINDOW_MIN, Wake};
use crate::receives::Receives;

const SEEDS: u64 = 3_000;
const STEPS: usize = 600;
/// Bytes of the largest message.
const CHUNK: usize = 16;
const SEND_QUEUE: u32 = 8;
const NODES: usize = 3;

/// One side of a connection.
struct Side {
    node: usize,
    stream: Stream<Vec<u8>>,
    /// Written and not taken by the stream.
    pending: usize,
    written: u64,
    read: u64,
    /// The stream took no more bytes, and is to say when it does.
    waiting: bool,
    /// Messages under way to this side, in order.
    arriving: VecDeque<(Vec<u8>, Note)>,
    /// Completions of its own that it has not taken.
    completions: u32,
    stalled: bool,
}

impl Side {
    fn new(node: usize) -> Side {
        Side {
            node,
            stream: Stream::new(WINDOW_MIN, WINDOW_MIN, SEND_QUEUE),
            pending: 0,
            written: 0,
            read: 0,
            waiting: false,
            arriving: VecDeque::new(),
            completions: 0,
            stalled: false,
        }
    }

    fn hear(&mut self, wake: Wake) {
        self.waiting &= !wake.writable;
    }
}

struct World {
    rng: Rng,
    nodes: Vec<Receives>,
    /// In pairs: a side's peer is its neighbour.
    sides: Vec<Side>,
    /// Chunks to send from run out now and then.
    scarce: bool,
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(31) >> 2) as u8
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let nodes = (0..NODES).map(|_| Receives::new(rng.u32(24..100))).collect();
        let pairs: Vec<usize> = (0..rng.usize(1..=4)).map(|_| rng.usize(..NODES)).collect();
        let sides = pairs.iter().flat_map(|node| [*node, (node + 1) % NODES]).map(Side::new).collect();
        let mut world = World { rng, nodes, sides, scarce: true };
        for at in 0..world.sides.len() {
            assert!(world.promise(at, WINDOW_MIN + EXTRA), "a queue of 24 serves four peers");
        }
        world
    }

    fn promise(&mut self, at: usize, by: u32) -> bool {
        let node = self.sides[at].node;
        let kept = self.nodes[node].promise(by);
        self.post(node);
        kept
    }

    fn post(&mut self, node: usize) {
        let missing = self.nodes[node].missing();
        self.nodes[node].posted(missing);
    }

    fn send(&mut self, at: usize, kind: Kind) -> bool {
        let side = &mut self.sides[at];
        if kind == Kind::Data && (side.pending == 0 || side.waiting) {
            return false;
        }
        let Some(note) = side.stream.begin(kind) else {
            side.waiting |= kind == Kind::Data;
            return false;
        };
        if kind == Kind::Data && self.scarce && self.rng.u32(..4) == 0 {
            side.stream.take_back(note);
            return false;
        }
        let n = if kind == Kind::Data { side.pending.min(self.rng.usize(1..=CHUNK)) } else { 0 };
        let first = side.written - side.pending as u64;
        let bytes = (first..first + n as u64).map(byte).collect();
        side.pending -= n;
        side.completions += 1;
        assert!(side.completions < SEND_QUEUE, "no place is left for the beacon");
        let node = self.sides[at ^ 1].node;
        self.sides[at ^ 1].arriving.push_back((bytes, note));
        // All may be at the device before the first is looked at.
        let arriving: usize = self.sides.iter().filter(|side| side.node == node).map(|side| side.arriving.len()).sum();
        assert!(self.nodes[node].in_queue() as usize >= arriving, "a message finds no receive");
        true
    }

    fn deliver(&mut self, at: usize) -> bool {
        let side = &mut self.sides[at];
        let Some((bytes, note)) = side.arriving.pop_front() else { return false };
        let node = side.node;
        self.nodes[node].used();
        let len = bytes.len();
        let (wake, unread) = side.stream.receive(bytes, len, note).ok().unwrap();
        side.hear(wake);
        self.nodes[node].freed(unread.iter().len() as u32);
        let by = self.sides[at].stream.wants();
        if by > 0 {
            if self.promise(at, by) { self.sides[at].stream.grow(by) } else { self.sides[at].stream.declined() }
        }
        self.post(node);
        self.send(at, Kind::Grant);
        true
    }

    fn complete(&mut self, at: usize) -> bool {
        let side = &mut self.sides[at];
        if side.completions == 0 {
            return false;
        }
        side.completions -= 1;
        let wake = side.stream.completed();
        side.hear(wake);
        self.send(at, Kind::Grant);
        true
    }

    /// Reads at most so many bytes, none if the reader stalls.
    fn read(&mut self, at: usize, room: usize) -> io::Result<usize> {
        let side = &mut self.sides[at];
        if side.stalled {
            return Err(io::ErrorKind::WouldBlock.into());
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
        outcome
    }

    fn step(&mut self) {
        let at = self.rng.usize(..self.sides.len());
        match self.rng.u32(..200) {
            0..40 => {
                let n = self.rng.usize(1..=4 * CHUNK);
                self.sides[at].written += n as u64;
                self.sides[at].pending += n;
            }
            40..80 => drop(self.send(at, Kind::Data)),
            80..120 => drop(self.deliver(at)),
            120..150 => drop(self.complete(at)),
            150..190 => {
                let room = self.rng.usize(1..=2 * CHUNK);
                let _ = self.read(at, room);
            }
            190..198 => self.sides[at].stalled = self.rng.bool(),
            198 => self.tear(at),
            _ => self.end(at),
        }
    }

    /// The connection breaks: what is under way is lost, what has arrived can still be read, and then comes the error.
    fn tear(&mut self, at: usize) {
        for at in [at, at ^ 1] {
            self.sides[at].arriving.clear();
            self.sides[at].stream.break_off();
            assert!(self.sides[at].stream.begin(Kind::Data).is_none(), "nothing is sent on a broken connection");
        }
        for at in [at, at ^ 1] {
            while self.complete(at) {}
            let read_on = self.rng.bool();
            if read_on && !self.sides[at].stalled {
                let error = loop {
                    match self.read(at, CHUNK) {
                        Ok(n) => assert!(n > 0, "a broken stream has no clean end"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
            assert!(self.sides[at].read <= self.sides[at ^ 1].written);
        }
        self.reopen(at);
    }

    /// Both sides end it, with bytes under way: those still arrive, and then comes the end.
    fn end(&mut self, at: usize) {
        for at in [at, at ^ 1] {
            let side = &mut self.sides[at];
            side.written -= side.pending as u64;
            (side.pending, side.stalled) = (0, false);
            assert!(self.send(at, Kind::End), "the end needs no credit, no room and no chunk");
            assert!(self.sides[at].stream.begin(Kind::Grant).is_none(), "nothing is behind the end");
        }
        while [at, at ^ 1].iter().fold(false, |moved, at| moved | self.deliver(*at) | self.complete(*at)) {}
        for at in [at, at ^ 1] {
            while self.read(at, CHUNK).unwrap() > 0 {}
            assert!(self.sides[at].stream.is_ended());
            assert_eq!(self.sides[at].read, self.sides[at ^ 1].written, "the end came before the last byte");
        }
        self.reopen(at);
    }

    /// A new connection in the place of one that is over, if there are receives for it.
    fn reopen(&mut self, at: usize) {
        for at in [at, at ^ 1] {
            let side = &mut self.sides[at];
            assert_eq!((side.stream.in_flight(), side.completions), (0, 0));
            let (node, unread, window) = (side.node, side.stream.abandon().len(), side.stream.window());
            self.nodes[node].freed(unread as u32);
            self.nodes[node].withdraw(window + EXTRA);
            self.sides[at] = Side::new(node);
        }
        // Others may have grown into what was free meanwhile: then they are all that is left.
        if !self.promise(at, WINDOW_MIN + EXTRA) {
            self.remove(at);
        } else if !self.promise(at ^ 1, WINDOW_MIN + EXTRA) {
            let node = self.sides[at].node;
            self.nodes[node].withdraw(WINDOW_MIN + EXTRA);
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) {
        self.sides.drain(at & !1..=at | 1);
        if self.sides.is_empty() {
            self.sides = [0, 1].map(Side::new).into();
            assert!(self.promise(0, WINDOW_MIN + EXTRA) && self.promise(1, WINDOW_MIN + EXTRA), "nobody else has any");
        }
    }

    /// Lets everything happen that can.
    fn settle(&mut self) {
        self.scarce = false;
        for _ in 0..100_000 {
            let moved = (0..self.sides.len()).fold(false, |moved, at| {
                let read = self.read(at, CHUNK).is_ok_and(|n| n > 0);
                moved | read | self.send(at, Kind::Data) | self.deliver(at) | self.complete(at)
            });
            if !moved {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn check(&self, everybody: bool) {
        for (node, receives) in self.nodes.iter().enumerate() {
            let its = self.sides.iter().filter(|side| side.node == node);
            let (promised, held) = its.fold((0, 0), |(promised, held), Side { stream, .. }| {
                (promised + stream.window() + EXTRA, held + stream.held())
            });
            assert_eq!(receives.promised_and_held(), (promised, held), "node {node} keeps what its streams have");
        }
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
    for side in &world.sides {
        assert_eq!((side.stream.in_flight(), side.stream.held()), (0, 0));
    }
    for at in (0..world.sides.len()).rev().step_by(2) {
        world.end(at);
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
