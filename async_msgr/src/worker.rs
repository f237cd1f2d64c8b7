//! A worker: one thread, one event loop, many connections.
//!
//! A turn: wait for readiness; serve the sockets that are ready; fire the timers that are due; run the commands of
//! other threads; go on with what used up its share last time. Each share is bounded, so no connection waits for
//! another one's flood.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use msgr::session::{ReadAhead, Session};
use msgr::stats::ThreadCounter;
use msgr::sync::{Arc, thread, thread_local};
use msgr::{Core, Stage};
use slab::Slab;

use crate::connection::Connection;
use crate::driver::{EventDriver, Ready, Token};
use crate::mailbox::{Command, Mailbox};
use crate::pollers::Pollers;
use crate::processor::{ACCEPT_PAUSE, Accepting, Processor};
use crate::slot::{Next, Slot};
use crate::timers::Timers;

/// Pause after the driver failed to wait, so that a persistent failure does not spin.
const DRIVER_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// Address of the mailbox of the worker that runs on this thread, 0 on other threads.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is the worker with this mailbox.
pub(crate) fn is_current(mailbox: &Arc<Mailbox>) -> bool {
    CURRENT.with(Cell::get) == Arc::as_ptr(mailbox).addr()
}

/// Whether this thread is a worker.
pub(crate) fn is_worker() -> bool {
    CURRENT.with(Cell::get) != 0
}

enum Entry {
    Connection(Slot),
    Listener(Box<Processor>),
}

/// What the slots of a worker share.
pub(crate) struct Loop {
    pub(crate) driver: Box<dyn EventDriver>,
    pub(crate) pollers: Pollers,
    pub(crate) timers: Timers,
    pub(crate) ahead: ReadAhead,
    /// Slots to go on with in the next turn.
    pub(crate) again: Vec<Token>,
    pub(crate) now: Instant,
}

/// See the module.
pub(crate) struct Worker {
    mailbox: Arc<Mailbox>,
    entries: Slab<Entry>,
    shared: Loop,
    busy_poll: Duration,
    /// The last wait was ended, or was about to be, by somebody who queued a command.
    rung: bool,
}

impl Worker {
    pub(crate) fn new(driver: Box<dyn EventDriver>, mailbox: Arc<Mailbox>, busy_poll_us: u64) -> Worker {
        let shared = Loop {
            driver,
            pollers: Pollers::default(),
            timers: Timers::default(),
            ahead: ReadAhead::new(),
            again: Vec::new(),
            now: Instant::now(),
        };
        Worker { mailbox, entries: Slab::new(), shared, busy_poll: Duration::from_micros(busy_poll_us), rung: false }
    }

    /// Counts its calls that wait for readiness.
    pub(crate) fn waits(&self) -> Arc<ThreadCounter> {
        Arc::clone(self.shared.pollers.waits())
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        CURRENT.with(|it| it.set(Arc::as_ptr(&self.mailbox).addr()));
        let mut ready = Vec::new();
        let mut commands = Vec::new();
        let mut again = Vec::new();
        loop {
            if let Err(error) = self.wait(&mut ready) {
                tracing::error!(%error, "a worker cannot wait for its sockets");
                thread::sleep(DRIVER_PAUSE);
            }
            self.shared.now = Instant::now();
            for event in ready.drain(..) {
                self.on_ready(event);
            }
            while let Some(token) = self.shared.timers.due(self.shared.now) {
                self.on_timer(token);
            }
            if let Some((core, at)) = self.mailbox.take(&mut commands)
                && let Some(stages) = core.stages().filter(|_| self.rung)
            {
                stages.record(Stage::Woken, at, stages.at(self.shared.now), 1);
            }
            for command in commands.drain(..) {
                if matches!(command, Command::Stop) {
                    self.shared.pollers.finish();
                    return;
                }
                self.run_command(command);
            }
            std::mem::swap(&mut again, &mut self.shared.again);
            for token in again.drain(..) {
                self.on_ready(Ready { token, readable: true, writable: false, closed: false });
            }
        }
    }

    /// Waits for readiness: not at all while there is work left, and only after polling for as long as the options say.
    fn wait(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.rung = false;
        let no_time = Some(Duration::ZERO);
        let Loop { driver, pollers, timers, again, now, .. } = &mut self.shared;
        if !again.is_empty() {
            return pollers.wait(&mut **driver, ready, no_time);
        }
        let busy_poll = self.busy_poll.max(pollers.busy_poll());
        if !busy_poll.is_zero() {
            let begun = Instant::now();
            let until = timers.until_next(begun).map_or(busy_poll, |next| next.min(busy_poll));
            while begun.elapsed() < until {
                pollers.spin(&mut **driver, ready, || self.mailbox.is_pending())?;
                if !ready.is_empty() || self.mailbox.is_pending() {
                    return Ok(());
                }
            }
        }
        // The turn's own time: a timer may be late by the length of a turn.
        let timeout = timers.until_next(*now);
        let timeout = if self.mailbox.before_sleep() { no_time } else { timeout };
        let result = pollers.wait(&mut **driver, ready, timeout);
        self.rung = self.mailbox.after_sleep();
        result
    }

    fn on_ready(&mut self, event: Ready) {
        match self.entries.get_mut(event.token.0) {
            Some(Entry::Connection(_)) => self.serve(event.token, |slot, shared| slot.on_ready(event, shared)),
            Some(Entry::Listener(processor)) => match processor.accept() {
                Accepting::Idle => {}
                Accepting::Again => self.shared.again.push(event.token),
                Accepting::Pause => {
                    self.shared.driver.interest(event.token, false, false);
                    self.shared.timers.arm(self.shared.now + ACCEPT_PAUSE, event.token);
                }
            },
            // Closed earlier in this turn.
            None => {}
        }
    }

    fn on_timer(&mut self, token: Token) {
        match self.entries.get_mut(token.0) {
            Some(Entry::Connection(_)) => self.serve(token, Slot::on_timer),
            Some(Entry::Listener(_)) => {
                self.shared.driver.interest(token, true, false);
                self.on_ready(Ready { token, readable: true, writable: false, closed: false });
            }
            None => {}
        }
    }

    fn run_command(&mut self, command: Command) {
        match command {
            Command::Start(connection, session) => self.insert(connection, Some(session), Slot::step),
            Command::Accepted(connection, socket, from) => {
                self.insert(connection, None, |slot, shared| slot.accepted(socket, from, shared));
            }
            Command::Step(connection) => self.with_slot(&connection, Slot::step_if_resting),
            Command::Transmit(connection) => self.with_slot(&connection, Slot::transmit),
            Command::WantWrite(connection) => self.with_slot(&connection, Slot::want_write),
            Command::Resume(connection) => self.with_slot(&connection, Slot::resume),
            Command::HangUp(connection) => self.with_slot(&connection, Slot::hang_up),
            Command::Listen(processor) => self.listen(processor),
            Command::Unlisten(core) => self.unlisten(&core),
            Command::Stop => {}
        }
    }

    fn insert(
        &mut self,
        connection: Arc<Connection>,
        session: Option<Arc<Session>>,
        begin: impl FnOnce(&mut Slot, &mut Loop) -> Next,
    ) {
        let entry = self.entries.vacant_entry();
        let token = Token(entry.key());
        connection.set_token(Some(token));
        entry.insert(Entry::Connection(Slot::new(connection, token, session)));
        self.serve(token, begin);
    }

    fn with_slot(&mut self, connection: &Connection, act: impl FnOnce(&mut Slot, &mut Loop) -> Next) {
        if let Some(token) = connection.token() {
            self.serve(token, act);
        }
    }

    /// Lets a slot act. A dispatcher that panics costs its connection, and not the others of this worker.
    fn serve(&mut self, token: Token, act: impl FnOnce(&mut Slot, &mut Loop) -> Next) {
        let Some(Entry::Connection(slot)) = self.entries.get_mut(token.0) else { return };
        let shared = &mut self.shared;
        // What a panic may leave half done is the slot's, and that is given up.
        let next = catch_unwind(AssertUnwindSafe(|| act(slot, shared))).unwrap_or_else(|_| {
            tracing::error!("a dispatcher panicked; its connection is given up");
            slot.give_up(shared)
        });
        if next == Next::Remove
            && let Some(Entry::Connection(slot)) = self.entries.try_remove(token.0)
        {
            slot.removed();
        }
    }

    fn listen(&mut self, processor: Box<Processor>) {
        let entry = self.entries.vacant_entry();
        let token = Token(entry.key());
        if let Err(error) = processor.socket.register(&mut *self.shared.driver, token) {
            tracing::error!(%error, "cannot watch the listening socket");
            return;
        }
        self.shared.driver.interest(token, true, false);
        entry.insert(Entry::Listener(processor));
        // Whoever connected between the bind and now.
        self.on_ready(Ready { token, readable: true, writable: false, closed: false });
    }

    fn unlisten(&mut self, core: &Arc<Core>) {
        let its = |entry: &Entry| matches!(entry, Entry::Listener(it) if Arc::ptr_eq(&it.core, core));
        let found = self.entries.iter().find(|(_, entry)| its(entry));
        let Some(key) = found.map(|(key, _)| key) else { return };
        if let Entry::Listener(processor) = self.entries.remove(key)
            && let Err(error) = processor.socket.deregister(&mut *self.shared.driver, Token(key))
        {
            tracing::warn!(%error, "cannot stop watching the listening socket");
        }
    }
}
