//! What the steps of a schedule do to the world.

use std::sync::Arc;
use std::time::Duration;

use msgr::{Dispatcher, Messenger, Setup};

use crate::node::Node;
use crate::script;
use crate::weather::{Climate, spread};
use crate::wire::Break;

use super::app::App;
use super::ledger::Life;
use super::setting::Misfit;
use super::step::{Down, Says, Step};
use super::world::{Later, World};

/// Longest time until a place hears that another has moved.
const NEWS_TRAVELS: Duration = Duration::from_secs(4);

impl World {
    pub(crate) fn perform(&mut self, what: Later) {
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
            Step::Send { from, to, count } => {
                self.hand(from).inspect(|hand| hand.send(to, count));
            }
            Step::Cross { one, other } => {
                self.hand(one).inspect(|hand| hand.send(other, 1));
                self.hand(other).inspect(|hand| hand.send(one, 1));
            }
            Step::Dial { from, to } => drop(self.hand(from).map(|hand| hand.connection(to))),
            Step::Keepalive { from, to } => {
                self.hand(from).inspect(|hand| hand.keepalive(to));
            }
            Step::Loopback { at } => {
                self.hand(at).inspect(|hand| hand.send(at, 1));
            }
            Step::Cut { back, how } => {
                if let Some(wire) = self.net.dialled().checked_sub(back + 1) {
                    self.net.cut_as(wire, how);
                }
            }
            Step::CutNext { how } => self.net.weather.as_mut().unwrap().next_break = Some(how),
            Step::MarkDown { from, to, how } => {
                if how == Down::Handle && self.rng.bool() {
                    self.ambushes.push((from, to));
                } else {
                    self.hand(from).inspect(|hand| hand.mark_down(to, how));
                }
            }
            Step::Restart { at, same_nonce, after } => self.restart(at, same_nonce, after),
            Step::Rebind { at } => self.rebind(at),
            Step::Outage { at, silent, lasts } => self.outage(at, silent, lasts),
            Step::Suspend { at, lasts } => {
                if let Some(hand) = self.hand(at) {
                    let until = self.net.now + lasts;
                    self.net.suspend(&hand.node, until);
                }
            }
            Step::Stranger { at, says } => self.stranger(at, says),
        }
        if !self.ledger().kept.is_empty() && self.rng.bool() {
            let at = self.net.now + spread(&mut self.rng, Duration::from_secs(2));
            self.later(at, Later::Release);
        }
    }

    /// A messenger begins at a place.
    pub(crate) fn begin(&mut self, place: usize, nonce: u32) {
        if self.nodes[place].is_some() {
            return;
        }
        let (life, spec) = {
            let ledger = self.ledger();
            (ledger.lives.len(), ledger.setting.places[place].clone())
        };
        let seed = self.seed.wrapping_mul(31).wrapping_add(life as u64);
        let setup = Setup { name: spec.name, nonce, config: spec.config.clone(), seed };
        // Only the first messenger of a place is a misfit.
        let fits = life >= self.nodes.len() || self.healed;
        let policy = spec.policy(fits);
        let throttles = [&policy.throttler_messages, &policy.throttler_bytes].into_iter().flatten().cloned().collect();
        self.addresses[place].nonce = nonce;
        let node = Node::without_dispatcher(setup, self.addresses[place].socket.unwrap(), policy);
        if !fits && spec.misfit == Some(Misfit::Version) {
            node.set_cluster_protocol(99);
        }
        self.ledger().lives.push(Life::new(place, &node, throttles));
        let app = App { life, ledger: Arc::clone(&self.ledger) };
        node.add_dispatcher_head(Arc::new(app) as Arc<dyn Dispatcher>);
        node.start().unwrap();
        self.net.add(&node);
        self.nodes[place] = Some((node, life));
        self.net.note(|_| format!("life {life} begins: {} with nonce {nonce}", spec.name));
    }

    fn restart(&mut self, at: usize, same_nonce: bool, after: Duration) {
        let Some((node, life)) = self.nodes[at].take() else { return };
        self.ledger().life_ended(life);
        self.net.remove(&node);
        self.net.note(|_| format!("life {life} ends: {}", node.my_name()));
        let nonce = if same_nonce { self.addresses[at].nonce } else { self.rng.u32(..) };
        let begins = self.net.now + after;
        self.later(begins, Later::Begin { place: at, nonce });
        if !same_nonce {
            self.tell_others(at, after);
        }
    }

    /// The other places hear where a place is now, some time after `after`.
    fn tell_others(&mut self, at: usize, after: Duration) {
        for place in (0..self.nodes.len()).filter(|place| *place != at) {
            let learns = self.net.now + after + spread(&mut self.rng, NEWS_TRAVELS);
            self.later(learns, Later::Learn { place, other: at });
        }
    }

    fn rebind(&mut self, at: usize) {
        let Some(hand) = self.hand(at).filter(|_| self.addresses[at].port() != 0) else { return };
        hand.rebind();
        self.addresses[at] = hand.node.my_addr();
        self.tell_others(at, Duration::ZERO);
    }

    /// A place learns the present address of another: it gives the old one up, as one does with a new map.
    fn learn(&self, place: usize, other: usize) {
        let (old, new) = (self.ledger().known[place][other], self.addresses[other]);
        if old == new {
            return;
        }
        self.ledger().known[place][other] = new;
        if let Some(hand) = self.hand(place) {
            self.net.note(|_| format!("{} gives {old} up", hand.node.my_name()));
            hand.give_up(old);
        }
    }

    fn outage(&mut self, at: usize, silent: bool, lasts: Duration) {
        let Some(hand) = self.hand(at) else { return };
        let address = self.addresses[at].socket.unwrap();
        self.net.cut_off(&hand.node, Break { loses: silent, ..Break::default() });
        self.net.take_down(address, silent);
        let until = self.net.now + lasts;
        self.later(until, Later::BringUp(address));
    }

    /// Somebody dials who is no messenger of ours, and hangs up some time later.
    fn stranger(&mut self, at: usize, says: Says) {
        let Some(hand) = self.hand(at) else { return };
        self.strangers += 1;
        let address = script::addr("10.9.9.9:0", self.strangers);
        let wire = self.net.dial(&hand.node, "10.9.9.9:0");
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
        let noticed = [Duration::ZERO, spread(&mut self.rng, Duration::from_secs(15))];
        self.net.cut_as(wire, Break { noticed, ..Break::default() });
    }

    /// The net is well from now on, and so are the applications.
    pub(crate) fn heal(&mut self) {
        self.net.note(|_| "-- all is well from here".into());
        self.healed = true;
        self.ambushes.clear();
        let weather = self.net.weather.as_mut().unwrap();
        let latency = weather.climate.latency.min(Duration::from_millis(10));
        weather.climate = Climate { latency, ..Climate::default() };
        weather.next_break = None;
        self.net.clear_up();
        let misfits: Vec<usize> = {
            let mut ledger = self.ledger();
            ledger.calm = true;
            ledger.kept.clear();
            let (lives, places) = (&ledger.lives, &ledger.setting.places);
            let first = |place: &usize| lives[*place].ended.is_none() && places[*place].misfit.is_some();
            (0..places.len()).filter(first).collect()
        };
        for place in misfits {
            self.restart(place, true, Duration::ZERO);
            self.begin(place, self.addresses[place].nonce);
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
    pub(crate) fn drop_what_is_of_no_use(&self, place: usize) {
        let Some(hand) = self.hand(place) else { return };
        let useless: Vec<usize> = {
            let ledger = self.ledger();
            let stale = |on: &usize| {
                let handle = &ledger.handles[*on];
                let there = handle.peer.is_some_and(|peer| handle.connection.peer_addr() == self.addresses[peer]);
                handle.life == hand.life
                    && handle.ended.is_none()
                    && !handle.connection.is_loopback()
                    && (handle.disposable || !there)
            };
            (0..ledger.handles.len()).filter(stale).collect()
        };
        for on in useless {
            hand.mark_down_handle(on);
        }
    }
}
