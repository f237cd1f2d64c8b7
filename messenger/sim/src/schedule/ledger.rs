//! Who sent what to whom, what arrived, and what the applications were told: the memory of a schedule.
//!
//! [`super::watch`] judges what can be judged at once, [`super::verdict`] the rest, when all has come to rest.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use fastrand::Rng;
use msgr::{Connection, EntityAddr, Message, Messenger, Throttle};

use crate::node::{Node, QUEUED};

use super::setting::Setting;

/// One messenger object, from its start to its end.
pub(crate) struct Life {
    pub(crate) place: usize,
    pub(crate) node: Weak<Node>,
    pub(crate) throttles: Vec<Arc<Throttle>>,
    /// When it ended.
    pub(crate) ended: Option<u64>,
    /// Connections were marked down by address, perhaps some that the application did not know yet.
    pub(crate) marked_down: bool,
    /// How often its dispatch queue was seen empty.
    pub(crate) drained: u64,
    /// How often it was told that a dial was refused.
    pub(crate) refusals: u64,
}

impl Life {
    pub(crate) fn new(place: usize, node: &Arc<Node>, throttles: Vec<Arc<Throttle>>) -> Life {
        Life { place, node: Arc::downgrade(node), throttles, ended: None, marked_down: false, drained: 0, refusals: 0 }
    }
}

/// A connection as one side's application knows it.
pub(crate) struct Handle {
    pub(crate) life: usize,
    pub(crate) connection: Connection,
    /// The place of the peer; `None` for strangers.
    pub(crate) peer: Option<usize>,
    pub(crate) fast_connects: u32,
    pub(crate) fast_accepts: u32,
    pub(crate) connects: u32,
    pub(crate) accepts: u32,
    /// When the application heard that the peer forgot the session.
    pub(crate) remote_resets: Vec<u64>,
    pub(crate) resets: u32,
    /// When it ended, as far as the application knows.
    pub(crate) ended: Option<u64>,
    pub(crate) down_by: DownBy,
    /// It was among those marked down by address, if it was not over before.
    pub(crate) may_reset: bool,
    /// Callbacks that were queued before a mark_down come until the queue has been empty so often.
    pub(crate) quiet_after: u64,
    pub(crate) disposable: bool,
    pub(crate) sent: Vec<Sent>,
    /// Connections of the other side that its messages arrived on, in order.
    pub(crate) receivers: Vec<usize>,
    /// The last messages that came on it, by sender's connection, priority and route: arrived, dispatched.
    pub(crate) last: Vec<(usize, u16, bool, [Option<usize>; 2])>,
}

/// How the application ended a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DownBy {
    #[default]
    Nobody,
    Handle,
    /// By address, or with all others.
    Address,
}

/// A message that was sent.
pub(crate) struct Sent {
    pub(crate) at: u64,
    pub(crate) priority: u16,
    pub(crate) queued: bool,
    pub(crate) payload: [Bytes; 2],
    /// Where it arrived last, when, and how often.
    pub(crate) arrived: Option<(usize, u64)>,
    pub(crate) arrivals: u32,
    pub(crate) dispatched: u32,
}

/// See the module.
pub(crate) struct Ledger {
    pub(crate) setting: Setting,
    pub(crate) rng: Rng,
    pub(crate) lives: Vec<Life>,
    pub(crate) handles: Vec<Handle>,
    pub(crate) violation: Option<String>,
    /// Counts everything that is noted: the order of things.
    pub(crate) clock: u64,
    /// Applications misbehave no more.
    pub(crate) calm: bool,
    /// Messages that applications keep for a while, and with them what they hold of the throttles.
    pub(crate) kept: Vec<Message>,
    pub(crate) messages: [u64; 2],
    /// Where each place believes each other place to be.
    pub(crate) known: Vec<Vec<EntityAddr>>,
    blob: Bytes,
}

/// Kind of a message that may be answered, in the fast route; in the other it is higher by [`QUEUED`].
pub(crate) const ASK: u16 = 1;
/// Kind of an answer, likewise.
pub(crate) const REPLY: u16 = 2;

const BLOB_LEN: usize = 1 << 20;

/// Bytes that payloads are cut from.
fn blob() -> Bytes {
    static BLOB: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    let make = || {
        let mut rng = Rng::with_seed(1);
        std::iter::repeat_with(|| rng.u8(..)).take(BLOB_LEN).collect::<Vec<u8>>().into()
    };
    BLOB.get_or_init(make).clone()
}

impl Ledger {
    pub(crate) fn new(setting: Setting, addresses: Vec<EntityAddr>, rng: Rng) -> Ledger {
        let known = vec![addresses; setting.places.len()];
        Ledger {
            setting,
            rng,
            lives: Vec::new(),
            handles: Vec::new(),
            violation: None,
            clock: 0,
            calm: false,
            kept: Vec::new(),
            messages: [0; 2],
            known,
            blob: blob(),
        }
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Something that happens so often in a thousand times.
    pub(crate) fn hits(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.rng.u32(..1000) < thousandths
    }

    /// Notes what must not have happened; the first such thing counts.
    pub(crate) fn violated(&mut self, what: impl FnOnce(&Ledger) -> String) {
        if self.violation.is_none() {
            self.violation = Some(what(self));
        }
    }

    /// The handle for a connection of a life.
    pub(crate) fn handle(&mut self, life: usize, connection: &Connection) -> usize {
        let known = self.handles.iter().position(|handle| handle.life == life && handle.connection == *connection);
        known.unwrap_or_else(|| {
            let addr = connection.peer_addr();
            let ip = addr.socket.map(|socket| socket.ip());
            let peer = self.setting.places.iter().position(|place| Some(place.address.ip()) == ip);
            self.handles.push(Handle {
                life,
                connection: connection.clone(),
                peer,
                fast_connects: 0,
                fast_accepts: 0,
                connects: 0,
                accepts: 0,
                remote_resets: Vec::new(),
                resets: 0,
                ended: None,
                down_by: DownBy::Nobody,
                may_reset: false,
                quiet_after: u64::MAX,
                disposable: false,
                sent: Vec::new(),
                receivers: Vec::new(),
                last: Vec::new(),
            });
            self.handles.len() - 1
        })
    }

    pub(crate) fn place_of(&self, handle: usize) -> usize {
        self.lives[self.handles[handle].life].place
    }

    pub(crate) fn name(&self, handle: usize) -> String {
        let Handle { life, connection, .. } = &self.handles[handle];
        format!("{}'s connection {} (life {life})", self.setting.places[self.lives[*life].place].name, connection.id())
    }

    /// A new message for a connection, noted as sent.
    pub(crate) fn compose(&mut self, on: usize, reply: bool) -> Message {
        let at = self.tick();
        let sizes = [self.size(), if self.rng.u32(..4) == 0 { self.size() } else { 0 }];
        let payload = sizes.map(|len| {
            let from = self.rng.usize(..=BLOB_LEN - len);
            self.blob.slice(from..from + len)
        });
        let priority = match self.rng.u32(..20) {
            0..14 => 127,
            14 => 0,
            15 => 63,
            16 => 64,
            17 => 196,
            18 => 255,
            _ => self.rng.u16(1..300),
        };
        let queued = self.rng.u32(..4) == 0;
        let place = self.place_of(on);
        self.messages[usize::from(place != 0)] += 1;
        let handle = &mut self.handles[on];
        let number = handle.sent.len();
        let [data, front] = payload.clone();
        let priority_kept = if priority == 0 { msgr::PRIORITY_DEFAULT } else { priority };
        handle.sent.push(Sent {
            at,
            priority: priority_kept,
            queued,
            payload,
            arrived: None,
            arrivals: 0,
            dispatched: 0,
        });
        let kind = if queued { QUEUED } else { 0 } + if reply { REPLY } else { ASK };
        let tid = (on as u64) << 32 | number as u64;
        Message::new(kind).with_tid(tid).with_priority(priority).with_data(data).with_front(front)
    }

    fn size(&mut self) -> usize {
        let most = match self.rng.u32(..100) {
            0..60 => 64,
            60..95 => 1024,
            95..99 => 6000,
            _ if self.setting.manners.bulky => 700_000,
            _ => 20_000,
        };
        crate::weather::size(&mut self.rng, most) - 1
    }

    /// The application ends a connection.
    pub(crate) fn ended(&mut self, on: usize, by: DownBy) {
        let at = self.tick();
        let life = &self.lives[self.handles[on].life];
        let waiting = life.node.upgrade().map_or(0, |node| node.dispatch_queue_len());
        let quiet_after = life.drained + u64::from(waiting > 0);
        let handle = &mut self.handles[on];
        if handle.ended.is_none() {
            handle.ended = Some(at);
            handle.down_by = by;
            handle.quiet_after = quiet_after;
        }
    }

    /// A messenger ends, with all its connections.
    pub(crate) fn life_ended(&mut self, life: usize) {
        let at = self.tick();
        self.lives[life].ended = Some(at);
        for handle in self.handles.iter_mut().filter(|handle| handle.life == life) {
            handle.ended.get_or_insert(at);
        }
    }

    /// The last connection to a place that, as far as the application knows, is not over.
    pub(crate) fn current(&self, life: usize, peer: usize) -> Option<usize> {
        self.handles.iter().rposition(|handle| {
            handle.life == life
                && handle.peer == Some(peer)
                && handle.ended.is_none()
                && !handle.connection.is_loopback()
        })
    }
}
