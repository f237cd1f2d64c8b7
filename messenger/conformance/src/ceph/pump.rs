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
    pub(super) links: Vec<Link>,
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

/// One TCP connection on either side of the tap.
pub(super) struct Link {
    us: TcpStream,
    mon: TcpStream,
    /// Nothing passes any more.
    broken: bool,
    /// The monitor has hung up.
    pub(super) mon_gone: bool,
    /// When it has, we are cut off: so that we do not dial again before it knows.
    then_us: bool,
}

impl Link {
    /// Breaks it. The monitor still reads what was passed on, finds the end behind it, and hangs up.
    pub(super) fn cut_mon(&mut self) {
        self.broken = true;
        // Here and below: a socket that is closed already needs no more.
        let _ = self.mon.shutdown(Shutdown::Write);
    }

    /// Breaks it, for us.
    pub(super) fn cut_us(&mut self) {
        self.broken = true;
        let _ = self.us.shutdown(Shutdown::Both);
    }

    /// Breaks it on both sides at once.
    pub(super) fn hang_up(&mut self) {
        self.cut_us();
        let _ = self.mon.shutdown(Shutdown::Both);
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
            let [mut us, mut mon] = both();
            if dialled_by == Party::Mon {
                std::mem::swap(&mut us, &mut mon);
            }
            let mut state = self.lock();
            let link = state.links.len();
            state.links.push(Link { us, mon, broken: false, mon_gone: false, then_us: false });
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
            let event = Event { link, dialled_by, from: party, piece, act: Act::Pass };
            if let Some(event) = self.judge(event) {
                if to.write_all(&bytes).is_err() {
                    break;
                }
                // Only now, so that whoever waits for it and then cuts has let it arrive.
                self.note(event);
            }
            if closed {
                break;
            }
        }
        let mut state = self.lock();
        let its = &mut state.links[link];
        if !its.broken {
            its.hang_up();
        }
        if party == Party::Mon {
            its.mon_gone = true;
            if its.then_us {
                its.cut_us();
            }
        }
        self.changed.notify_all();
    }

    /// Decides what to do with a piece, once it is no longer held: returns it if it is to be passed on.
    fn judge(&self, mut event: Event) -> Option<Event> {
        let mut state = self.lock();
        // What comes from a connection that the tap has broken is of no interest.
        while !state.links[event.link].broken {
            event.act = (state.rule)(&event);
            if event.act == Act::Pass {
                return Some(event);
            }
            state.log.push(event.clone());
            self.changed.notify_all();
            match event.act {
                Act::Pass | Act::Drop => return None,
                Act::Cut => {
                    state.links[event.link].cut_mon();
                    state.links[event.link].then_us = true;
                    return None;
                }
                Act::Hold => {
                    let asked = state.rules;
                    let wait =
                        |state: &mut State| state.rules == asked && !state.stopping && !state.links[event.link].broken;
                    let (next, waited) = self.changed.wait_timeout_while(state, HOLD_MAX, wait).unwrap();
                    state = next;
                    if state.stopping || waited.timed_out() {
                        state.links[event.link].hang_up();
                    }
                }
            }
        }
        None
    }

    fn note(&self, event: Event) {
        self.lock().log.push(event);
        self.changed.notify_all();
    }
}
