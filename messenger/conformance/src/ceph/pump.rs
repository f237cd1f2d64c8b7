//! The moving parts of a [`Tap`](super::tap::Tap): the threads that accept, and those that pass pieces on.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use msgr::wire::BANNER_LEN;

use super::piece::{End, Piece};
use super::pieces::{Handshake, Pieces};
use super::tap::{Act, Event, Party, Rule};
use crate::PATIENCE;

/// Where the port stands in an address.
const PORT_IN_ADDRESS: usize = 10;
/// How long a piece may be held.
const HOLD_MAX: Duration = PATIENCE;

pub(super) struct State {
    pub(super) rule: Rule,
    /// Counts the rules there were: what is held asks each of them once.
    pub(super) rules: u64,
    pub(super) log: Vec<Event>,
    /// The two sockets of each connection, until it is over.
    pub(super) links: Vec<Option<[TcpStream; 2]>>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) stopping: bool,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) mon: SocketAddr,
    pub(super) us: Option<SocketAddr>,
    /// What we take for the monitor's port.
    pub(super) port_of_mon: u16,
    /// What the monitor takes for our port.
    pub(super) port_of_us: Option<u16>,
}

impl State {
    /// Closes a connection, if it is not over yet.
    pub(super) fn hang_up(&mut self, link: usize) {
        for socket in self.links[link].take().into_iter().flatten() {
            // One of the two may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Closes all of them.
    pub(super) fn hang_up_all(&mut self) {
        (0..self.links.len()).for_each(|link| self.hang_up(link));
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn accept(self: &Arc<Shared>, listener: &TcpListener, dialled_by: Party) {
        loop {
            let Ok((theirs, _)) = listener.accept() else { continue };
            if self.lock().stopping {
                return;
            }
            let to = if dialled_by == Party::Us { Some(self.mon) } else { self.us };
            // Nobody there: whoever dialled sees its connection close.
            let Some(Ok(ours)) = to.map(TcpStream::connect) else { continue };
            for socket in [&theirs, &ours] {
                socket.set_nodelay(true).unwrap();
            }
            let both = || [theirs.try_clone().unwrap(), ours.try_clone().unwrap()];
            let handshake: Arc<Mutex<Handshake>> = Arc::default();
            let mut state = self.lock();
            let link = state.links.len();
            state.links.push(Some(both()));
            for end in [End::Connector, End::Acceptor] {
                let [mut from, mut to] = both();
                if end == End::Acceptor {
                    std::mem::swap(&mut from, &mut to);
                }
                let (its, handshake) = (Arc::clone(self), Arc::clone(&handshake));
                let pump = move || its.pump(link, dialled_by, end, from, to, &handshake);
                state.threads.push(thread::spawn(pump));
            }
        }
    }

    /// Passes on what one end says until the connection ends.
    fn pump(
        &self,
        link: usize,
        dialled_by: Party,
        end: End,
        mut from: TcpStream,
        mut to: TcpStream,
        handshake: &Mutex<Handshake>,
    ) {
        let mut pieces = Pieces::new(end);
        let from_us = (dialled_by == Party::Us) == (end == End::Connector);
        let party = if from_us { Party::Us } else { Party::Mon };
        let port = if from_us { self.port_of_us } else { Some(self.port_of_mon) };
        while let Ok((piece, mut bytes)) = pieces.next(&mut from, handshake) {
            let port_at = match piece {
                Piece::Address(_) => Some(PORT_IN_ADDRESS),
                Piece::Greeting(..) => Some(BANNER_LEN + PORT_IN_ADDRESS),
                _ => None,
            };
            if let (Some(port), Some(at)) = (port, port_at) {
                bytes[at..at + 2].copy_from_slice(&port.to_be_bytes());
            }
            let closed = matches!(piece, Piece::Closed);
            let event = self.judge(Event { link, dialled_by, from: party, piece, act: Act::Pass });
            let act = event.act;
            if act == Act::Pass {
                if to.write_all(&bytes).is_err() {
                    break;
                }
                // Only now, so that whoever waits for it and then cuts has let it arrive.
                self.note(event);
            }
            if closed || act == Act::Cut {
                break;
            }
        }
        self.lock().hang_up(link);
    }

    /// Decides what to do with a piece, once it is no longer held. What is not to be passed on is noted.
    fn judge(&self, mut event: Event) -> Event {
        let mut state = self.lock();
        loop {
            event.act = if state.links[event.link].is_some() { (state.rule)(&event) } else { Act::Cut };
            if event.act == Act::Pass || state.links[event.link].is_none() {
                // What the tap cut itself is not to be seen as somebody's hang-up.
                return event;
            }
            state.log.push(event.clone());
            self.changed.notify_all();
            if event.act != Act::Hold {
                return event;
            }
            let asked = state.rules;
            let same_rule = |state: &mut State| state.rules == asked && !state.stopping;
            let (next, waited) = self.changed.wait_timeout_while(state, HOLD_MAX, same_rule).unwrap();
            state = next;
            if state.stopping || waited.timed_out() {
                event.act = Act::Cut;
                return event;
            }
        }
    }

    fn note(&self, event: Event) {
        self.lock().log.push(event);
        self.changed.notify_all();
    }
}
