//! Messengers joined in memory: a stack without sockets, threads or a clock.
//!
//! A [`Net`] drives the sessions of its [`Node`]s exactly as a stack would: what a driver was told is done, what a wire
//! carries is read, what an outbox holds is written, one actor after the other until nothing moves. Wires break after
//! a given number of bytes, and either end of one can be played by the test itself, byte by byte.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use msgr::session::{Cause, Driver, Link, Outbox, Progress, ReadAhead, ReadInto, Refill, Session, Step};
use msgr::{EntityName, Messenger, Policy, Setup};

use crate::node::Node;

/// Turns after which a net that still moves is taken to spin. The longest test needs a few thousand.
const TURNS_MAX: usize = 200_000;
/// Reads of one actor before the next has its turn.
const READS_MAX: usize = 8;

/// What a driver was told and has not done yet.
#[derive(Default)]
pub struct Told {
    transmit: AtomicBool,
    step: AtomicBool,
    resume: AtomicBool,
    hang_up: AtomicBool,
}

impl Driver for Told {
    fn transmit(&self) {
        self.transmit.store(true, SeqCst);
    }

    fn step(&self) {
        self.step.store(true, SeqCst);
    }

    fn resume(&self) {
        self.resume.store(true, SeqCst);
    }

    fn hang_up(&self) {
        self.hang_up.store(true, SeqCst);
    }
}

/// Whether a driver was told, once. Looks before it writes: most of what the benchmark's loop does is this.
fn take(told: &AtomicBool) -> bool {
    told.load(SeqCst) && told.swap(false, SeqCst)
}

/// One TCP connection. Side 0 dialled.
#[derive(Default)]
struct Wire {
    /// Bytes on their way to each side.
    inbox: [Vec<u8>; 2],
    /// How many of these were read.
    read: [usize; 2],
    closed: bool,
    /// Bytes, of both directions together, after which it breaks.
    breaks_after: Option<usize>,
    carried: usize,
    /// Everything each side wrote, if asked for.
    transcript: Option<[Vec<u8>; 2]>,
}

impl Wire {
    fn write(&mut self, from: usize, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let n = self.breaks_after.map_or(bytes.len(), |limit| bytes.len().min(limit - self.carried));
        self.inbox[1 - from].extend_from_slice(&bytes[..n]);
        if let Some(transcript) = &mut self.transcript {
            transcript[from].extend_from_slice(&bytes[..n]);
        }
        self.carried += n;
        self.closed = n < bytes.len();
    }

    fn unread(&self, side: usize) -> &[u8] {
        &self.inbox[side][self.read[side]..]
    }

    fn consume(&mut self, side: usize, n: usize) {
        self.read[side] += n;
        if self.read[side] == self.inbox[side].len() {
            self.inbox[side].clear();
            self.read[side] = 0;
        }
    }
}

/// One driver: at most one link at a time, and the session it serves.
struct Actor {
    node: Arc<Node>,
    id: u64,
    told: Arc<Told>,
    session: Option<Arc<Session>>,
    link: Option<Box<Link>>,
    wire: usize,
    side: usize,
    outbox: Outbox,
    waiting: bool,
    wake: Option<Instant>,
}

/// See the module.
pub struct Net {
    /// The clock: [`Net::advance`] moves it.
    pub now: Instant,
    /// Bytes one read returns at most.
    pub read_max: usize,
    record: bool,
    /// Wires that break, by their number in order of dialling, and after how many bytes.
    pub breaks: HashMap<usize, usize>,
    nodes: Vec<Arc<Node>>,
    actors: Vec<Actor>,
    wires: Vec<Wire>,
    played: HashSet<SocketAddr>,
    /// Why links ended, in order.
    pub losses: Vec<Cause>,
    ahead: ReadAhead,
}

impl Default for Net {
    fn default() -> Net {
        Net::new()
    }
}

impl Net {
    /// A net without nodes.
    pub fn new() -> Net {
        Net {
            now: Instant::now(),
            read_max: usize::MAX,
            record: false,
            breaks: HashMap::new(),
            nodes: Vec::new(),
            actors: Vec::new(),
            wires: Vec::new(),
            played: HashSet::new(),
            losses: Vec::new(),
            ahead: ReadAhead::new(),
        }
    }

    /// A net that keeps what each side of a wire writes, for [`Net::transcript`].
    pub fn recording() -> Net {
        let mut net = Net::new();
        net.record = true;
        net
    }

    /// A started node at `address`, with one policy for all peers.
    pub fn node(&mut self, name: EntityName, address: &str, policy: Policy) -> Arc<Node> {
        self.node_with(Setup::new(name), address, policy)
    }

    /// As [`Net::node`], made from `setup`.
    pub fn node_with(&mut self, setup: Setup, address: &str, policy: Policy) -> Arc<Node> {
        let node = Node::new(setup, address.parse().unwrap(), policy);
        self.nodes.push(Arc::clone(&node));
        node
    }

    /// Takes a node off the net: dials to it are refused, and its links are cut.
    pub fn remove(&mut self, node: &Arc<Node>) {
        self.nodes.retain(|other| !Arc::ptr_eq(other, node));
        for actor in self.actors.iter().filter(|actor| Arc::ptr_eq(&actor.node, node) && actor.link.is_some()) {
            self.wires[actor.wire].closed = true;
        }
        self.actors.retain(|actor| !Arc::ptr_eq(&actor.node, node));
        end(node);
    }

    /// Lets everything happen that can happen now.
    pub fn run(&mut self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("the net does not come to rest");
    }

    /// One round over all actors; false when nothing moved.
    pub fn turn(&mut self) -> bool {
        let mut moved = false;
        for at in 0..self.nodes.len() {
            for session in self.nodes[at].take_dials() {
                let node = Arc::clone(&self.nodes[at]);
                let at = self.actor(node, Some(Arc::clone(&session)), 0);
                session.attach(self.actors[at].id, Arc::clone(&self.actors[at].told) as _);
                self.step(at);
                moved = true;
            }
        }
        for at in 0..self.actors.len() {
            moved |= self.act(at);
        }
        for node in &self.nodes {
            moved |= node.core().dispatch_queued();
        }
        moved
    }

    /// Lets time pass: dials that waited are made, links that are late end.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        for at in 0..self.actors.len() {
            let actor = &mut self.actors[at];
            if actor.link.as_ref().is_some_and(|link| link.deadline() <= self.now) {
                self.work(at, Link::on_time);
            } else if actor.wake.is_some_and(|wake| wake <= self.now) {
                self.step(at);
            }
        }
        self.run();
    }

    /// Wires dialled so far.
    pub fn dialled(&self) -> usize {
        self.wires.len()
    }

    /// Bytes a wire has carried, both ways together.
    pub fn carried(&self, wire: usize) -> usize {
        self.wires[wire].carried
    }

    /// Breaks a wire; what is on its way still arrives.
    pub fn cut(&mut self, wire: usize) {
        self.wires[wire].closed = true;
    }

    /// Whether a wire is broken.
    pub fn is_cut(&self, wire: usize) -> bool {
        self.wires[wire].closed
    }

    /// All that a side of a wire has written.
    pub fn transcript(&self, wire: usize, side: usize) -> &[u8] {
        &self.wires[wire].transcript.as_ref().unwrap()[side]
    }

    /// Dials to `address` are answered by the test, as side 1 of the wire.
    pub fn play(&mut self, address: &str) {
        self.played.insert(address.parse().unwrap());
    }

    /// The test dials `node` from `address`; returns the wire, whose side 0 is the test's.
    pub fn dial(&mut self, node: &Arc<Node>, address: &str) -> usize {
        self.accept(node, address.parse().unwrap())
    }

    /// Writes as a side played by the test.
    pub fn write(&mut self, wire: usize, side: usize, bytes: &[u8]) {
        self.wires[wire].write(side, bytes);
    }

    /// Reads all there is as a side played by the test.
    pub fn read(&mut self, wire: usize, side: usize) -> Vec<u8> {
        let bytes = self.wires[wire].unread(side).to_vec();
        self.wires[wire].consume(side, bytes.len());
        bytes
    }

    fn wire(&mut self) -> usize {
        let breaks_after = self.breaks.get(&self.wires.len()).copied();
        let transcript = self.record.then(Default::default);
        self.wires.push(Wire { breaks_after, transcript, ..Wire::default() });
        self.wires.len() - 1
    }

    fn actor(&mut self, node: Arc<Node>, session: Option<Arc<Session>>, side: usize) -> usize {
        let id = node.core().next_id();
        self.actors.push(Actor {
            node,
            id,
            told: Arc::default(),
            session,
            link: None,
            wire: usize::MAX,
            side,
            outbox: Outbox::new(),
            waiting: false,
            wake: None,
        });
        self.actors.len() - 1
    }

    /// A wire from `from`, accepted by `node`.
    fn accept(&mut self, node: &Arc<Node>, from: SocketAddr) -> usize {
        let wire = self.wire();
        let at = self.actor(Arc::clone(node), None, 1);
        let local = node.my_addr().socket.unwrap();
        let actor = &mut self.actors[at];
        let told = Arc::clone(&actor.told) as _;
        actor.link = Some(Box::new(Link::accept(Arc::clone(node.core()), actor.id, told, local, from, self.now)));
        actor.wire = wire;
        wire
    }

    /// Does what the session of an actor without a link wants.
    fn step(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        actor.wake = None;
        let Some(session) = &actor.session else { return };
        match session.step(actor.id, self.now) {
            Step::Gone | Step::Rest => {}
            Step::Until(wake) => actor.wake = Some(wake),
            Step::Dial(link) => self.dial_with(at, link),
        }
    }

    fn dial_with(&mut self, at: usize, mut link: Box<Link>) {
        let target = link.target().unwrap();
        let local = self.actors[at].node.my_addr().socket.unwrap();
        let listener = self.nodes.iter().find(|node| node.my_addr().socket == Some(target)).cloned();
        let wire = match listener {
            Some(node) => self.accept(&node, local),
            None if self.played.contains(&target) => self.wire(),
            None => {
                link.lost(Cause::Refused, self.now);
                return self.step(at);
            }
        };
        link.connected(local);
        let actor = &mut self.actors[at];
        (actor.link, actor.wire, actor.side, actor.waiting) = (Some(link), wire, 0, false);
    }

    /// Ends an actor's link.
    fn lose(&mut self, at: usize, cause: Cause) {
        let actor = &mut self.actors[at];
        if let Some(link) = actor.link.take() {
            self.wires[actor.wire].closed = true;
            actor.outbox.clear();
            self.losses.push(cause);
            link.lost(cause, self.now);
        }
        self.step(at);
    }

    /// One actor's turn; false when there was nothing to do.
    fn act(&mut self, at: usize) -> bool {
        let told = Arc::clone(&self.actors[at].told);
        let mut moved = false;
        if take(&told.hang_up) {
            self.lose(at, Cause::Closed);
            moved = true;
        }
        if take(&told.step) {
            self.step(at);
            moved = true;
        }
        if take(&told.resume) {
            self.work(at, Link::resume);
            moved = true;
        }
        for _ in 0..READS_MAX {
            if !self.read_wire(at) {
                break;
            }
            moved = true;
        }
        // The next actor reads into the same buffer.
        if let Some(link) = &mut self.actors[at].link {
            link.settle();
        }
        moved | self.write_wire(at, take(&told.transmit))
    }

    fn read_wire(&mut self, at: usize) -> bool {
        let Actor { link: Some(link), wire, side, waiting, .. } = &mut self.actors[at] else { return false };
        let wire = &mut self.wires[*wire];
        if *waiting || wire.unread(*side).is_empty() && !wire.closed {
            return false;
        }
        let (unread, read_max) = (wire.unread(*side), self.read_max);
        let mut n = 0;
        let Ok(outcome) = link.read_with(&mut self.ahead, |into| {
            n = unread.len().min(read_max);
            match into {
                ReadInto::Slice(room) => {
                    n = n.min(room.len());
                    room[..n].copy_from_slice(&unread[..n]);
                }
                ReadInto::Append(body) => {
                    n = n.min(body.capacity() - body.len());
                    body.extend_from_slice(&unread[..n]);
                }
            }
            Ok::<_, Infallible>(n)
        });
        wire.consume(*side, n);
        if outcome.is_none() {
            self.lose(at, Cause::Closed);
            return true;
        }
        self.work(at, Link::process);
        true
    }

    /// Lets an actor's link work, and does what follows from that.
    fn work(&mut self, at: usize, work: impl FnOnce(&mut Link, Instant) -> Result<Progress, Cause>) {
        let actor = &mut self.actors[at];
        let Some(link) = &mut actor.link else { return };
        match work(link, self.now) {
            Ok(progress) => {
                actor.waiting = progress.waiting;
                actor.session = link.session().cloned();
                if progress.opened {
                    actor.told.transmit();
                }
            }
            Err(cause) => {
                actor.session = link.session().cloned();
                self.lose(at, cause);
            }
        }
    }

    /// Writes what the handshake has to say and, if told to transmit, what the session has queued.
    fn write_wire(&mut self, at: usize, transmit: bool) -> bool {
        let Actor { link: Some(link), wire, side, outbox, session, .. } = &mut self.actors[at] else { return false };
        let wire = &mut self.wires[*wire];
        link.take_output().for_each(|bytes| outbox.push(bytes));
        let mut moved = false;
        loop {
            for segment in outbox.segments() {
                wire.write(*side, segment);
            }
            moved |= !outbox.is_empty();
            outbox.sent(outbox.len());
            let Some(session) = session else { return moved };
            if !transmit || outbox.refill(session, link.generation()) == Refill::Empty {
                return moved;
            }
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.nodes.iter().for_each(end);
    }
}

/// Ends a node.
fn end(node: &Arc<Node>) {
    node.shutdown();
    node.wait().unwrap();
}
