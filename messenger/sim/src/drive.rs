//! The driver loop: what a stack does for each of its connections, one small step at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use msgr::Messenger;
use msgr::session::{Cause, Link, Progress, ReadInto, Refill, Session, Step};

use crate::actor::{READING, Told, WRITING, take};
use crate::net::{Arrival, Lost, Net};
use crate::wire::Found;
use crate::working;

/// Reads of one actor before the next has its turn.
const READS_MAX: usize = 8;

type Work = fn(&mut Link, Instant) -> Result<Progress, Cause>;

impl Net {
    /// Does what the session of an actor without a link wants.
    pub(crate) fn step(&mut self, at: usize) {
        let lost = self.lost.take();
        let actor = &mut self.actors[at];
        actor.wake = None;
        let Some(session) = &actor.session else { return };
        match session.step(actor.id, self.now) {
            Step::Rest => {}
            Step::Gone => actor.gone = actor.link.is_none(),
            Step::Until(wake) => {
                actor.wake = Some(wake);
                self.waits_after_open += u64::from(lost == Some(Lost::Open));
                let backoff = actor.node.core().config().ms_initial_backoff;
                self.long_waits += u64::from(lost == Some(Lost::FirstDial) && wake > self.now + backoff);
            }
            Step::Dial(link) => self.dial_with(at, link),
        }
    }

    fn dial_with(&mut self, at: usize, mut link: Box<Link>) {
        let target = link.target().unwrap();
        let local = self.actors[at].node.my_addr().socket.unwrap();
        let played = self.played.contains(&target);
        let lost = self.weather.as_mut().is_some_and(|weather| weather.loses_dial()) || self.is_silent(target);
        let listener = self.listener(target);
        if listener.is_none() && !played && !lost {
            self.lost = self.count_failure(&link, Cause::Refused);
            link.lost(Cause::Refused, self.now);
            self.note(|net| format!("{} is refused by {target}", net.who(at)));
            self.losses.push(Cause::Refused);
            return self.step(at);
        }
        let wire = self.wire();
        self.note(|net| format!("{} dials {target}: wire {wire}", net.who(at)));
        let latency = self.wires[wire].latency[0] + self.wires[wire].latency[1];
        let connecting = if lost {
            Some(None)
        } else if latency.is_zero() {
            link.connected(local);
            None
        } else {
            Some(Some(self.now + latency))
        };
        let actor = &mut self.actors[at];
        (actor.link, actor.wire, actor.side, actor.waiting) = (Some(link), wire, 0, false);
        actor.connecting = connecting;
        if let Some(node) = listener.filter(|_| !lost) {
            let backlog = self.weather.as_mut().map_or(Duration::ZERO, |weather| weather.backlog());
            let arrival = Arrival { at: self.now + latency + backlog, node, from: local, wire };
            if arrival.at <= self.now { self.accept(&arrival) } else { self.arrivals.push(arrival) }
        }
    }

    /// Ends an actor's link.
    pub(crate) fn lose(&mut self, at: usize, cause: Cause) {
        if self.actors[at].link.is_some() {
            self.note(|net| format!("{} loses wire {}: {cause:?}", net.who(at), net.actors[at].wire));
        }
        let guest = self.guest(at);
        let actor = &mut self.actors[at];
        let mut visited = None;
        if let Some(link) = actor.link.take() {
            let late = self.weather.as_mut().map_or(Duration::ZERO, |weather| weather.half_open());
            self.wires[actor.wire].close(actor.side, self.now, late);
            actor.outbox.clear();
            (actor.transmitting, actor.connecting) = (false, None);
            self.losses.push(cause);
            if cause == Cause::Wait {
                let peer = link.session().map(|session| session.peer_addr());
                self.wrong_waits += u64::from(peer > Some(actor.node.my_addr()));
            }
            let lost = self.count_failure(&link, cause);
            self.lost = lost;
            let (now, session) = (self.now, working::of(&link));
            ((), visited) = self.beside(guest, || working::on(session, || link.lost(cause, now)));
        }
        self.step(at);
        self.follow_guest(visited);
    }

    /// Keeps count of dials that fail.
    fn count_failure(&mut self, link: &Link, cause: Cause) -> Option<Lost> {
        // A calm net is for those who look for themselves.
        self.weather.as_ref()?;
        let session = link.session()?;
        let (_, failed) = self.failed.entry(Arc::as_ptr(session)).or_insert_with(|| (Arc::clone(session), 0));
        *failed = if link.is_open() { 0 } else { *failed + 1 };
        match (*failed, cause) {
            (0, _) => Some(Lost::Open),
            (1, cause) if cause != Cause::Wait => Some(Lost::FirstDial),
            _ => None,
        }
    }

    /// One actor's turn; false when there was nothing to do.
    pub(crate) fn act(&mut self, at: usize) -> bool {
        let told = Arc::clone(&self.actors[at].told);
        let mut moved = false;
        if !self.actors[at].is_stalled(READING, self.now) {
            let reads_first = self.weather.as_mut().is_some_and(|weather| weather.swaps());
            if reads_first {
                moved |= self.read_some(at);
            }
            moved |= self.obey(at, &told);
            if !reads_first {
                moved |= self.read_some(at);
            }
            // The next actor reads into the same buffer.
            if let Some(link) = &mut self.actors[at].link {
                link.settle();
            }
            if moved {
                self.stall(at, READING);
            }
        }
        if !self.actors[at].is_stalled(WRITING, self.now) {
            self.actors[at].transmitting |= take(&told.transmit);
            if self.write_wire(at) {
                moved = true;
                self.stall(at, WRITING);
            }
        }
        moved
    }

    fn stall(&mut self, at: usize, which: usize) {
        if let Some(weather) = &mut self.weather {
            self.actors[at].stalled[which] = weather.stall(self.now);
        }
    }

    /// Does what the reading side of an actor was told.
    fn obey(&mut self, at: usize, told: &Told) -> bool {
        let mut moved = false;
        if take(&told.hang_up) {
            self.lose(at, Cause::Closed);
            moved = true;
        }
        if take(&told.step) {
            self.step(at);
            moved = true;
        }
        if take(&told.resume) {
            self.work(at, Link::resume);
            moved = true;
        }
        moved
    }

    fn read_some(&mut self, at: usize) -> bool {
        let mut moved = false;
        for _ in 0..READS_MAX {
            if !self.read_wire(at) {
                break;
            }
            moved = true;
        }
        moved
    }

    /// Whether an actor's connection is up; one that has just come up is told.
    fn is_up(&mut self, at: usize) -> bool {
        let Some(up) = self.actors[at].connecting else { return true };
        if up.is_none_or(|up| up > self.now) {
            return false;
        }
        let actor = &mut self.actors[at];
        actor.connecting = None;
        let local = actor.node.my_addr().socket.unwrap();
        if let Some(link) = &mut actor.link {
            link.connected(local);
        }
        true
    }

    fn read_wire(&mut self, at: usize) -> bool {
        if self.actors[at].link.is_none() || self.actors[at].waiting || !self.is_up(at) {
            return false;
        }
        let (wire, side) = (self.actors[at].wire, self.actors[at].side);
        if self.wires[wire].found(side, self.now) == Found::Nothing {
            return false;
        }
        if !self.fill(at) {
            self.lose(at, Cause::Closed);
            return true;
        }
        self.work(at, Link::process);
        true
    }

    /// Reads once; false at the end of the stream.
    pub(crate) fn fill(&mut self, at: usize) -> bool {
        let actor = &mut self.actors[at];
        let Some(link) = &mut actor.link else { return true };
        let wire = &mut self.wires[actor.wire];
        let read_max = self.weather.as_mut().map_or(self.read_max, |weather| weather.read_size());
        let unread = wire.unread(actor.side);
        let mut n = 0;
        let Ok(outcome) = link.read_with(&mut self.ahead, |into| {
            n = unread.len().min(read_max);
            match into {
                ReadInto::Slice(room) => {
                    n = n.min(room.len());
                    room[..n].copy_from_slice(&unread[..n]);
                }
                ReadInto::Append(body) => {
                    n = n.min(body.capacity() - body.len());
                    body.extend_from_slice(&unread[..n]);
                }
            }
            Ok::<_, Infallible>(n)
        });
        wire.consume(actor.side, n);
        outcome.is_some()
    }

    /// Lets an actor's link work, and does what follows from that.
    pub(crate) fn work(&mut self, at: usize, work: Work) {
        let guest = self.guest(at);
        let Some(mut link) = self.actors[at].link.take() else { return };
        let now = self.now;
        let (outcome, visited) = self.beside(guest, || working::on(working::of(&link), || work(&mut link, now)));
        self.actors[at].link = Some(link);
        self.follow_guest(visited);
        self.follow(at, outcome);
    }

    pub(crate) fn follow(&mut self, at: usize, outcome: Result<Progress, Cause>) {
        let actor = &mut self.actors[at];
        let Some(link) = &mut actor.link else { return };
        actor.session = link.session().cloned();
        match outcome {
            Ok(progress) => {
                actor.waiting = progress.waiting;
                if progress.opened {
                    actor.transmitting = true;
                    self.note(|net| format!("{} opens on wire {}", net.who(at), net.actors[at].wire));
                }
            }
            Err(cause) => {
                // A reply that says why may be waiting.
                self.write_wire(at);
                self.lose(at, cause);
            }
        }
    }

    /// Writes what the handshake has to say and, if told to transmit, what the session has queued.
    fn write_wire(&mut self, at: usize) -> bool {
        let actor = &mut self.actors[at];
        if actor.connecting.is_some() {
            return false;
        }
        let Some(link) = &mut actor.link else { return false };
        let wire = &mut self.wires[actor.wire];
        link.take_output().for_each(|bytes| actor.outbox.push(bytes));
        let mut moved = false;
        loop {
            while !actor.outbox.is_empty() {
                let room = match &mut self.weather {
                    None => usize::MAX,
                    Some(weather) => {
                        let outstanding = wire.outstanding(1 - actor.side);
                        weather.write_size().min(weather.climate.window.saturating_sub(outstanding))
                    }
                };
                if room == 0 {
                    return moved;
                }
                let mut sent = 0;
                for segment in actor.outbox.segments() {
                    let n = segment.len().min(room - sent);
                    wire.write(actor.side, &segment[..n], self.now);
                    sent += n;
                }
                actor.outbox.sent(sent);
                moved = true;
            }
            let Some(session) = &actor.session else { break };
            if !actor.transmitting || empty(session, link, &mut actor.outbox) {
                actor.transmitting = false;
                break;
            }
        }
        if moved {
            link.wrote(self.now);
        }
        moved
    }
}

fn empty(session: &Arc<Session>, link: &Link, outbox: &mut msgr::session::Outbox) -> bool {
    outbox.refill(session, link.generation()) == Refill::Empty
}
