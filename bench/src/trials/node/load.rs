//! The load side of a trial: peers that send numbered requests and check the echoes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use msgr::{
    Config, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, Messenger, MessengerFactory, Setup,
};

use super::heard::{Heard, count};
use super::inbound::{Inbound, Wrongs};
use super::protocol::{Load, PeerReport, Report, RoundTrips, Spec};
use super::stamp::{ECHO, Pattern, QUEUED_REQUEST, REQUEST, Stamp};

/// How often peers that hear nothing are looked after: often enough to wake a standby at once for a person, and rarely
/// enough to cost nothing.
const NUDGE_EVERY: Duration = Duration::from_millis(20);

/// Requests beyond the depth that a peer that hears nothing may have sent: one wakes a session, a few more show that it
/// stays awake.
const NUDGES: u32 = 4;

/// Longest round trip told apart from longer ones, nanoseconds: a minute, as long as any wait of a trial.
const ROUND_TRIP_MAX_NS: u64 = 60_000_000_000;

/// A round trip that takes longer counts once for each of these that it takes: a peer that wanted to send in a stall, and
/// could not, would have seen the rest of it. Otherwise one answer that takes seconds would hide behind the many before it.
const WANTS_TO_SEND_EVERY_NS: u64 = 1_000_000;

/// Significant digits of a recorded round trip.
const DIGITS: u8 = 3;

/// All peers of a load side.
pub(super) struct Loading {
    messengers: Vec<Arc<dyn Messenger>>,
    addresses: Vec<SocketAddr>,
    peers: Vec<Arc<Peer>>,
}

/// One peer: a messenger with one connection, which is also its dispatcher.
struct Peer {
    shared: Arc<Shared>,
    number: u64,
    flow: Mutex<Flow>,
}

/// What all peers know.
struct Shared {
    incarnation: u64,
    server: EntityAddr,
    depth: u32,
    until: u64,
    pattern: Pattern,
    sending: AtomicBool,
    heard: Heard,
}

/// Where a peer's conversation stands.
struct Flow {
    messenger: Option<Arc<dyn Messenger>>,
    connection: Option<Connection>,
    /// Last number sent.
    sent: u64,
    outstanding: u32,
    /// When the requests in flight were sent.
    times: VecDeque<(u64, Instant)>,
    inbound: Inbound,
    inherited: u64,
    queue_full: u64,
    /// Answers at the last look.
    seen: u64,
    measured: Option<Histogram<u64>>,
}

impl Loading {
    /// Makes a messenger for each peer, and binds it if it is to be bound. [`Loading::go`] dials.
    ///
    /// # Errors
    ///
    /// When a messenger cannot be made or bound.
    pub(super) fn start(
        factory: &dyn MessengerFactory,
        spec: &Spec,
        config: &Config,
        load: &Load,
    ) -> anyhow::Result<Loading> {
        let shared = Arc::new(Shared {
            incarnation: spec.incarnation,
            server: EntityAddr::new(load.server, 0),
            depth: load.depth,
            until: load.messages.unwrap_or(u64::MAX),
            pattern: Pattern::new(spec.seed, spec.bytes),
            sending: AtomicBool::new(false),
            heard: Heard::default(),
        });
        let mut loading = Loading { messengers: Vec::new(), addresses: Vec::new(), peers: Vec::new() };
        for number in 0..spec.peers {
            let setup = Setup::new(EntityName::client(u64::from(number)))
                .with_nonce(load.nonce + number)
                .with_config(config.clone());
            let messenger =
                factory.create(setup).with_context(|| format!("cannot make messenger {number} of {}", spec.peers))?;
            messenger.set_default_policy(spec.policies.client());
            if let Some(at) = load.at.get(number as usize) {
                loading.addresses.extend(messenger.bind(*at)?.socket);
            }
            let peer = Arc::new(Peer {
                shared: shared.clone(),
                number: (load.first + number).into(),
                flow: Mutex::new(Flow::new()),
            });
            messenger.add_dispatcher_head(peer.clone());
            messenger.start()?;
            peer.lock().messenger = Some(messenger.clone());
            loading.messengers.push(messenger);
            loading.peers.push(peer);
        }
        if load.nudge {
            let peers = loading.peers.clone();
            let thread = std::thread::Builder::new().name("trial-nudge".into());
            thread.spawn(move || nudge(&peers)).context("cannot start a thread")?;
        }
        Ok(loading)
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Sends, and dials where that was not done yet.
    pub(super) fn go(&self) -> anyhow::Result<()> {
        self.set_sending(true);
        for peer in &self.peers {
            let mut flow = peer.lock();
            if let (None, Some(messenger)) = (&flow.connection, &flow.messenger) {
                flow.connection = Some(messenger.connect_to(EntityType::OSD, peer.shared.server)?);
            }
            peer.fill(&mut flow);
        }
        Ok(())
    }

    /// Sends nothing new.
    pub(super) fn pause(&self) {
        self.set_sending(false);
    }

    fn set_sending(&self, sending: bool) {
        if let Some(first) = self.peers.first() {
            first.shared.sending.store(sending, Relaxed);
        }
    }

    pub(super) fn measure(&self) -> anyhow::Result<()> {
        for peer in &self.peers {
            peer.lock().measured = Some(Histogram::new_with_bounds(1, ROUND_TRIP_MAX_NS, DIGITS)?);
        }
        Ok(())
    }

    pub(super) fn report(&self) -> anyhow::Result<Report> {
        let mut report = Report { counters: super::counters(&self.messengers), ..Report::default() };
        let mut all: Histogram<u64> = Histogram::new_with_bounds(1, ROUND_TRIP_MAX_NS, DIGITS)?;
        let mut wrongs = Wrongs::default();
        for peer in &self.peers {
            let flow = peer.lock();
            let now = Instant::now();
            let inbound = &flow.inbound;
            wrongs += inbound.wrongs;
            report.queue_full += flow.queue_full;
            if let Some(measured) = &flow.measured {
                all.add(measured)?;
                // What is not answered yet has taken at least this long.
                for (_, at) in &flow.times {
                    record(&mut all, now - *at);
                }
            }
            report.peers.push(PeerReport {
                incarnation: inbound.incarnation,
                first: inbound.first,
                last: inbound.last,
                received: inbound.received,
                sent: flow.sent,
                outstanding: flow.outstanding.into(),
                inherited: flow.inherited,
            });
        }
        report.wrongs = wrongs;
        if let Some(first) = self.peers.first() {
            report.events = first.shared.heard.events();
        }
        report.round_trips = RoundTrips {
            count: all.len(),
            p50_ns: all.value_at_quantile(0.5),
            p99_ns: all.value_at_quantile(0.99),
            max_ns: all.max(),
        };
        Ok(report)
    }

    pub(super) fn end(&self) -> anyhow::Result<()> {
        self.pause();
        for (messenger, peer) in self.messengers.iter().zip(&self.peers) {
            // The messenger has the peer as its dispatcher: the circle ends here.
            peer.lock().messenger = None;
            messenger.shutdown();
        }
        for messenger in &self.messengers {
            messenger.wait()?;
        }
        Ok(())
    }
}

/// Records a round trip, see [`WANTS_TO_SEND_EVERY_NS`].
fn record(into: &mut Histogram<u64>, took: Duration) {
    let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min(ROUND_TRIP_MAX_NS);
    // Fails only beyond the bound.
    let _ = into.record_correct(ns, WANTS_TO_SEND_EVERY_NS);
}

/// Lets peers that hear nothing send one more, until the process ends.
fn nudge(peers: &[Arc<Peer>]) {
    loop {
        std::thread::sleep(NUDGE_EVERY);
        for peer in peers {
            let mut flow = peer.lock();
            let seen = flow.inbound.received + flow.inherited;
            if std::mem::replace(&mut flow.seen, seen) == seen && flow.outstanding < peer.shared.depth + NUDGES {
                peer.send(&mut flow);
            }
        }
    }
}

impl Flow {
    fn new() -> Flow {
        Flow {
            messenger: None,
            connection: None,
            sent: 0,
            outstanding: 0,
            times: VecDeque::new(),
            inbound: Inbound::default(),
            inherited: 0,
            queue_full: 0,
            seen: 0,
            measured: None,
        }
    }

    /// What was in flight will not be answered.
    fn forget(&mut self) {
        self.outstanding = 0;
        self.times.clear();
    }
}

impl Peer {
    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until as many requests are in flight as there may be.
    fn fill(&self, flow: &mut Flow) {
        while flow.outstanding < self.shared.depth && self.send(flow) {}
    }

    /// Sends the next request, if there is one; under the lock, so that numbers are queued in order.
    fn send(&self, flow: &mut Flow) -> bool {
        let Some(connection) = &flow.connection else { return false };
        if !self.shared.sending.load(Relaxed) || flow.sent >= self.shared.until {
            return false;
        }
        let number = flow.sent + 1;
        let stamp = Stamp { client: self.shared.incarnation, server: 0, peer: self.number, number };
        // Half of the peers go through the dispatch queue of the other side.
        let kind = if self.number.is_multiple_of(2) { REQUEST } else { QUEUED_REQUEST };
        let data = self.shared.pattern.data(self.number, number);
        let sent = connection.send_message(Message::new(kind).with_front(stamp.emit()).with_data(data));
        if sent.is_err() {
            flow.queue_full += 1;
            return false;
        }
        flow.sent = number;
        flow.outstanding += 1;
        flow.times.push_back((number, Instant::now()));
        true
    }

    fn echo(&self, message: &Message) {
        let now = Instant::now();
        let mut flow = self.lock();
        let Some(stamp) = Stamp::parse(&message.front).filter(|stamp| stamp.peer == self.number) else {
            flow.inbound.wrongs.corrupt += 1;
            return;
        };
        if message.data != self.shared.pattern.data(stamp.peer, stamp.number) {
            flow.inbound.wrongs.corrupt += 1;
        }
        if stamp.client != self.shared.incarnation {
            flow.inherited += 1;
            return;
        }
        flow.inbound.take(stamp.server, stamp.number, true);
        flow.outstanding = flow.outstanding.saturating_sub(1);
        while let Some((number, at)) = flow.times.front().copied().filter(|(number, _)| *number <= stamp.number) {
            flow.times.pop_front();
            if number == stamp.number
                && let Some(measured) = &mut flow.measured
            {
                record(measured, now - at);
            }
        }
        self.fill(&mut flow);
    }
}

impl Dispatcher for Peer {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        message.kind == ECHO
    }

    fn ms_fast_dispatch(&self, _: &Connection, message: Message) {
        self.echo(&message);
    }

    fn ms_handle_connect(&self, _: &Connection) {
        count(&self.shared.heard.connect);
    }

    fn ms_handle_accept(&self, _: &Connection) {
        count(&self.shared.heard.accept);
    }

    /// A lossy connection is over: dials again, as its application would.
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        count(&self.shared.heard.reset);
        let mut flow = self.lock();
        if flow.connection.as_ref() == Some(connection) {
            let again = flow.messenger.as_ref().map(|it| it.connect_to(EntityType::OSD, self.shared.server));
            // Refused only when the messenger is ending.
            flow.connection = again.and_then(Result::ok);
            flow.forget();
            self.fill(&mut flow);
        }
        true
    }

    fn ms_handle_remote_reset(&self, _: &Connection) {
        count(&self.shared.heard.remote_reset);
        let mut flow = self.lock();
        flow.forget();
        self.fill(&mut flow);
    }

    fn ms_handle_refused(&self, _: &Connection) -> bool {
        count(&self.shared.heard.refused);
        true
    }
}
