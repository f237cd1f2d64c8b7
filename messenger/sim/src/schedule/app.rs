//! The application of one messenger: it answers, keeps, rejects and marks down as its manners are, and tells the ledger.

use std::sync::{Arc, Mutex, MutexGuard};

use msgr::{AuthVerdict, Authorizer, Connection, Dispatcher, EntityType, Message};

use crate::interlude;
use crate::node::QUEUED;
use crate::working;

use super::ledger::{DownBy, Ledger, REPLY};

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

    /// What the application does with a message after it has noted it.
    fn react(&self, on: usize, connection: &Connection, message: Message) {
        let (reply, down) = {
            let mut ledger = self.ledger();
            let manners = ledger.setting.manners;
            let calm = ledger.calm;
            let mut hits = |thousandths: u32| thousandths > 0 && ledger.rng.u32(..1000) < thousandths;
            let reply = !is_reply(&message) && hits(manners.replies);
            let down = !calm && hits(manners.marks_down);
            let keeps = !calm && hits(manners.keeps);
            let reply = reply.then(|| ledger.compose(on, true));
            if down {
                ledger.ended(on, DownBy::Handle);
            }
            if keeps {
                ledger.kept.push(message);
            }
            (reply, down)
        };
        if let Some(reply) = reply {
            connection.send_message(reply).unwrap();
        }
        if down {
            connection.mark_down();
        }
    }

    fn event(&self, connection: &Connection, what: &str, note: impl FnOnce(&mut Ledger, usize)) {
        let mut ledger = self.ledger();
        let on = ledger.handle(self.life, connection);
        ledger.check_event(on, what);
        note(&mut ledger, on);
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
        let on = {
            let mut ledger = self.ledger();
            let on = ledger.handle(self.life, connection);
            ledger.dispatched(on, &message);
            on
        };
        interlude::run();
        self.react(on, connection, message);
    }

    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        let on = {
            let mut ledger = self.ledger();
            let on = ledger.handle(self.life, connection);
            ledger.dispatched(on, &message);
            on
        };
        self.react(on, connection, message);
        None
    }

    fn ms_handle_fast_connect(&self, connection: &Connection) {
        self.event(connection, "fast connect", |ledger, on| {
            working::opened(connection.id());
            ledger.check_not_ended(on, "fast connect");
            ledger.handles[on].fast_connects += 1;
        });
    }

    fn ms_handle_fast_accept(&self, connection: &Connection) {
        self.event(connection, "fast accept", |ledger, on| {
            working::opened(connection.id());
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
        self.event(connection, "refused", |_, _| {});
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
        if !ledger.calm && manners.rejects > 0 && ledger.rng.u32(..1000) < manners.rejects {
            return Some(AuthVerdict::Reject);
        }
        if manners.challenges && authorizer.data != [ANSWER, ANSWER + 1] {
            return Some(AuthVerdict::Challenge(vec![0, ANSWER ^ (ANSWER + 1)]));
        }
        None
    }
}
