//! The application of one messenger: it answers, keeps, rejects and marks down as its manners are, and tells the ledger.

use std::sync::{Arc, Mutex, MutexGuard};

use msgr::{AuthVerdict, Authorizer, Connection, Dispatcher, EntityType, Message};

use crate::node::QUEUED;
use crate::{interlude, working};

use super::hand::Hand;
use super::ledger::{Ledger, REPLY};
use super::step::Down;

/// What a challenge is answered with.
const ANSWER: u8 = 7;

/// One messenger's only dispatcher.
pub(crate) struct App {
    pub(crate) life: usize,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

/// Whether a message answers another, by its kind.
fn is_reply(message: &Message) -> bool {
    message.kind == REPLY || message.kind == QUEUED + REPLY
}

impl App {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn hand(&self) -> Option<Hand> {
        let node = self.ledger().lives[self.life].node.upgrade()?;
        Some(Hand { life: self.life, node, ledger: Arc::clone(&self.ledger) })
    }

    /// Notes a message that was dispatched.
    fn dispatched(&self, connection: &Connection, message: &Message) -> usize {
        let mut ledger = self.ledger();
        let on = ledger.handle(self.life, connection);
        ledger.dispatched(on, message);
        on
    }

    /// What the application does with a message.
    fn react(&self, on: usize, connection: &Connection, message: Message) {
        let (answers, down, peer) = {
            let mut ledger = self.ledger();
            let (manners, calm) = (ledger.setting.manners, ledger.calm);
            let answers = !is_reply(&message) && ledger.hits(manners.replies);
            let down = !calm && ledger.hits(manners.marks_down);
            if !calm && ledger.hits(manners.keeps) {
                ledger.kept.push(message);
            }
            let how = [Down::Handle, Down::Handle, Down::Address, Down::All][ledger.rng.usize(..4)];
            (answers, down.then_some(how), ledger.handles[on].peer)
        };
        if answers {
            let reply = self.ledger().compose(on, true);
            connection.send_message(reply).unwrap();
        }
        let Some((how, hand)) = down.zip(self.hand()) else { return };
        match (how, peer) {
            (Down::Address | Down::All, Some(peer)) => hand.mark_down(peer, how),
            _ => hand.mark_down_handle(on),
        }
        if let Some(peer) = peer
            && self.ledger().hits(500)
        {
            hand.send(peer, 1);
        }
    }

    /// Notes something that happened to a connection, and lets the application act on it by chance.
    fn event(&self, connection: &Connection, what: &str, note: impl FnOnce(&mut Ledger, usize)) {
        let (on, peer, sends) = {
            let mut ledger = self.ledger();
            let on = ledger.handle(self.life, connection);
            ledger.check_event(on, what);
            note(&mut ledger, on);
            let eager = if ledger.calm { 0 } else { ledger.setting.manners.eager };
            (on, ledger.handles[on].peer, ledger.hits(eager))
        };
        let Some((peer, hand)) = peer.zip(self.hand()).filter(|_| sends) else { return };
        // A connection that is over is replaced by another.
        if self.ledger().handles[on].ended.is_some() { hand.send(peer, 1) } else { hand.send_on(on, connection) }
    }
}

impl Dispatcher for App {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        message.kind < QUEUED
    }

    fn ms_fast_preprocess(&self, message: &Message) {
        self.ledger().arrived(self.life, message);
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let on = self.dispatched(connection, &message);
        interlude::run();
        self.react(on, connection, message);
    }

    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        let on = self.dispatched(connection, &message);
        self.react(on, connection, message);
        None
    }

    fn ms_handle_fast_connect(&self, connection: &Connection) {
        working::opened(connection.id());
        self.event(connection, "fast connect", |ledger, on| {
            ledger.check_not_ended(on, "fast connect");
            ledger.handles[on].fast_connects += 1;
        });
    }

    fn ms_handle_fast_accept(&self, connection: &Connection) {
        working::opened(connection.id());
        self.event(connection, "fast accept", |ledger, on| {
            ledger.check_not_ended(on, "fast accept");
            ledger.handles[on].fast_accepts += 1;
        });
    }

    fn ms_handle_connect(&self, connection: &Connection) {
        self.event(connection, "connect", |ledger, on| ledger.handles[on].connects += 1);
    }

    fn ms_handle_accept(&self, connection: &Connection) {
        self.event(connection, "accept", |ledger, on| ledger.handles[on].accepts += 1);
    }

    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        self.event(connection, "reset", |ledger, on| {
            ledger.handles[on].resets += 1;
            let by = ledger.handles[on].down_by;
            ledger.ended(on, by);
        });
        true
    }

    fn ms_handle_remote_reset(&self, connection: &Connection) {
        self.event(connection, "remote reset", |ledger, on| {
            let at = ledger.tick();
            ledger.handles[on].remote_resets.push(at);
        });
    }

    fn ms_handle_refused(&self, connection: &Connection) -> bool {
        self.event(connection, "refused", |ledger, _| ledger.lives[self.life].refusals += 1);
        true
    }

    fn ms_get_authorizer(&self, _peer: EntityType, challenge: Option<&[u8]>) -> Option<Authorizer> {
        if !self.ledger().setting.manners.challenges {
            return None;
        }
        let data = challenge.map_or(vec![0], |challenge| challenge.iter().map(|byte| byte ^ ANSWER).collect());
        Some(Authorizer { protocol: 1, data })
    }

    fn ms_verify_authorizer(&self, _peer: EntityType, authorizer: &Authorizer) -> Option<AuthVerdict> {
        let mut ledger = self.ledger();
        let manners = ledger.setting.manners;
        if !ledger.calm && ledger.hits(manners.rejects) {
            return Some(AuthVerdict::Reject);
        }
        if manners.challenges && authorizer.data != [ANSWER, ANSWER + 1] {
            return Some(AuthVerdict::Challenge(vec![0, ANSWER ^ (ANSWER + 1)]));
        }
        None
    }
}
