//! Plays a schedule: the net, the messengers on it and their applications, step after step, and then until all is calm.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fastrand::Rng;
use msgr::{EntityAddr, Messenger};

use crate::net::Net;
use crate::node::Node;
use crate::weather::Weather;

use super::hand::Hand;
use super::ledger::Ledger;
use super::setting::Setting;
use super::step::{Down, Step, Timed};
use super::verdict;

/// Turns after which a schedule is taken to spin. The longest take some tens of thousands.
const TURNS_MAX: u64 = 400_000;
/// Time until what is to happen by itself has happened once the net is calm: the longest backoff and the longest
/// handshake, a few times over.
const SETTLES_WITHIN: Duration = Duration::from_secs(100);

/// Something that the world does later.
pub(crate) enum Later {
    Step(Step),
    /// A messenger begins at a place, with this nonce.
    Begin {
        place: usize,
        nonce: u32,
    },
    /// A place hears the present address of another.
    Learn {
        place: usize,
        other: usize,
    },
    BringUp(SocketAddr),
    Release,
}

/// See the module.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) rng: Rng,
    pub(crate) agenda: Vec<(Instant, u64, Later)>,
    order: u64,
    /// Places that will mark another down in the moment in which somebody asks them to connect.
    pub(crate) ambushes: Vec<(usize, usize)>,
    /// The messenger at each place, with the number of its life.
    pub(crate) nodes: Vec<Option<(Arc<Node>, usize)>>,
    /// Where each place is to be reached.
    pub(crate) addresses: Vec<EntityAddr>,
    pub(crate) seed: u64,
    pub(crate) turns: u64,
    pub(crate) strangers: u32,
    /// Misfits have been replaced.
    pub(crate) healed: bool,
}

impl World {
    pub(crate) fn new(setting: Setting, steps: &[Timed], seed: u64, trace: bool) -> World {
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        let mut net = Net::new();
        net.trace = trace;
        net.weather = Some(Weather::new(setting.climate.clone(), rng.u64(..)));
        let addresses: Vec<EntityAddr> = setting.places.iter().map(|p| EntityAddr::new(p.address, p.nonce)).collect();
        let ledger = Ledger::new(setting, addresses.clone(), rng.fork());
        let mut world = World {
            net,
            ledger: Arc::new(Mutex::new(ledger)),
            rng,
            agenda: Vec::new(),
            order: 0,
            ambushes: Vec::new(),
            nodes: addresses.iter().map(|_| None).collect(),
            addresses,
            seed,
            turns: 0,
            strangers: 0,
            healed: false,
        };
        for place in 0..world.nodes.len() {
            world.begin(place, world.addresses[place].nonce);
        }
        let mut at = world.net.now;
        for (gap, step) in steps {
            at += *gap;
            world.later(at, Later::Step(*step));
        }
        world
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// What the application at a place can do, if there is one now.
    pub(crate) fn hand(&self, place: usize) -> Option<Hand> {
        let (node, life) = self.nodes[place].clone()?;
        Some(Hand { life, node, ledger: Arc::clone(&self.ledger) })
    }

    pub(crate) fn later(&mut self, at: Instant, what: Later) {
        self.order += 1;
        self.agenda.push((at, self.order, what));
    }

    /// Plays everything there is to play, and lets it come to rest.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        loop {
            while self.turn()? {}
            verdict::look(self)?;
            if self.agenda.is_empty() {
                break;
            }
            self.pass(None);
        }
        self.heal();
        self.settle(false)?;
        // What came late may lead to an address that is no more.
        (0..self.nodes.len()).for_each(|place| self.drop_what_is_of_no_use(place));
        // Who rests has nothing to send; who has forgotten or been forgotten finds out by sending.
        self.greet(false);
        self.settle(true)?;
        let answered = self.last_answers();
        self.greet(true);
        self.settle(true)?;
        verdict::answered(self, &answered)?;
        verdict::judge(self)
    }

    /// One turn of everything; false when nothing moved.
    fn turn(&mut self) -> Result<bool, String> {
        self.perform_due();
        self.ambush();
        self.turns += 1;
        if self.turns > TURNS_MAX {
            return Err("no rest: it goes on and on".into());
        }
        let moved = self.net.turn();
        self.note_drained();
        match self.ledger().violation.take() {
            Some(violation) => Err(violation),
            None => Ok(moved),
        }
    }

    /// Passes on to the next moment at which something happens, but not beyond `limit`; false when there is none.
    fn pass(&mut self, limit: Option<Instant>) -> bool {
        let agenda = self.agenda.iter().map(|(at, ..)| *at).min();
        let next = [agenda, self.net.next_event(), limit].into_iter().flatten().min();
        if let Some(next) = next {
            self.net.pass(next);
        }
        next.is_some()
    }

    fn ambush(&mut self) {
        for (from, to) in std::mem::take(&mut self.ambushes) {
            let Some(hand) = self.hand(from) else { continue };
            if !self.net.ambush(&hand.node, || hand.mark_down(to, Down::Handle)) {
                self.ambushes.push((from, to));
            }
        }
    }

    fn note_drained(&self) {
        let mut ledger = self.ledger();
        for (node, life) in self.nodes.iter().flatten() {
            if node.dispatch_queue_len() == 0 {
                ledger.lives[*life].drained += 1;
            }
        }
    }

    fn perform_due(&mut self) {
        loop {
            let now = self.net.now;
            let due = self.agenda.iter().enumerate().filter(|(_, (at, ..))| *at <= now);
            let Some((next, _)) = due.min_by_key(|(_, (at, order, _))| (*at, *order)) else { return };
            let (_, _, what) = self.agenda.swap_remove(next);
            self.perform(what);
        }
    }

    /// Sends a message and a keepalive between any two places that talk to each other: both ways, or one way that may
    /// dial.
    fn greet(&mut self, both_ways: bool) {
        let has_server = self.ledger().setting.pairing.has_server();
        let count = self.nodes.len();
        for (one, other) in (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))) {
            if has_server && one != 0 {
                continue;
            }
            let upwards = both_ways || !has_server && self.rng.bool();
            for (from, to) in [(one, other), (other, one)] {
                if let Some(hand) = self.hand(from).filter(|_| both_ways || (from < to) == upwards) {
                    hand.send(to, 1);
                    hand.keepalive(to);
                }
            }
        }
    }

    /// The last answer to a keepalive on each connection.
    fn last_answers(&self) -> Vec<Option<(u32, u32)>> {
        self.ledger().handles.iter().map(|handle| handle.connection.last_keepalive_ack()).collect()
    }

    /// Runs until nothing is under way; if `all`, until everything queued has been delivered too.
    fn settle(&mut self, all: bool) -> Result<(), String> {
        let until = self.net.now + SETTLES_WITHIN;
        // What is held back on purpose has been acknowledged, and nobody outside sees it wait.
        let held_back = self.ledger().setting.places.iter().map(|place| place.config.ms_inject_delay_max).max();
        let held_back = held_back.unwrap_or_default();
        let mut moved = self.net.now;
        loop {
            while self.turn()? {
                moved = self.net.now;
            }
            verdict::look(self)?;
            let quiet = !self.net.is_busy() && self.pending().is_none();
            if all && quiet && self.net.now >= moved + held_back {
                return Ok(());
            }
            let limit = if all && quiet { moved + held_back } else { until };
            if self.net.now >= until || !self.pass(Some(limit)) {
                return match self.pending() {
                    Some(pending) if all => Err(format!("no progress: {pending}")),
                    _ => Ok(()),
                };
            }
        }
    }

    /// What still waits to be delivered or dispatched, if anything.
    fn pending(&self) -> Option<String> {
        let ledger = self.ledger();
        for (node, life) in self.nodes.iter().flatten() {
            if node.dispatch_queue_len() > 0 {
                return Some(format!("life {life} has not dispatched everything"));
            }
        }
        let waiting = |handle: &usize| {
            let handle = &ledger.handles[*handle];
            handle.ended.is_none() && handle.peer.is_some() && handle.connection.queued_bytes() > 0
        };
        let on = (0..ledger.handles.len()).find(waiting)?;
        Some(format!("{} has {} bytes queued", ledger.name(on), ledger.handles[on].connection.queued_bytes()))
    }
}

impl Drop for World {
    /// The ledger knows connections, and those in the end their dispatcher, which knows the ledger.
    fn drop(&mut self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (handles, kept) = (std::mem::take(&mut ledger.handles), std::mem::take(&mut ledger.kept));
        drop(ledger);
        drop((handles, kept));
    }
}
