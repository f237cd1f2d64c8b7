//! Who sent what to whom, what arrived, and what the applications were told: the memory of a schedule.
//!
//! It judges at once what can be judged at once (an order, a double, a message on a connection that is over); the rest
//! is for [`super::verdict`], when all has come to rest.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use fastrand::Rng;
use msgr::{Connection, EntityAddr, Message, Messenger, Throttle};

use crate::node::{Node, QUEUED};
use crate::working;

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
    quiet_after: u64,
    pub(crate) disposable: bool,
    pub(crate) sent: Vec<Sent>,
    /// Connections of the other side that its messages arrived on, in order.
    pub(crate) receivers: Vec<usize>,
    /// The last messages that came on it, by sender's connection, priority and route: arrived, dispatched.
    last: Vec<(usize, u16, bool, [Option<usize>; 2])>,
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
    payload: [Bytes; 2],
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

    /// A message came out of a connection of a life.
    pub(crate) fn arrived(&mut self, life: usize, message: &Message) {
        let at = self.tick();
        let Some((from, number)) = self.sent_as(message) else {
            return self.violated(|_| format!("nobody sent {message:?}"));
        };
        let Some(on) = self.receiver(life, from) else {
            return self.violated(|ledger| format!("{}: message {number} arrives nowhere", ledger.name(from)));
        };
        self.check_not_ended(on, "a message arrives");
        if !working::now().open && !self.handles[on].connection.is_loopback() {
            self.violated(|ledger| format!("{}: a message before it opened", ledger.name(on)));
        }
        let sent = &self.handles[from].sent[number];
        let [data, front] = &sent.payload;
        if message.data != *data || message.front != *front || message.priority != sent.priority {
            self.violated(|ledger| format!("{}: message {number} is not what was sent", ledger.name(from)));
        }
        if self.handles[from].ended.is_some_and(|ended| ended < self.handles[from].sent[number].at) {
            self.violated(|ledger| format!("{}: message {number} was sent after its end", ledger.name(from)));
        }
        if let Some((before, _)) = self.handles[from].sent[number].arrived
            && !self.may_repeat(from, before, on)
        {
            let again = if before == on { "the same connection" } else { "another connection" };
            self.violated(|ledger| format!("{}: message {number} arrives again, on {again}", ledger.name(from)));
        }
        self.check_order(from, number, on, false);
        let handle = &mut self.handles[from];
        if handle.receivers.last() != Some(&on) {
            handle.receivers.push(on);
        }
        let sent = &mut handle.sent[number];
        sent.arrived = Some((on, at));
        sent.arrivals += 1;
    }

    /// The connection of a life whose link works now. A preprocessing dispatcher is not told.
    fn receiver(&self, life: usize, from: usize) -> Option<usize> {
        if self.handles[from].connection.is_loopback() {
            return Some(from);
        }
        let session = working::now().session?;
        self.handles.iter().position(|handle| handle.life == life && handle.connection.id() == session)
    }

    /// Whether what arrived on one connection may arrive once more on another: the receiver forgot the session, and the
    /// sender's policy does not notice.
    fn may_repeat(&self, from: usize, before: usize, now: usize) -> bool {
        let receiver = &self.handles[before];
        let forgotten = receiver.ended.is_some() || receiver.may_reset || receiver.disposable;
        let resetcheck = self.setting.places[self.place_of(from)].policy.resetcheck;
        // One that was disposable may have been reset in place.
        (before != now || receiver.disposable) && forgotten && !resetcheck
    }

    /// A message was given to a dispatcher.
    pub(crate) fn dispatched(&mut self, on: usize, message: &Message) {
        self.tick();
        let Some((from, number)) = self.sent_as(message) else { return };
        self.check_not_ended(on, "a message is dispatched");
        let sent = &mut self.handles[from].sent[number];
        sent.dispatched += 1;
        if sent.dispatched > sent.arrivals {
            self.violated(|ledger| format!("{}: message {number} is dispatched twice", ledger.name(from)));
        }
        self.check_order(from, number, on, true);
    }

    fn sent_as(&self, message: &Message) -> Option<(usize, usize)> {
        let (from, number) = ((message.tid >> 32) as usize, message.tid as u32 as usize);
        (number < self.handles.get(from)?.sent.len()).then_some((from, number))
    }

    fn check_order(&mut self, from: usize, number: usize, on: usize, dispatched: bool) {
        let Sent { priority, queued, .. } = self.handles[from].sent[number];
        // What arrives, arrives in one order; dispatching has two routes.
        let queued = queued && dispatched;
        let key = (from, priority, queued);
        let last = &mut self.handles[on].last;
        let at = last.iter().position(|(from, priority, queued, _)| key == (*from, *priority, *queued));
        let at = at.unwrap_or_else(|| {
            last.push((from, priority, queued, [None; 2]));
            last.len() - 1
        });
        let before = last[at].3[usize::from(dispatched)].replace(number);
        if self.may_repeat(from, on, on) {
            return;
        }
        if let Some(before) = before.filter(|before| *before >= number) {
            let what = if dispatched { "is dispatched" } else { "arrives" };
            self.violated(|ledger| format!("{}: message {number} {what} after {before}", ledger.name(from)));
        }
    }

    /// No event is heard of a connection that the application has marked down, but what was queued before.
    pub(crate) fn check_event(&mut self, on: usize, what: &str) {
        let handle = &self.handles[on];
        if handle.down_by == DownBy::Handle && self.lives[handle.life].drained >= handle.quiet_after {
            self.violated(|ledger| format!("{}: {what} after mark_down", ledger.name(on)));
        }
    }

    /// Nothing of this kind is heard of a connection that is over.
    pub(crate) fn check_not_ended(&mut self, on: usize, what: &str) {
        if self.handles[on].ended.is_some() {
            self.violated(|ledger| format!("{}: {what} after its end", ledger.name(on)));
        }
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
