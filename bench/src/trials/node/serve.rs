//! The serving side of a trial: one messenger that checks what arrives and echoes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use msgr::{Config, Connection, Dispatcher, EntityName, Message, Messenger, MessengerFactory, Setup};

use super::heard::{Heard, count};
use super::inbound::{Inbound, Wrongs};
use super::protocol::{PeerReport, Report, Spec};
use super::stamp::{ECHO, Pattern, QUEUED_REQUEST, REQUEST, STRANGE, STRANGE_BYE, STRANGE_ECHO, Stamp};

/// A bound and started messenger, `osd.0` with nonce 0.
pub(super) struct Serving {
    messenger: Arc<dyn Messenger>,
    echo: Arc<Echo>,
    address: SocketAddr,
}

struct Echo {
    incarnation: u64,
    pattern: Pattern,
    peers: Vec<Mutex<Inbound>>,
    corrupt: AtomicU64,
    strangers: AtomicU64,
    queue_full: AtomicU64,
    heard: Heard,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serving {
    /// Makes the messenger and serves at `at`.
    ///
    /// # Errors
    ///
    /// When the address is in use or the host refuses what the messenger needs.
    pub(super) fn start(
        factory: &dyn MessengerFactory,
        spec: &Spec,
        config: Config,
        at: SocketAddr,
    ) -> anyhow::Result<Serving> {
        let messenger = factory.create(Setup::new(EntityName::osd(0)).with_config(config))?;
        messenger.set_default_policy(spec.policies.server());
        let bound = messenger.bind(at)?;
        let echo = Arc::new(Echo {
            incarnation: spec.incarnation,
            pattern: Pattern::new(spec.seed, spec.bytes),
            peers: (0..spec.peers).map(|_| Mutex::default()).collect(),
            corrupt: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            heard: Heard::default(),
        });
        messenger.add_dispatcher_head(echo.clone());
        messenger.start()?;
        Ok(Serving { messenger, echo, address: bound.socket.unwrap_or(at) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn report(&self) -> Report {
        let mut wrongs = Wrongs { corrupt: self.echo.corrupt.load(Relaxed), ..Wrongs::default() };
        let peers = self.echo.peers.iter().map(|peer| {
            let peer = locked(peer);
            wrongs += peer.wrongs;
            PeerReport {
                incarnation: peer.incarnation,
                first: peer.first,
                last: peer.last,
                received: peer.received,
                ..PeerReport::default()
            }
        });
        Report {
            events: self.echo.heard.events(),
            peers: peers.collect(),
            wrongs,
            strangers: self.echo.strangers.load(Relaxed),
            queue_full: self.echo.queue_full.load(Relaxed),
            counters: super::counters(std::slice::from_ref(&self.messenger)),
            ..Report::default()
        }
    }

    pub(super) fn end(&self) -> anyhow::Result<()> {
        self.messenger.shutdown();
        Ok(self.messenger.wait()?)
    }
}

impl Echo {
    /// Checks a request and answers it. The answer may wait for a peer that does not read, so it is copied out of the
    /// receive buffer that it shares with its neighbours.
    fn request(&self, connection: &Connection, message: Message) {
        let stamp = Stamp::parse(&message.front);
        let Some((stamp, peer)) =
            stamp.and_then(|stamp| Some((stamp, self.peers.get(usize::try_from(stamp.peer).ok()?)?)))
        else {
            count(&self.corrupt);
            return;
        };
        if message.data != self.pattern.data(stamp.peer, stamp.number) {
            count(&self.corrupt);
        }
        locked(peer).take(stamp.client, stamp.number, false);
        let answer = Stamp { server: self.incarnation, ..stamp };
        let mut echo = message.detach();
        (echo.kind, echo.front) = (ECHO, answer.emit());
        self.send(connection, echo);
    }

    fn send(&self, connection: &Connection, message: Message) {
        if connection.send_message(message).is_err() {
            count(&self.queue_full);
        }
    }
}

impl Dispatcher for Echo {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        matches!(message.kind, REQUEST | STRANGE | STRANGE_ECHO | STRANGE_BYE)
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        if message.kind == REQUEST {
            return self.request(connection, message);
        }
        count(&self.strangers);
        match message.kind {
            STRANGE_ECHO => self.send(connection, message.detach()),
            STRANGE_BYE => connection.mark_down(),
            _ => {}
        }
    }

    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        if message.kind != QUEUED_REQUEST {
            return Some(message);
        }
        self.request(connection, message);
        None
    }

    fn ms_handle_connect(&self, _: &Connection) {
        count(&self.heard.connect);
    }

    fn ms_handle_accept(&self, _: &Connection) {
        count(&self.heard.accept);
    }

    fn ms_handle_reset(&self, _: &Connection) -> bool {
        count(&self.heard.reset);
        true
    }

    fn ms_handle_remote_reset(&self, _: &Connection) {
        count(&self.heard.remote_reset);
    }

    fn ms_handle_refused(&self, _: &Connection) -> bool {
        count(&self.heard.refused);
        true
    }
}
