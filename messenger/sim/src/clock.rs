//! Time in a net: what is due, and what will be.

use std::time::{Duration, Instant};

use msgr::session::Link;

use crate::actor::{Actor, READING, WRITING};
use crate::net::Net;

impl Net {
    /// Lets time pass: dials that waited are made, links that are late end.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        self.on_time();
        self.run();
    }

    /// Does what is due.
    fn on_time(&mut self) {
        for at in 0..self.actors.len() {
            if self.actors[at].is_stalled(READING, self.now) {
                continue;
            }
            let actor = &self.actors[at];
            if actor.link.as_ref().is_some_and(|link| link.deadline() <= self.now) {
                self.work(at, Link::on_time);
            } else if actor.wake.is_some_and(|wake| wake <= self.now) {
                self.step(at);
            }
        }
    }

    /// Moves the clock to `time`, and does what is due then.
    pub fn pass(&mut self, time: Instant) {
        self.now = self.now.max(time);
        self.on_time();
    }

    /// When something will happen by itself, if nothing moves now.
    pub fn next_event(&self) -> Option<Instant> {
        let actors = self.actors.iter().flat_map(|actor| {
            let reads = actor.link.as_ref().filter(|_| !actor.waiting && actor.connecting.is_none());
            let stalls = actor.stalled;
            let events = [
                reads.and_then(|_| self.wires[actor.wire].next(actor.side)),
                actor.link.as_ref().map(|link| link.deadline()),
                actor.connecting.flatten(),
                actor.wake,
            ];
            let from = stalls[READING].unwrap_or(self.now);
            let events = events.into_iter().flatten().map(move |at| at.max(from));
            events.chain(stalls.into_iter().flatten())
        });
        let arrivals = self.arrivals.iter().map(|arrival| arrival.at);
        let dispatch = self.dispatch_from.iter().flatten().copied();
        actors.chain(arrivals).chain(dispatch).filter(|at| *at > self.now).min()
    }

    /// Whether bytes, ends or connections are under way, or somebody is stalled.
    pub fn is_busy(&self) -> bool {
        let unread = |actor: &Actor| {
            let wire = &self.wires[actor.wire];
            wire.outstanding(actor.side) > 0 || wire.next(actor.side).is_some()
        };
        let busy = |actor: &Actor| {
            actor.stalled[READING].or(actor.stalled[WRITING]).is_some_and(|until| until > self.now)
                || actor.link.as_ref().is_some_and(|link| !link.is_open() || actor.waiting || unread(actor))
                || !actor.outbox.is_empty()
        };
        !self.arrivals.is_empty()
            || self.actors.iter().any(busy)
            || self.dispatch_from.iter().flatten().any(|from| *from > self.now)
    }
}
