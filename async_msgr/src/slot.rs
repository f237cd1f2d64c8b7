//! A connection as its worker sees it: socket, link, and what it waits for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use msgr::session::{Cause, Link, Progress, Session, Step};

use crate::connection::{Connection, Wrote};
use crate::driver::{Ready, Token};
use crate::stack::ConnectedSocket;
use crate::worker::Loop;

/// Reads of one connection before its worker looks at the others again. With the read-ahead at its largest this is
/// 256 KiB, some 50 microseconds of work. Four times as much gives a single stream of large messages a tenth more, and the
/// other peers of a worker that one of them floods less than half (`just bench --scenario noisy-neighbour`).
const READS_PER_TURN: usize = 2;

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It stays.
    Keep,
    /// It is over.
    Remove,
}

/// See the module.
pub(crate) struct Slot {
    connection: Arc<Connection>,
    token: Token,
    session: Option<Arc<Session>>,
    link: Option<Wire>,
    /// Earliest timer armed.
    armed: Option<Instant>,
}

/// A link and the socket under it.
struct Wire {
    link: Box<Link>,
    socket: Arc<dyn ConnectedSocket>,
    connecting: bool,
    /// A throttle holds input back.
    waiting: bool,
    /// The peer's end was reported: the next read that finds nothing finds the end.
    closed: bool,
}

impl Slot {
    pub(crate) fn new(connection: Arc<Connection>, token: Token, session: Option<Arc<Session>>) -> Slot {
        Slot { connection, token, session, link: None, armed: None }
    }

    /// Does what the session wants, while there is no link.
    pub(crate) fn step(&mut self, shared: &mut Loop) -> Next {
        let Some(session) = self.session.clone() else { return Next::Remove };
        match session.step(self.connection.id, shared.now) {
            Step::Gone => Next::Remove,
            Step::Rest => Next::Keep,
            Step::Until(at) => {
                self.arm(at, shared);
                Next::Keep
            }
            Step::Dial(link) => self.dial(link, shared),
        }
    }

    pub(crate) fn step_if_resting(&mut self, shared: &mut Loop) -> Next {
        if self.link.is_some() { Next::Keep } else { self.step(shared) }
    }

    fn dial(&mut self, link: Box<Link>, shared: &mut Loop) -> Next {
        let connecting = match link.target() {
            Some(target) => self.connection.stack().connect(target, link.bind_ip(), self.connection.core.config()),
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        match connecting {
            Ok(socket) => self.attach(link, socket, true, shared),
            Err(error) => self.lost_before_socket(*link, &error, shared),
        }
    }

    /// A socket that was accepted from `from`.
    pub(crate) fn accepted(&mut self, socket: Arc<dyn ConnectedSocket>, from: SocketAddr, shared: &mut Loop) -> Next {
        let core = Arc::clone(&self.connection.core);
        let Ok(local) = socket.local_addr() else { return Next::Remove };
        let driver = Arc::clone(&self.connection) as _;
        let link = Link::accept(Arc::clone(&core), self.connection.id, driver, local, from, shared.now);
        let next = self.attach(Box::new(link), socket, false, shared);
        // Shut down between the accept and now: nobody else will hang this link up.
        if core.is_stopping() { self.lose(Cause::Closed, shared) } else { next }
    }

    fn attach(
        &mut self,
        link: Box<Link>,
        socket: Arc<dyn ConnectedSocket>,
        connecting: bool,
        shared: &mut Loop,
    ) -> Next {
        let watched = socket.join(&mut shared.pollers, self.token);
        if let Err(error) = watched.and_then(|()| socket.register(&mut *shared.driver, self.token)) {
            return self.lost_before_socket(*link, &error, shared);
        }
        self.connection.write().attach(Arc::clone(&socket));
        self.arm(link.deadline(), shared);
        self.link = Some(Wire { link, socket, connecting, waiting: false, closed: false });
        self.flush(shared)
    }

    fn lost_before_socket(&mut self, link: Link, error: &io::Error, shared: &mut Loop) -> Next {
        tracing::warn!(%error, "cannot open a connection");
        link.lost(cause_of(error), shared.now);
        self.step(shared)
    }

    /// The driver reports readiness.
    pub(crate) fn on_ready(&mut self, event: Ready, shared: &mut Loop) -> Next {
        let Some(wire) = &mut self.link else { return Next::Keep };
        wire.closed |= event.closed;
        if wire.connecting {
            match wire
                .socket
                .is_connected()
                .and_then(|up| if up { wire.socket.local_addr().map(Some) } else { Ok(None) })
            {
                Ok(None) => return Next::Keep,
                Ok(Some(local)) => {
                    wire.connecting = false;
                    wire.link.connected(local);
                    if self.flush(shared) == Next::Remove {
                        return Next::Remove;
                    }
                }
                Err(error) => return self.lose(cause_of(&error), shared),
            }
        } else if event.writable {
            let mut write = self.connection.write();
            if write.is_full() {
                write.writable();
                drop(write);
                if self.flush(shared) == Next::Remove {
                    return Next::Remove;
                }
            }
        }
        if event.readable { self.read(shared) } else { Next::Keep }
    }

    /// Reads and processes what is there, up to the turn's share.
    fn read(&mut self, shared: &mut Loop) -> Next {
        for read in 0..READS_PER_TURN {
            let Some(wire) = &mut self.link else { return Next::Keep };
            if wire.waiting {
                return Next::Keep;
            }
            if let Some(stages) = self.connection.core.stages() {
                // Known since the worker woke, and behind a read that was full, since now.
                wire.link.note_input(if read == 0 { stages.at(shared.now) } else { stages.now() });
            }
            let full = match wire.link.read_with(&mut shared.ahead, |into| wire.socket.read(into)) {
                Ok(Some(full)) => full,
                Ok(None) => return self.lose(Cause::Closed, shared),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wire.link.settle();
                    return Next::Keep;
                }
                Err(_) => return self.lose(Cause::Closed, shared),
            };
            self.connection.hear();
            if self.process(shared) == Next::Remove {
                return Next::Remove;
            }
            let Some(wire) = &mut self.link else { return Next::Keep };
            // A short read has emptied the socket, and the driver reports what comes later.
            if !full && !wire.closed {
                wire.link.settle();
                return Next::Keep;
            }
        }
        shared.again.push(self.token);
        Next::Keep
    }

    /// Works through input that has been read.
    fn process(&mut self, shared: &mut Loop) -> Next {
        self.work(Link::process, shared)
    }

    /// Lets the link work, and does what follows from that.
    fn work(&mut self, work: impl FnOnce(&mut Link, Instant) -> Result<Progress, Cause>, shared: &mut Loop) -> Next {
        let Some(wire) = &mut self.link else { return Next::Keep };
        let progress = match work(&mut wire.link, shared.now) {
            Ok(progress) => progress,
            Err(cause) => {
                // A reply that says why may be waiting.
                self.flush(shared);
                return self.lose(cause, shared);
            }
        };
        if self.session.is_none() {
            self.session = wire.link.session().cloned();
        }
        if wire.waiting != progress.waiting {
            wire.waiting = progress.waiting;
            self.update_interest(shared);
        }
        if let Some(due) = progress.due {
            self.arm(due, shared);
        }
        let opened = self.link.as_ref().filter(|_| progress.opened);
        if let Some((session, wire)) = self.session.as_ref().zip(opened) {
            self.connection.write().open(Arc::clone(session), wire.link.generation());
            // An open connection may be allowed less time than its handshake was.
            let deadline = wire.link.deadline();
            self.arm(deadline, shared);
        }
        let handshaking = self.link.as_ref().is_some_and(|wire| !wire.link.is_open());
        if progress.opened || handshaking { self.flush(shared) } else { Next::Keep }
    }

    /// Writes what the handshake and the session have.
    fn flush(&mut self, shared: &mut Loop) -> Next {
        let Some(wire) = &mut self.link else { return Next::Keep };
        let mut write = self.connection.write();
        for bytes in wire.link.take_output() {
            write.push(bytes);
        }
        if wire.connecting {
            return Next::Keep;
        }
        let wrote = write.run(&self.connection.core);
        drop(write);
        if wrote == Wrote::Share {
            self.connection.post(crate::mailbox::Command::Transmit);
        }
        self.update_interest(shared);
        Next::Keep
    }

    /// Messages wait to be written, or the turn's share was used up.
    pub(crate) fn transmit(&mut self, shared: &mut Loop) -> Next {
        self.flush(shared)
    }

    /// Another thread found the socket full.
    pub(crate) fn want_write(&mut self, shared: &mut Loop) -> Next {
        self.update_interest(shared);
        Next::Keep
    }

    /// Tells a level-triggered driver what to report.
    fn update_interest(&self, shared: &mut Loop) {
        if let Some(wire) = &self.link {
            let write = wire.connecting || self.connection.write().is_full();
            shared.driver.interest(self.token, !wire.waiting, write);
        }
    }

    /// A throttle has room.
    pub(crate) fn resume(&mut self, shared: &mut Loop) -> Next {
        let Some(wire) = &self.link else { return Next::Keep };
        if wire.waiting { self.go_on(Link::resume, shared) } else { Next::Keep }
    }

    /// Lets the link work outside a read, and then reads if it did not because input was held back.
    fn go_on(&mut self, work: impl FnOnce(&mut Link, Instant) -> Result<Progress, Cause>, shared: &mut Loop) -> Next {
        let waited = self.link.as_ref().is_some_and(|wire| wire.waiting);
        if self.work(work, shared) == Next::Remove {
            return Next::Remove;
        }
        let Some(wire) = &self.link else { return Next::Keep };
        let deadline = wire.link.deadline();
        self.arm(deadline, shared);
        // What arrived meanwhile has been reported already.
        if waited { self.read(shared) } else { Next::Keep }
    }

    /// The link is not wanted any more.
    pub(crate) fn hang_up(&mut self, shared: &mut Loop) -> Next {
        if self.link.is_some() { self.lose(Cause::Closed, shared) } else { self.step(shared) }
    }

    pub(crate) fn on_timer(&mut self, shared: &mut Loop) -> Next {
        self.armed = None;
        let Some(wire) = &mut self.link else { return self.step(shared) };
        if let Some(last) = self.connection.write().last() {
            wire.link.wrote(last);
        }
        if wire.link.deadline() > shared.now {
            let deadline = wire.link.deadline();
            self.arm(deadline, shared);
            return Next::Keep;
        }
        self.go_on(Link::on_time, shared)
    }

    fn arm(&mut self, at: Instant, shared: &mut Loop) {
        if self.armed.is_none_or(|armed| at < armed) {
            shared.timers.arm(at, self.token);
            self.armed = Some(at);
        }
    }

    /// Ends the link, and asks the session what comes next.
    fn lose(&mut self, cause: Cause, shared: &mut Loop) -> Next {
        if let Some(wire) = self.link.take() {
            // A link may take a session over and fail in one go: whoever was its driver before, this slot is now.
            if self.session.is_none() {
                self.session = wire.link.session().cloned();
            }
            self.connection.write().detach();
            if let Err(error) = wire.socket.deregister(&mut *shared.driver, self.token) {
                tracing::warn!(%error, "cannot stop watching a connection");
            }
            wire.link.lost(cause, shared.now);
            // Only now does the peer see the end: whoever acts on that finds the session told and the loss counted.
            wire.socket.shutdown();
        }
        self.step(shared)
    }

    /// A dispatcher panicked in the middle of something: what it had received is lost, so the session cannot go on.
    pub(crate) fn give_up(&mut self, shared: &mut Loop) -> Next {
        let session = self.session.clone().or_else(|| self.link.as_ref()?.link.session().cloned());
        if let Some(session) = session {
            session.give_up();
        }
        self.lose(Cause::Closed, shared)
    }

    /// The slot is gone.
    pub(crate) fn removed(self) {
        self.connection.set_token(None);
    }
}

fn cause_of(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::ConnectionRefused { Cause::Refused } else { Cause::Closed }
}
