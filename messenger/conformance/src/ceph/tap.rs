//! A proxy between one of our messengers and the monitor that understands what passes, notes it, and breaks it on
//! request: pieces can be dropped or held, and the connection cut before one of them.
//!
//! It stands in both ways: each side is told that the tap is the other, so that also what the monitor dials comes
//! through. A greeting and an address have their port replaced by the one that the tap listens on for that side.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use msgr::EntityAddr;
use msgr::wire::Connect;

use super::piece::{Piece, Reply};
use super::pump::{Link, Shared, State};
use crate::PATIENCE;

/// The tap's port for the monitor: above those that our messengers bind to, below those of any monitor here.
const PORTS_TO_US: std::ops::Range<u16> = 7_400..16_000;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Our messenger.
    Us,
    /// The monitor.
    Mon,
}

/// What the tap does with a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Passes it on.
    Pass,
    /// Swallows it.
    Drop,
    /// Cuts the connection instead of passing it on, the monitor first.
    Cut,
    /// Keeps it until there is another rule.
    Hold,
}

/// A piece on its way.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number of the TCP connection, from 0.
    pub link: usize,
    /// Who dialled it.
    pub dialled_by: Party,
    /// Who says it.
    pub from: Party,
    /// What is said.
    pub piece: Piece,
    /// What was done with it.
    pub act: Act,
}

impl Event {
    /// A reply of the monitor to us.
    pub fn reply_to_us(&self) -> Option<&Reply> {
        match &self.piece {
            Piece::Reply(reply) if self.from == Party::Mon => Some(reply),
            _ => None,
        }
    }

    /// A connect of ours.
    pub fn our_connect(&self) -> Option<&Connect> {
        match &self.piece {
            Piece::Connect(connect, _) if self.from == Party::Us => Some(connect),
            _ => None,
        }
    }

    /// A message of the monitor.
    pub fn is_from_mon(&self) -> bool {
        self.from == Party::Mon && matches!(self.piece, Piece::Message(_))
    }
}

/// Chooses what to do with a piece.
pub type Rule = Box<dyn FnMut(&Event) -> Act + Send>;

/// See the module.
pub struct Tap {
    shared: Arc<Shared>,
    listening: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Tap {
    /// Stands between the monitor and a messenger of ours, which listens at `us`, if it does. Lets everything pass.
    pub fn new(mon: EntityAddr, us: EntityAddr) -> Tap {
        let mon = mon.socket.unwrap();
        let us = us.socket.filter(|socket| socket.port() != 0);
        let from_us = TcpListener::bind(SocketAddr::new(mon.ip(), 0)).unwrap();
        let from_mon = us.map(|us| listen_in(us.ip(), PORTS_TO_US));
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let state = State {
            rule: Box::new(|_| Act::Pass),
            rules: 0,
            log: Vec::new(),
            links: Vec::new(),
            threads: Vec::new(),
            stopping: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            mon,
            us,
            port_of_mon: port(&from_us),
            port_of_us: from_mon.as_ref().map(port),
        });
        let listening =
            [(Some(from_us), Party::Us), (from_mon, Party::Mon)].into_iter().filter_map(|(listener, party)| {
                let listener = listener?;
                let its = Arc::clone(&shared);
                Some((listener.local_addr().unwrap(), thread::spawn(move || its.accept(&listener, party))))
            });
        let listening = listening.collect();
        Tap { shared, listening }
    }

    /// What our messenger dials.
    pub fn mon(&self) -> EntityAddr {
        EntityAddr::new(SocketAddr::new(self.shared.mon.ip(), self.shared.port_of_mon), 0)
    }

    /// What the monitor takes us for, but for the nonce.
    pub fn us(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.shared.us?.ip(), self.shared.port_of_us?))
    }

    /// Decides from now on what to do with the pieces. What is held is judged again.
    pub fn rule(&self, rule: impl FnMut(&Event) -> Act + Send + 'static) {
        let mut state = self.shared.lock();
        state.rule = Box::new(rule);
        state.rules += 1;
        self.shared.changed.notify_all();
    }

    /// Lets everything pass from now on.
    pub fn pass(&self) {
        self.rule(|_| Act::Pass);
    }

    /// Cuts every connection there is, first on the side of `first`. `noticed` waits until we have noticed; that the
    /// monitor has, and has read what was passed on to it before, is waited for here.
    ///
    /// # Panics
    /// When the monitor does not notice.
    pub fn cut(&self, first: Party, noticed: impl FnOnce()) {
        // Who has noticed may dial again, and that is another connection.
        let links = self.shared.lock().links.len();
        if first == Party::Mon {
            self.cut_mon(links);
        }
        self.shared.lock().links[..links].iter_mut().for_each(Link::cut_us);
        noticed();
        if first == Party::Us {
            self.cut_mon(links);
        }
    }

    fn cut_mon(&self, links: usize) {
        let mut state = self.shared.lock();
        state.links[..links].iter_mut().for_each(Link::cut_mon);
        let waiting = |state: &mut State| state.links[..links].iter().any(|link| !link.mon_gone);
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap().1;
        assert!(!waited.timed_out(), "the monitor does not notice that its connection is cut");
    }

    /// Forgets what was noted.
    pub fn forget(&self) {
        self.shared.lock().log.clear();
    }

    /// Waits until `pick` finds in what was noted what it looks for.
    ///
    /// # Panics
    /// When it does not.
    pub fn until<T>(&self, mut pick: impl FnMut(&[Event]) -> Option<T>) -> T {
        let (mut state, mut patience) = (self.shared.lock(), PATIENCE);
        loop {
            if let Some(picked) = pick(&state.log) {
                return picked;
            }
            let begun = Instant::now();
            state = self.shared.changed.wait_timeout(state, patience).unwrap().0;
            patience = patience.saturating_sub(begun.elapsed());
            assert!(!patience.is_zero(), "it never came about; what passed:\n{}", story(&state.log));
        }
    }

    /// Waits for a piece for which `wanted` is true, and returns it.
    pub fn event(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        self.until(|log| log.iter().find(|event| wanted(event)).cloned())
    }

    /// Waits for a reply of the monitor for which `last` is true; all its replies to us, in words.
    pub fn replies(&self, last: impl Fn(&Reply) -> bool) -> String {
        self.until(|log| {
            let replies: Vec<_> = log.iter().filter_map(Event::reply_to_us).collect();
            replies.last().is_some_and(|reply| last(reply)).then(|| words(replies.into_iter()))
        })
    }

    /// Waits until the monitor opens the session that we ask for; all its replies to us, in words.
    pub fn opening(&self) -> String {
        self.replies(Reply::opens)
    }
}

/// Pieces one behind the other.
pub fn words(pieces: impl Iterator<Item = impl ToString>) -> String {
    pieces.map(|piece| piece.to_string()).collect::<Vec<_>>().join("; ")
}

/// What passed, a piece a line.
fn story(log: &[Event]) -> String {
    let line = |event: &Event| {
        let Event { link, dialled_by, from, piece, act } = event;
        format!("  link {link}, dialled by {dialled_by:?}: {from:?}: {piece} ({act:?})\n")
    };
    log.iter().map(line).collect()
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if thread::panicking() {
            println!("what passed the tap:\n{}", story(&state.log));
        }
        state.stopping = true;
        state.links.iter_mut().for_each(Link::hang_up);
        self.shared.changed.notify_all();
        drop(state);
        for (address, thread) in self.listening.drain(..) {
            // Wakes it; if that fails, it has ended.
            drop(TcpStream::connect(address));
            assert!(thread.join().is_ok() || thread::panicking());
        }
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

/// Listens on a free port of the range.
fn listen_in(ip: IpAddr, ports: std::ops::Range<u16>) -> TcpListener {
    loop {
        match TcpListener::bind(SocketAddr::new(ip, fastrand::u16(ports.clone()))) {
            Ok(listener) => return listener,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }
}
