//! What the ledger judges at once: that a message is whole, that it comes where and when it may, and only once.

use msgr::Message;

use crate::working;

use super::ledger::{DownBy, Ledger, Sent};

impl Ledger {
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
}
