//! The workload: messengers, and the operations that are done to them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msgr::{Connection, Dispatcher, EntityName, EntityType, Message, MessengerFactory, Policy, Stats};

use super::ledger::{Key, Ledger};
use super::scale::Scale;
use crate::{Plan, Started, eventually, loopback, random};

/// Different payloads.
const PAYLOADS: usize = 100;
/// Smallest payload, as a power of two: 32 B.
const PAYLOAD_BITS_MIN: f64 = 5.0;
/// Pings on their way before the next one waits.
const IN_FLIGHT_MAX: usize = 64;
/// Connections before none is made any more.
const CONNECTIONS_MAX: usize = 128;
/// Connections below which none is dropped.
const CONNECTIONS_KEPT: usize = 10;
/// Of a hundred messages so many are commands, which go before pings.
const COMMANDS: u32 = 5;
const COMMAND_PRIORITY: u16 = 200;
/// How long everything outstanding may take to be answered.
const DRAIN: Duration = Duration::from_secs(300);

/// Message types, as Ceph numbers them.
const PING: u16 = 2;
const COMMAND: u16 = 97;

/// The operation that a number from 0 to 99 stands for: the first of these that it is above, or else a pause.
pub(super) struct Mix {
    pub(super) connect_above: u32,
    pub(super) drop_above: u32,
    pub(super) send_above: u32,
}

impl Mix {
    /// Whether connections are marked down at all.
    fn drops(&self) -> bool {
        self.drop_above < self.connect_above
    }
}

/// See the module of the cases.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) servers: (usize, Policy),
    pub(super) clients: (usize, Policy),
    pub(super) options: &'static [(&'static str, &'static str)],
    /// Connections made at first.
    pub(super) connections: usize,
    pub(super) operations: usize,
    pub(super) mix: Mix,
    /// Shortest and longest pause.
    pub(super) pauses: (Duration, Duration),
}

/// Answers pings, and checks off pongs.
struct Player {
    index: usize,
    lossy: bool,
    /// Peers mark connections to this messenger down, so that its sessions with them may be forgotten.
    may_be_forgotten: bool,
    ledger: Arc<Ledger>,
}

impl Player {
    fn key(&self, connection: &Connection) -> Key {
        (self.index, connection.id())
    }
}

/// The front of a ping or pong: which of them, and its number.
fn front(is_pong: bool, number: u64) -> Vec<u8> {
    let mut front = vec![u8::from(is_pong)];
    front.extend(number.to_le_bytes());
    front
}

impl Dispatcher for Player {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        matches!(message.kind, PING | COMMAND)
    }
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        if message.kind == COMMAND {
            return;
        }
        let number: Option<[u8; 8]> = message.front.get(1..).and_then(|number| number.try_into().ok());
        let Some(number) = number.map(u64::from_le_bytes) else {
            return self.ledger.wrong(format!("a ping arrives with a front of {} bytes", message.front.len()));
        };
        if message.front[0] == 1 {
            return self.ledger.pong(self.key(connection), number, &message.data);
        }
        self.ledger.received(self.key(connection), number);
        let pong = Message::new(PING).with_front(front(true, number)).with_data(message.data.clone());
        if let Err(error) = connection.send_message(pong) {
            self.ledger.wrong(format!("pong {number} cannot be sent: {error}"));
        }
    }
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        if !self.lossy {
            self.ledger.wrong(format!("{connection:?} of messenger {} is lossless, and was reset", self.index));
        }
        self.ledger.connection_over(self.key(connection));
        true
    }
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        if !self.may_be_forgotten {
            self.ledger
                .wrong(format!("{connection:?} of messenger {} was reset by a peer that forgets nothing", self.index));
        }
        self.ledger.session_reset(self.key(connection));
    }
}

/// A connection that is in use, and its two ends as indices of messengers.
struct InUse {
    connection: Connection,
    from: usize,
    to: usize,
}

/// A workload under way.
struct Play<'a> {
    plan: &'a Workload,
    random: fastrand::Rng,
    /// Servers first.
    messengers: Vec<Started>,
    in_use: Vec<InUse>,
    ledger: Arc<Ledger>,
}

impl Workload {
    /// Runs it from its beginning to its end.
    pub(super) fn run(&self, factory: &dyn MessengerFactory) {
        let begun = Instant::now();
        let mut random = random(self.name);
        let scale = Scale::chosen();
        let operations = self.operations / scale.fewer;
        println!("{operations} operations, payloads up to 2^{} bytes", scale.payload_bits);
        let payloads = (0..PAYLOADS).map(|_| payload(&mut random, scale)).collect();
        let ledger = Arc::new(Ledger::new(payloads));
        let mut play = Play { plan: self, random, messengers: Vec::new(), in_use: Vec::new(), ledger };
        play.start(factory);
        for _ in 0..self.connections {
            play.connect();
        }
        for _ in 0..operations {
            let value = play.random.u32(0..100);
            if value > self.mix.connect_above {
                play.connect();
            } else if value > self.mix.drop_above {
                play.drop_one();
            } else if value > self.mix.send_above {
                play.send();
            } else {
                play.pause();
            }
        }
        play.end();
        let (sent, answered) = play.ledger.summary();
        let stats = |counter| play.total(counter);
        println!(
            "{:.1} s: {sent} pings, {answered} answered; {} openings, {} faults, {} replayed, {} late",
            begun.elapsed().as_secs_f32(),
            stats(|stats| stats.msgr_created_connections),
            stats(|stats| stats.msgr_faults),
            stats(|stats| stats.msgr_replayed_messages),
            stats(|stats| stats.msgr_injected_delays),
        );
    }
}

/// Random bytes; every size has the same chance as twice that size.
fn payload(random: &mut fastrand::Rng, scale: Scale) -> Bytes {
    let size = (PAYLOAD_BITS_MIN + (scale.payload_bits - PAYLOAD_BITS_MIN) * random.f64()).exp2();
    let mut bytes = vec![0; size as usize];
    random.fill(&mut bytes);
    bytes.into()
}

impl Play<'_> {
    fn start(&mut self, factory: &dyn MessengerFactory) {
        let (servers, clients) = (&self.plan.servers, &self.plan.clients);
        for index in 0..servers.0 + clients.0 {
            let is_server = index < servers.0;
            let policy = if is_server { servers.1.clone() } else { clients.1.clone() };
            // Clients mark connections down, and servers where they are peers.
            let may_be_forgotten = self.plan.mix.drops() && (is_server || !servers.1.server);
            let player = Player { index, lossy: policy.lossy, may_be_forgotten, ledger: Arc::clone(&self.ledger) };
            let binds = is_server || policy.standby;
            let mut plan = if is_server {
                Plan::server(policy).named(EntityName::osd(index as u64))
            } else {
                Plan::client(policy).named(EntityName::client(index as u64))
            };
            plan = plan.nonce(1 + index as u32).seeded(self.random.u64(..)).with("ms_max_backoff", "1");
            if binds {
                plan = plan.at(loopback());
            }
            plan.options.extend(self.plan.options.iter().map(|option| Scale::chosen().option(*option)));
            self.messengers.push(plan.start_with(factory, Arc::new(player)));
        }
    }

    /// Connects a random client and a random server, in the direction that the policies allow.
    fn connect(&mut self) {
        if self.in_use.len() >= CONNECTIONS_MAX {
            return;
        }
        let server = self.random.usize(..self.plan.servers.0);
        let client = self.plan.servers.0 + self.random.usize(..self.plan.clients.0);
        let either_way = !self.plan.servers.1.server;
        let (from, to) = if either_way && self.random.bool() { (server, client) } else { (client, server) };
        let connection = self.connection(from, to);
        if !self.in_use.iter().any(|it| it.connection == connection) {
            self.in_use.push(InUse { connection, from, to });
        }
    }

    fn connection(&self, from: usize, to: usize) -> Connection {
        let kind = if to < self.plan.servers.0 { EntityType::OSD } else { EntityType::CLIENT };
        self.messengers[from].connect_to(kind, self.messengers[to].my_addr()).unwrap()
    }

    /// A random connection that is not over.
    fn pick(&mut self) -> Option<usize> {
        self.in_use.retain(|it| !self.ledger.is_over((it.from, it.connection.id())));
        (!self.in_use.is_empty()).then(|| self.random.usize(..self.in_use.len()))
    }

    /// Marks a random connection down; between peers, on both sides.
    fn drop_one(&mut self) {
        if self.in_use.len() < CONNECTIONS_KEPT {
            return;
        }
        let Some(at) = self.pick() else { return };
        let InUse { connection, from, to } = self.in_use.swap_remove(at);
        self.mark_down(from, &connection);
        if !self.plan.servers.1.server {
            let other_end = self.connection(to, from);
            self.mark_down(to, &other_end);
            self.in_use.retain(|it| it.connection != other_end);
        }
    }

    fn mark_down(&self, from: usize, connection: &Connection) {
        // First, so that no pong can come in between and be missed.
        self.ledger.connection_over((from, connection.id()));
        connection.mark_down();
    }

    /// Sends a ping, or now and then a command, on a random connection.
    fn send(&mut self) {
        self.answered_down_to(IN_FLIGHT_MAX);
        let Some(at) = self.pick() else { return };
        let is_command = self.random.u32(0..100) < COMMANDS;
        let payload = self.random.usize(..PAYLOADS);
        let InUse { connection, from, .. } = &self.in_use[at];
        let message = if is_command {
            Message::new(COMMAND).with_priority(COMMAND_PRIORITY).with_front("disturbance")
        } else {
            let (number, payload) = self.ledger.ping((*from, connection.id()), payload);
            Message::new(PING).with_front(front(false, number)).with_data(payload)
        };
        connection.send_message(message).unwrap();
    }

    fn pause(&mut self) {
        let (shortest, longest) = self.plan.pauses;
        thread::sleep(shortest + (longest - shortest).mul_f64(self.random.f64()));
    }

    fn end(&self) {
        self.answered_down_to(0);
        eventually("the dispatch queues are empty", || self.messengers.iter().all(|it| it.dispatch_queue_len() == 0));
        for messenger in &self.messengers {
            messenger.shutdown();
        }
        for messenger in &self.messengers {
            messenger.ends();
        }
        // Nothing went wrong after all was answered either.
        self.answered_down_to(0);
        self.injected();
    }

    /// Waits until no more than `most` pings are without an answer, as must happen.
    fn answered_down_to(&self, most: usize) {
        let Err(debts) = self.ledger.wait_until_outstanding(most, DRAIN) else { return };
        for debt in &debts {
            println!("{debt:?}");
            let (at, id) = debt.key;
            for InUse { connection, from, to } in &self.in_use {
                let ends = [(*from, *to, connection.clone()), (*to, *from, self.connection(*to, *from))];
                if ends.iter().any(|(from, _, end)| (*from, end.id()) == (at, id)) {
                    for (from, to, end) in ends {
                        let (open, queued) = (end.is_connected(), end.queued_bytes());
                        println!("  {from} to {to}: {end:?}, open: {open}, queued or unacknowledged: {queued} bytes");
                    }
                }
            }
        }
        panic!("{} connections owe answers after {DRAIN:?}", debts.len());
    }

    /// What was asked to break did.
    fn injected(&self) {
        for (name, _) in self.plan.options {
            match *name {
                "ms_inject_socket_failures" => assert!(self.total(|stats| stats.msgr_injected_socket_failures) > 0),
                "ms_inject_delay_probability" => assert!(self.total(|stats| stats.msgr_injected_delays) > 0),
                _ => {}
            }
        }
    }

    /// A counter, over all messengers.
    fn total(&self, counter: fn(&Stats) -> u64) -> u64 {
        self.messengers.iter().map(|messenger| counter(&messenger.stats())).sum()
    }
}
