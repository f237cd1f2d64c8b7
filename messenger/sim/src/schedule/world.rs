//! Plays a schedule: the net, the messengers on it and their applications, step after step, and then until all is calm.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fastrand::Rng;
use msgr::{Connection, Dispatcher, EntityAddr, Messenger, Setup};

use crate::net::Net;
use crate::node::Node;
use crate::script;
use crate::weather::{Climate, Weather};
use crate::wire::Break;

use super::app::App;
use super::ledger::{DownBy, Ledger, Life};
use super::setting::{Misfit, Setting};
use super::step::{Down, Says, Step, Timed};

/// Turns after which a schedule is taken to spin. The longest take some tens of thousands.
const TURNS_MAX: u64 = 400_000;
/// Time until what is to happen by itself has happened once the net is calm: the longest backoff and the longest
/// handshake, a few times over.
const SETTLES_WITHIN: Duration = Duration::from_secs(100);

/// Something that the world does later.
enum Later {
    Step(Step),
    /// A messenger begins at a place, with this nonce.
    Begin {
        place: usize,
        nonce: u32,
    },
    /// A place hears that another has a new nonce.
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
    rng: Rng,
    agenda: Vec<(Instant, u64, Later)>,
    order: u64,
    /// The messenger at each place, with the number of its life.
    pub(crate) nodes: Vec<Option<(Arc<Node>, usize)>>,
    nonces: Vec<u32>,
    seed: u64,
    pub(crate) turns: u64,
    strangers: u32,
    /// Misfits have been replaced.
    healed: bool,
}

impl World {
    pub(crate) fn new(setting: Setting, steps: &[Timed], seed: u64, trace: bool) -> World {
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        let mut net = Net::new();
        net.trace = trace;
        net.weather = Some(Weather::new(setting.climate.clone(), rng.u64(..)));
        let nonces: Vec<u32> = setting.places.iter().map(|place| place.nonce).collect();
        let ledger = Ledger::new(setting, rng.fork());
        let mut world = World {
            net,
            ledger: Arc::new(Mutex::new(ledger)),
            rng,
            agenda: Vec::new(),
            order: 0,
            nodes: nonces.iter().map(|_| None).collect(),
            nonces: nonces.clone(),
            seed,
            turns: 0,
            strangers: 0,
            healed: false,
        };
        for (place, nonce) in nonces.into_iter().enumerate() {
            world.begin(place, nonce);
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

    fn later(&mut self, at: Instant, what: Later) {
        self.order += 1;
        self.agenda.push((at, self.order, what));
    }

    /// Plays everything there is to play, and lets it come to rest.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        loop {
            while self.turn()? {}
            if self.agenda.is_empty() {
                break;
            }
            self.pass(None);
        }
        self.heal();
        self.settle(false)?;
        // Who rests has nothing to send; who has forgotten or been forgotten finds out by sending.
        for _ in 0..2 {
            self.greet_all();
            self.settle(true)?;
        }
        Ok(())
    }

    /// One turn of everything; false when nothing moved.
    fn turn(&mut self) -> Result<bool, String> {
        self.perform_due();
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

    fn note_drained(&mut self) {
        let mut ledger = self.ledger.lock().unwrap();
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

    fn perform(&mut self, what: Later) {
        match what {
            Later::Step(step) => self.step(step),
            Later::Begin { place, nonce } => self.begin(place, nonce),
            Later::Learn { place, other } => self.learn(place, other),
            Later::BringUp(address) => self.net.bring_up(address),
            Later::Release => {
                let kept = std::mem::take(&mut self.ledger().kept);
                drop(kept);
            }
        }
    }

    fn step(&mut self, step: Step) {
        self.net.note(|_| format!("-- {step:?}"));
        match step {
            Step::Send { from, to, count } => self.send(from, to, count),
            Step::Cross { one, other } => {
                self.send(one, other, 1);
                self.send(other, one, 1);
            }
            Step::Dial { from, to } => drop(self.connection(from, to)),
            Step::Keepalive { from, to } => {
                if let Some((_, connection)) = self.connection(from, to) {
                    connection.send_keepalive();
                }
            }
            Step::Loopback { at } => self.send(at, at, 1),
            Step::Cut { back, how } => {
                if let Some(wire) = self.net.dialled().checked_sub(back + 1) {
                    self.net.cut_as(wire, how);
                }
            }
            Step::CutNext { how } => self.net.weather.as_mut().unwrap().next_break = Some(how),
            Step::MarkDown { from, to, how } => self.mark_down(from, to, how),
            Step::Restart { at, same_nonce, after } => self.restart(at, same_nonce, after),
            Step::Outage { at, silent, lasts } => self.outage(at, silent, lasts),
            Step::Suspend { at, lasts } => {
                if let Some((node, _)) = &self.nodes[at] {
                    let until = self.net.now + lasts;
                    self.net.suspend(&Arc::clone(node), until);
                }
            }
            Step::Stranger { at, says } => self.stranger(at, says),
        }
        if !self.ledger().kept.is_empty() && self.rng.bool() {
            let at = self.net.now + crate::weather::spread(&mut self.rng, Duration::from_secs(2));
            self.later(at, Later::Release);
        }
    }

    /// A messenger begins at a place.
    fn begin(&mut self, place: usize, nonce: u32) {
        if self.nodes[place].is_some() {
            return;
        }
        let life = self.ledger().lives.len();
        let spec = self.ledger().setting.places[place].clone();
        let seed = self.seed.wrapping_mul(31).wrapping_add(life as u64);
        let setup = Setup { name: spec.name, nonce, config: spec.config.clone(), seed };
        // Only the first messenger of a place is a misfit.
        let fits = life >= self.nodes.len() || self.healed;
        let policy = spec.policy(fits);
        let throttles = [&policy.throttler_messages, &policy.throttler_bytes].into_iter().flatten().cloned().collect();
        let node = Node::without_dispatcher(setup, spec.address, policy);
        if !fits && spec.misfit == Some(Misfit::Version) {
            node.set_cluster_protocol(99);
        }
        self.ledger().lives.push(Life {
            place,
            node: Arc::downgrade(&node),
            throttles,
            ended: None,
            drained: 0,
            marked_down: false,
        });
        let app = App { life, ledger: Arc::clone(&self.ledger) };
        node.add_dispatcher_head(Arc::new(app) as Arc<dyn Dispatcher>);
        node.start().unwrap();
        self.net.add(&node);
        self.nonces[place] = nonce;
        self.nodes[place] = Some((node, life));
        self.net.note(|_| format!("life {life} begins: {} with nonce {nonce}", spec.name));
    }

    /// The address that `from` knows `to` by.
    fn address(&self, from: usize, to: usize) -> EntityAddr {
        let ledger = self.ledger();
        EntityAddr::new(ledger.setting.places[to].address, ledger.known[from][to])
    }

    /// A connection from one place to another, as its application would come by one.
    fn connection(&mut self, from: usize, to: usize) -> Option<(usize, Connection)> {
        let (node, life) = self.nodes[from].clone()?;
        let serves = self.ledger().setting.places[from].policy.server;
        let address = self.address(from, to);
        let connection = if from == to {
            node.loopback_connection()
        } else if serves || address.port() == 0 {
            let ledger = self.ledger();
            let current = ledger.current(life, to)?;
            ledger.handles[current].connection.clone()
        } else {
            let kind = self.ledger().setting.places[to].name.kind;
            node.connect_to(kind, address).unwrap()
        };
        let mut ledger = self.ledger();
        let on = ledger.handle(life, &connection);
        if !serves && from != to && ledger.handles[on].ended.is_some() {
            ledger.violated(|ledger| format!("{}: handed out after its end", ledger.name(on)));
        }
        Some((on, connection))
    }

    fn send(&mut self, from: usize, to: usize, count: u32) {
        let Some((on, connection)) = self.connection(from, to) else { return };
        for _ in 0..count {
            let message = self.ledger().compose(on, false);
            connection.send_message(message).unwrap();
        }
    }

    fn mark_down(&mut self, from: usize, to: usize, how: Down) {
        let Some((node, life)) = self.nodes[from].clone() else { return };
        match how {
            Down::Handle => {
                let Some(on) = self.ledger().current(life, to) else { return };
                let connection = self.ledger().handles[on].connection.clone();
                self.ledger().ended(on, DownBy::Handle);
                connection.mark_down();
            }
            Down::Address => {
                let address = self.address(from, to);
                self.down_by_address(life, |on| on == address, || node.mark_down(address));
            }
            Down::All => self.down_by_address(life, |_| true, || node.mark_down_all()),
            Down::Disposable => {
                let Some(on) = self.ledger().current(life, to) else { return };
                let connection = self.ledger().handles[on].connection.clone();
                self.ledger().handles[on].disposable = true;
                connection.mark_disposable();
            }
        }
    }

    /// Marks down by address, after noting which connections that may end.
    fn down_by_address(&self, life: usize, which: impl Fn(EntityAddr) -> bool, down: impl FnOnce()) {
        let open =
            |ledger: &Ledger| -> Vec<bool> { ledger.handles.iter().map(|h| h.connection.is_connected()).collect() };
        self.ledger().lives[life].marked_down = true;
        let before = open(&self.ledger());
        down();
        let after = open(&self.ledger());
        let mut ledger = self.ledger();
        for on in 0..ledger.handles.len() {
            let handle = &mut ledger.handles[on];
            if handle.life != life || handle.ended.is_some() || !which(handle.connection.peer_addr()) {
                continue;
            }
            handle.may_reset = true;
            if before[on] && !after[on] {
                ledger.ended(on, DownBy::Address);
            }
        }
    }

    fn restart(&mut self, at: usize, same_nonce: bool, after: Duration) {
        let Some((node, life)) = self.nodes[at].take() else { return };
        self.ledger().life_ended(life);
        self.net.remove(&node);
        self.net.note(|_| format!("life {life} ends: {}", node.my_name()));
        let nonce = if same_nonce { self.nonces[at] } else { self.rng.u32(..) };
        let begins = self.net.now + after;
        self.later(begins, Later::Begin { place: at, nonce });
        if !same_nonce {
            for place in (0..self.nodes.len()).filter(|place| *place != at) {
                let learns = begins + crate::weather::spread(&mut self.rng, Duration::from_secs(4));
                self.later(learns, Later::Learn { place, other: at });
            }
        }
    }

    /// A place learns the present nonce of another: it gives the old address up, as one does with a new map.
    fn learn(&mut self, place: usize, other: usize) {
        let old = self.address(place, other);
        if old.nonce == self.nonces[other] {
            return;
        }
        let nonce = self.nonces[other];
        self.ledger().known[place][other] = nonce;
        let Some((node, life)) = self.nodes[place].clone() else { return };
        self.net.note(|_| format!("{} gives {old} up", node.my_name()));
        self.down_by_address(life, |on| on == old, || node.mark_down(old));
    }

    fn outage(&mut self, at: usize, silent: bool, lasts: Duration) {
        let Some((node, _)) = self.nodes[at].clone() else { return };
        let address = self.ledger().setting.places[at].address;
        self.net.cut_off(&node, Break { loses: silent, ..Break::default() });
        self.net.take_down(address, silent);
        let until = self.net.now + lasts;
        self.later(until, Later::BringUp(address));
    }

    /// Somebody dials who is no messenger of ours, and hangs up some time later.
    fn stranger(&mut self, at: usize, says: Says) {
        let Some((node, _)) = self.nodes[at].clone() else { return };
        self.strangers += 1;
        let address = script::addr("10.9.9.9:0", self.strangers);
        let wire = self.net.dial(&node, "10.9.9.9:0");
        match says {
            Says::Nothing => {}
            Says::Garbage => {
                let garbage: Vec<u8> = (0..300).map(|_| self.rng.u8(..)).collect();
                self.net.write(wire, 0, &garbage);
            }
            Says::Close => {
                let connect = script::connect(1, 0).emit();
                let close = [&script::hello(&address)[..], &connect, &[0; 8], &[msgr::wire::tag::CLOSE]].concat();
                self.net.write(wire, 0, &close);
            }
        }
        let noticed = [Duration::ZERO, crate::weather::spread(&mut self.rng, Duration::from_secs(15))];
        self.net.cut_as(wire, Break { noticed, ..Break::default() });
    }

    /// The net is well from now on, and so are the applications.
    fn heal(&mut self) {
        self.net.note(|_| "-- all is well from here".into());
        self.healed = true;
        let latency = self.net.weather.as_ref().unwrap().climate.latency.min(Duration::from_millis(10));
        let weather = self.net.weather.as_mut().unwrap();
        weather.climate = Climate { latency, ..Climate::default() };
        weather.next_break = None;
        self.net.clear_up();
        let misfits: Vec<usize> = {
            let mut ledger = self.ledger();
            ledger.calm = true;
            ledger.kept.clear();
            let lives = &ledger.lives;
            let places = &ledger.setting.places;
            let first = |place: &usize| lives[*place].ended.is_none() && places[*place].misfit.is_some();
            (0..places.len()).filter(first).collect()
        };
        for place in misfits {
            self.restart(place, true, Duration::ZERO);
            self.begin(place, self.nonces[place]);
        }
        self.agenda.clear();
        for place in 0..self.nodes.len() {
            for other in (0..self.nodes.len()).filter(|other| *other != place) {
                self.learn(place, other);
            }
            self.drop_what_is_of_no_use(place);
        }
    }

    /// An application ends what it has marked disposable, and what leads to an address that is no more.
    fn drop_what_is_of_no_use(&mut self, place: usize) {
        let Some((_, life)) = self.nodes[place].clone() else { return };
        let useless: Vec<usize> = {
            let ledger = self.ledger();
            let stale = |on: &usize| {
                let handle = &ledger.handles[*on];
                let there = handle.peer.is_some_and(|peer| handle.connection.peer_addr().nonce == self.nonces[peer]);
                handle.life == life && handle.ended.is_none() && (handle.disposable || !there)
            };
            (0..ledger.handles.len()).filter(stale).collect()
        };
        for on in useless {
            let connection = self.ledger().handles[on].connection.clone();
            if !connection.is_loopback() {
                self.ledger().ended(on, DownBy::Handle);
                connection.mark_down();
            }
        }
    }

    fn greet_all(&mut self) {
        let has_server = self.ledger().setting.pairing.has_server();
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                if !has_server || from == 0 || to == 0 {
                    self.send(from, to, 1);
                }
            }
        }
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
