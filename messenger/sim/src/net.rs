//! Messengers joined in memory: a stack without sockets, threads or a clock.
//!
//! A [`Net`] drives the sessions of its [`Node`]s exactly as a stack would: what a driver was told is done, what a wire
//! carries is read, what an outbox holds is written, one actor after the other until nothing moves. Wires break after
//! a given number of bytes, and either end of one can be played by the test itself, byte by byte. A net with
//! [`Weather`] also delays, splits and stalls; then time has to be passed with [`Net::pass`].

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use msgr::session::{Cause, Link, ReadAhead, Session};
use msgr::{EntityName, Messenger, Policy, Setup};

use crate::actor::Actor;
use crate::node::Node;
use crate::weather::Weather;
use crate::wire::{Break, Wire};

/// Turns after which a net that still moves is taken to spin. The longest test needs a few thousand.
const TURNS_MAX: usize = 20_000;

/// A dialled connection that its target has not accepted yet.
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) node: Arc<Node>,
    pub(crate) from: SocketAddr,
    pub(crate) wire: usize,
}

/// What kind of link was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// An open one.
    Open,
    /// The first dial since the session was open.
    FirstDial,
}

/// See the module.
pub struct Net {
    /// The clock: [`Net::advance`] and [`Net::pass`] move it.
    pub now: Instant,
    begun: Instant,
    /// Bytes one read returns at most.
    pub read_max: usize,
    /// Wires that break, by their number in order of dialling, and after how many bytes.
    pub breaks: HashMap<usize, usize>,
    /// Why links ended, in order.
    pub losses: Vec<Cause>,
    /// What is not calm, if anything.
    pub weather: Option<Weather>,
    /// Prints what happens.
    pub trace: bool,
    /// Open sessions that broke and did not dial again at once, although they mean to dial.
    pub(crate) waits_after_open: u64,
    /// Dials that were told to wait although their address orders before that of the other side.
    pub(crate) wrong_waits: u64,
    /// First dials that failed since the session was last open, after which the next was not made within
    /// `ms_initial_backoff`.
    pub(crate) long_waits: u64,
    /// Dials of each session that failed since it was last open. The sessions are kept, so that none takes another's place
    /// in memory.
    pub(crate) failed: HashMap<*const Session, (Arc<Session>, u32)>,
    /// The next step follows the loss of such a link.
    pub(crate) lost: Option<Lost>,
    record: bool,
    pub(crate) nodes: Vec<Arc<Node>>,
    /// Dispatching goes on from here, by the place of the node.
    pub(crate) dispatch_from: Vec<Option<Instant>>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) played: HashSet<SocketAddr>,
    /// Addresses that do not answer for now; if false, they refuse.
    pub(crate) down: Vec<(SocketAddr, bool)>,
    pub(crate) ahead: ReadAhead,
}

impl Default for Net {
    fn default() -> Net {
        Net::new()
    }
}

impl Net {
    /// A net without nodes.
    pub fn new() -> Net {
        let now = Instant::now();
        Net {
            now,
            begun: now,
            read_max: usize::MAX,
            breaks: HashMap::new(),
            losses: Vec::new(),
            weather: None,
            trace: false,
            waits_after_open: 0,
            long_waits: 0,
            wrong_waits: 0,
            failed: HashMap::new(),
            lost: None,
            record: false,
            nodes: Vec::new(),
            dispatch_from: Vec::new(),
            actors: Vec::new(),
            wires: Vec::new(),
            arrivals: Vec::new(),
            played: HashSet::new(),
            down: Vec::new(),
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
        self.add(&node);
        node
    }

    /// Puts a node on the net.
    pub fn add(&mut self, node: &Arc<Node>) {
        self.nodes.push(Arc::clone(node));
        self.dispatch_from.push(None);
    }

    /// Takes a node off the net: dials to it are refused, and its links are cut.
    pub fn remove(&mut self, node: &Arc<Node>) {
        if let Some(at) = self.nodes.iter().position(|other| Arc::ptr_eq(other, node)) {
            self.nodes.remove(at);
            self.dispatch_from.remove(at);
        }
        for actor in self.actors.iter().filter(|actor| Arc::ptr_eq(&actor.node, node) && actor.link.is_some()) {
            let late = self.weather.as_mut().map_or(Duration::ZERO, |weather| weather.half_open());
            self.wires[actor.wire].close(actor.side, self.now, late);
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
            moved |= self.take_dials(at);
        }
        while let Some(at) = self.arrivals.iter().position(|arrival| arrival.at <= self.now) {
            let arrival = self.arrivals.remove(at);
            self.accept(&arrival);
            moved = true;
        }
        let actors = self.actors.len();
        let first = self.weather.as_mut().filter(|_| actors > 1).map_or(0, |weather| weather.index(actors));
        for at in 0..actors {
            moved |= self.act((first + at) % actors);
        }
        for at in 0..self.nodes.len() {
            moved |= self.dispatch(at);
        }
        if self.weather.is_some() {
            self.actors.retain(|actor| !actor.is_over());
        }
        moved
    }

    /// Gives the sessions of a node that want to dial an actor each.
    fn take_dials(&mut self, at: usize) -> bool {
        let dials = self.nodes[at].take_dials();
        if dials.is_empty() {
            return false;
        }
        if self.weather.as_mut().is_some_and(|weather| weather.swaps()) {
            // Others get in between the wish and its fulfilment.
            self.nodes[at].put_dials(dials);
            return true;
        }
        for session in dials {
            let node = Arc::clone(&self.nodes[at]);
            let at = self.actor(node, Some(Arc::clone(&session)), 0);
            session.attach(self.actors[at].id, Arc::clone(&self.actors[at].told) as _);
            self.step(at);
        }
        true
    }

    fn dispatch(&mut self, at: usize) -> bool {
        if self.dispatch_from[at].is_some_and(|from| from > self.now) {
            return false;
        }
        let moved = self.nodes[at].core().dispatch_queued();
        if moved && let Some(weather) = &mut self.weather {
            self.dispatch_from[at] = weather.dispatch_stall(self.now);
        }
        moved
    }

    /// Wires dialled so far.
    pub fn dialled(&self) -> usize {
        self.wires.len()
    }

    /// Bytes a wire has carried, both ways together.
    pub fn carried(&self, wire: usize) -> usize {
        self.wires[wire].carried
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
        let wire = self.wire();
        self.accept(&Arrival { at: self.now, node: Arc::clone(node), from: address.parse().unwrap(), wire });
        wire
    }

    /// Writes as a side played by the test.
    pub fn write(&mut self, wire: usize, side: usize, bytes: &[u8]) {
        self.wires[wire].write(side, bytes, self.now);
    }

    /// Reads all there is as a side played by the test.
    pub fn read(&mut self, wire: usize, side: usize) -> Vec<u8> {
        let bytes = self.wires[wire].unread(side).to_vec();
        self.wires[wire].consume(side, bytes.len());
        bytes
    }

    pub(crate) fn wire(&mut self) -> usize {
        let number = self.wires.len();
        let breaks = self.breaks.get(&number).map(|after| Break { after: *after, ..Break::default() });
        let transcript = self.record.then(Default::default);
        let mut wire = Wire::new(breaks, transcript);
        if let Some(weather) = &mut self.weather {
            wire.latency = weather.latency();
            wire.breaks = breaks.or(weather.next_break.take());
        }
        self.wires.push(wire);
        number
    }

    fn actor(&mut self, node: Arc<Node>, session: Option<Arc<Session>>, side: usize) -> usize {
        self.actors.push(Actor::new(node, session, side));
        self.actors.len() - 1
    }

    /// A wire is accepted.
    pub(crate) fn accept(&mut self, arrival: &Arrival) {
        let Arrival { node, from, wire, .. } = arrival;
        if !self.nodes.iter().any(|there| Arc::ptr_eq(there, node)) {
            // It went away in the meantime.
            return self.wires[*wire].close(1, self.now, Duration::ZERO);
        }
        let at = self.actor(Arc::clone(node), None, 1);
        let local = node.my_addr().socket.unwrap();
        let actor = &mut self.actors[at];
        let told = Arc::clone(&actor.told) as _;
        actor.link = Some(Box::new(Link::accept(Arc::clone(node.core()), actor.id, told, local, *from, self.now)));
        actor.wire = *wire;
        self.note(|net| format!("{} accepts wire {wire}", net.who(at)));
    }

    /// Prints something that happened, if asked to.
    pub fn note(&self, what: impl FnOnce(&Net) -> String) {
        if self.trace {
            println!("{:>12.6}  {}", (self.now - self.begun).as_secs_f64(), what(self));
        }
    }

    pub(crate) fn who(&self, at: usize) -> String {
        let actor = &self.actors[at];
        format!("{}#{}", actor.node.my_name(), actor.id)
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
