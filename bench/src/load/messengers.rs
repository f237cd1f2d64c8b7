//! Messengers as the load side: each peer is one of them, `client.N` with nonce N, unbound, with one connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use msgr::{
    Connection, Dispatcher, EntityAddr, EntityName, EntityType, Events, Message, Messenger, MessengerFactory, Policy,
    Setup, Stats,
};
use msgr_reports::record::Workload;

use super::{CONNECT_WITHIN, Recorder, Spec, Traffic, Waited, offer};
use crate::wire::{CREDIT, REPLY, REQUEST, STREAM, STREAM_MARK, WINDOW_PARTS, payload};

/// Dials that may be under way at once: a quarter of the accept queue of a messenger's listening socket
/// (`ms_tcp_listen_backlog`), whose overflow would cost a SYN a second.
const DIALS_AT_ONCE: u32 = 128;

/// How often it is looked why peers that do not connect do not.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Connected messengers.
struct Peers {
    messengers: Vec<Arc<dyn Messenger>>,
    connections: Arc<[Connection]>,
    sender: Arc<Sender>,
    workload: Workload,
    in_flight: u32,
    rate: f64,
    /// The thread of an open loop.
    offer: Mutex<Option<JoinHandle<()>>>,
}

/// Makes a messenger for each peer and connects it.
///
/// # Errors
///
/// When a messenger cannot be made, or not all peers are connected in time.
pub(super) fn connect(
    factory: &dyn MessengerFactory,
    spec: &Spec,
    recorder: &Arc<Recorder>,
) -> anyhow::Result<Box<dyn Traffic>> {
    let sender = Arc::new(Sender {
        recorder: recorder.clone(),
        payload: payload(usize::try_from(spec.size)?),
        part: spec.in_flight / WINDOW_PARTS,
        server: spec.connect.to_string(),
        connections: OnceLock::new(),
    });
    let server = EntityAddr::new(spec.connect, 0);
    let deadline = Instant::now() + CONNECT_WITHIN;
    let mut messengers = Vec::new();
    let mut connections = Vec::new();
    for number in 1..=spec.peers {
        let name = EntityName::client(u64::from(number));
        let setup = Setup::new(name).with_nonce(number).with_config(spec.config.clone());
        let messenger =
            factory.create(setup).with_context(|| format!("cannot make messenger {number} of {}", spec.peers))?;
        messenger.set_default_policy(Policy::lossy_client());
        messenger.add_dispatcher_head(sender.clone());
        messenger.start()?;
        connections.push(messenger.connect_to(EntityType::OSD, server)?);
        messengers.push(messenger);
        open(recorder, &messengers, number.saturating_sub(DIALS_AT_ONCE), deadline, spec)?;
    }
    open(recorder, &messengers, spec.peers, deadline, spec)?;
    let connections: Arc<[Connection]> = connections.into();
    // Nothing was set before: this is the only place that does.
    let _ = sender.connections.set(connections.clone());
    let Spec { workload, in_flight, rate, .. } = *spec;
    Ok(Box::new(Peers { messengers, connections, sender, workload, in_flight, rate, offer: Mutex::default() }))
}

/// Waits until `peers` of the messengers are connected.
fn open(
    recorder: &Recorder,
    messengers: &[Arc<dyn Messenger>],
    peers: u32,
    deadline: Instant,
    spec: &Spec,
) -> anyhow::Result<()> {
    loop {
        let (opened, waited) = recorder.wait_open(peers, LOOK_EVERY)?;
        if waited == Waited::Interrupted {
            bail!("interrupted while the peers were connecting");
        }
        if opened >= peers {
            return Ok(());
        }
        // A dial that meets nonsense is tried again and again: nobody but the counters says so.
        if let Some(reason) = messengers.first().and_then(|messenger| dropped(&messenger.stats())) {
            bail!(
                "what answers at {} is no `msgr-bench serve` of the same version and options: the connection broke, {reason}",
                spec.connect
            );
        }
        if Instant::now() >= deadline {
            bail!(
                "{opened} of {} peers were connected after {} s: {} does not accept, or does not finish its handshakes",
                spec.peers,
                CONNECT_WITHIN.as_secs(),
                spec.connect
            );
        }
    }
}

/// Why a connection was dropped, if one was.
fn dropped(stats: &Stats) -> Option<&'static str> {
    let reasons = [
        (stats.msgr_drop_bad_banner, "with a wrong banner or address"),
        (stats.msgr_drop_bad_crc, "with a wrong crc"),
        (stats.msgr_drop_bad_tag, "with an unknown tag"),
        (stats.msgr_drop_bad_length, "with an absurd length"),
        (stats.msgr_drop_handshake_timeout, "because its handshake took too long"),
        (stats.msgr_drop_bad_peer, "with a breach of the protocol"),
    ];
    reasons.into_iter().find_map(|(count, reason)| (count > 0).then_some(reason))
}

impl Traffic for Peers {
    fn begin(&self) -> anyhow::Result<()> {
        match self.workload {
            Workload::PingPong => {
                for slot in 0..self.in_flight {
                    let peer = self.sender.recorder.first(slot);
                    self.connections[peer as usize].send_message(self.sender.request(u64::from(slot)))?;
                }
            }
            Workload::UnderLoad => {
                let (sender, connections) = (self.sender.clone(), self.connections.clone());
                let send = move |slot: u32, peer: u32| {
                    connections[peer as usize].send_message(sender.request(u64::from(slot)))
                };
                let thread = offer::start(self.sender.recorder.clone(), self.rate, send)?;
                *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
            }
            Workload::Stream => {
                for connection in self.connections.iter() {
                    for _ in 0..WINDOW_PARTS {
                        self.sender.send_part(connection)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let mut counters = BTreeMap::new();
        for messenger in &self.messengers {
            for (name, value) in messenger.stats().entries() {
                *counters.entry(name.to_owned()).or_default() += value;
            }
        }
        counters
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let offer = self.offer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if offer.is_some_and(|thread| thread.join().is_err()) {
            bail!("the sending thread panicked; its message is above");
        }
        for messenger in &self.messengers {
            messenger.shutdown();
        }
        for messenger in &self.messengers {
            messenger.wait()?;
        }
        Ok(())
    }
}

/// The dispatcher of all peers: each callback sends what follows.
struct Sender {
    recorder: Arc<Recorder>,
    payload: Bytes,
    /// Messages of a stream to send for each credit.
    part: u32,
    server: String,
    connections: OnceLock<Arc<[Connection]>>,
}

impl Sender {
    fn request(&self, slot: u64) -> Message {
        Message::new(REQUEST).with_tid(slot).with_data(self.payload.clone())
    }

    /// Sends one part of a window; its last message asks for credit.
    fn send_part(&self, connection: &Connection) -> Result<(), msgr::Error> {
        for left in (0..self.part).rev() {
            let kind = if left == 0 { STREAM_MARK } else { STREAM };
            connection.send_message(Message::new(kind).with_data(self.payload.clone()))?;
        }
        Ok(())
    }

    fn answered(&self, slot: u64) -> Result<(), msgr::Error> {
        let Some(peer) = self.recorder.replied(slot) else {
            return Ok(());
        };
        match self.connections.get().and_then(|connections| connections.get(peer as usize)) {
            Some(connection) => connection.send_message(self.request(slot)),
            // No request leaves before all peers are connected, so no reply can come.
            None => Ok(()),
        }
    }
}

impl Dispatcher for Sender {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        matches!(message.kind, REPLY | CREDIT)
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let sent = match message.kind {
            REPLY => self.answered(message.tid),
            _ if self.recorder.flowing() => {
                self.recorder.credited();
                self.send_part(connection)
            }
            _ => Ok(()),
        };
        if let Err(error) = sent {
            self.recorder.fail(error.to_string());
        }
    }

    fn ms_handle_fast_connect(&self, _connection: &Connection) {
        self.recorder.opened();
    }

    /// Only what ends the sample: as long as nothing breaks, no dispatch thread starts.
    fn ms_events(&self) -> Events {
        Events::RESET | Events::REFUSED
    }

    fn ms_handle_reset(&self, _connection: &Connection) -> bool {
        self.recorder.fail(format!(
            "the connection to {} broke: it is no `msgr-bench serve` of the same version and options, or it has ended",
            self.server
        ));
        true
    }

    fn ms_handle_refused(&self, _connection: &Connection) -> bool {
        self.recorder.fail(format!(
            "{} refused the connection: nothing listens there; start `msgr-bench serve` first, and pass its address",
            self.server
        ));
        true
    }
}
