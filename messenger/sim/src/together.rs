//! Two links of one messenger that work at the same time, as two threads would.

use std::sync::Arc;

use msgr::session::{Cause, Progress};
use msgr::wire::CONNECT_LEN;

use crate::actor::Actor;
use crate::net::Net;
use crate::node::Node;
use crate::{interlude, working};

/// The actor whose link worked in the middle of something, and what came of it.
pub(crate) type Visit = (usize, Result<Progress, Cause>);

impl Net {
    /// Lets `host` act and, in the middle of it, the link of the actor `guest`, of which the outcome is returned too.
    pub(crate) fn beside<A>(&mut self, guest: Option<usize>, host: impl FnOnce() -> A) -> (A, Option<Visit>) {
        let Some(guest) = guest else { return (host(), None) };
        let mut visitor = self.actors[guest].link.take().unwrap();
        let now = self.now;
        let (outcome, (visitor, visit)) = interlude::during(host, move || {
            let visit = working::on(working::of(&visitor), || visitor.process(now));
            (visitor, visit)
        });
        self.actors[guest].link = Some(visitor);
        (outcome, Some((guest, visit)))
    }

    /// Lets the application at `node` act while a peer asks to connect: in the middle of it, that link works. False when
    /// nobody asks now.
    pub(crate) fn ambush(&mut self, node: &Arc<Node>, act: impl FnOnce()) -> bool {
        let asks = |at: &usize| {
            let actor = &self.actors[*at];
            let link = actor.link.as_ref().filter(|link| link.session().is_none());
            link.is_some() && Arc::ptr_eq(&actor.node, node) && !actor.waiting && self.brings_connect(actor)
        };
        let Some(caller) = (0..self.actors.len()).find(asks) else { return false };
        let guest = self.fill(caller).then_some(caller);
        let ((), visited) = self.beside(guest, act);
        self.follow_guest(visited);
        true
    }

    /// Whether a connect is in what an accepted link is to read.
    fn brings_connect(&self, actor: &Actor) -> bool {
        actor.side == 1 && self.wires[actor.wire].unread(1).len() >= CONNECT_LEN
    }

    pub(crate) fn follow_guest(&mut self, visited: Option<Visit>) {
        if let Some((guest, outcome)) = visited {
            self.follow(guest, outcome);
        }
    }

    /// Another link of the same messenger that has just read something, to work in the middle of this one's callbacks.
    pub(crate) fn guest(&mut self, host: usize) -> Option<usize> {
        if !self.weather.as_mut()?.interlude() {
            return None;
        }
        let fits = |at: &usize| {
            let (guest, host) = (&self.actors[*at], &self.actors[host]);
            Arc::ptr_eq(&guest.node, &host.node) && guest.id != host.id && guest.link.is_some()
        };
        let guest = (0..self.actors.len()).filter(fits).find(|at| {
            let guest = &self.actors[*at];
            let found = self.wires[guest.wire].unread(guest.side);
            !guest.waiting && guest.connecting.is_none() && !found.is_empty()
        })?;
        self.fill(guest).then_some(guest)
    }
}
