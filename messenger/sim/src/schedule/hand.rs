//! What an application does with its messenger, whether of its own accord or in a callback.

use std::sync::{Arc, Mutex, MutexGuard};

use msgr::{Connection, EntityAddr, Messenger};

use crate::node::Node;

use super::ledger::{DownBy, Ledger};
use super::step::Down;

/// An application's grip on its messenger.
pub(crate) struct Hand {
    pub(crate) life: usize,
    pub(crate) node: Arc<Node>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

impl Hand {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// A connection to a place, as an application comes by one: a server waits for its clients.
    pub(crate) fn connection(&self, to: usize) -> Option<(usize, Connection)> {
        let (from, address, serves, kind) = {
            let ledger = self.ledger();
            let from = ledger.lives[self.life].place;
            let places = &ledger.setting.places;
            (from, ledger.known[from][to], places[from].policy.server, places[to].name.kind)
        };
        let dials = from != to && !serves && address.port() != 0;
        let connection = if from == to {
            self.node.loopback_connection()
        } else if dials {
            self.node.connect_to(kind, address).unwrap()
        } else {
            let ledger = self.ledger();
            let current = ledger.current(self.life, to)?;
            ledger.handles[current].connection.clone()
        };
        let mut ledger = self.ledger();
        let on = ledger.handle(self.life, &connection);
        if dials && ledger.handles[on].ended.is_some() {
            ledger.violated(|ledger| format!("{}: handed out after its end", ledger.name(on)));
        }
        Some((on, connection))
    }

    pub(crate) fn send(&self, to: usize, count: u32) {
        let Some((on, connection)) = self.connection(to) else { return };
        for _ in 0..count {
            self.send_on(on, &connection);
        }
    }

    pub(crate) fn send_on(&self, on: usize, connection: &Connection) {
        let message = self.ledger().compose(on, false);
        connection.send_message(message).unwrap();
    }

    pub(crate) fn keepalive(&self, to: usize) {
        if let Some((_, connection)) = self.connection(to) {
            connection.send_keepalive();
        }
    }

    pub(crate) fn mark_down(&self, to: usize, how: Down) {
        match how {
            Down::Handle => {
                let current = self.ledger().current(self.life, to);
                if let Some(on) = current {
                    self.mark_down_handle(on);
                }
            }
            Down::Address => {
                let address = {
                    let ledger = self.ledger();
                    ledger.known[ledger.lives[self.life].place][to]
                };
                self.give_up(address);
            }
            Down::All => self.down_by_address(|_| true, || self.node.mark_down_all()),
            Down::Disposable => {
                let Some(on) = self.ledger().current(self.life, to) else { return };
                let connection = self.ledger().handles[on].connection.clone();
                self.ledger().handles[on].disposable = true;
                connection.mark_disposable();
            }
        }
    }

    pub(crate) fn mark_down_handle(&self, on: usize) {
        let connection = {
            let mut ledger = self.ledger();
            ledger.ended(on, DownBy::Handle);
            ledger.handles[on].connection.clone()
        };
        connection.mark_down();
    }

    /// Marks an address down.
    pub(crate) fn give_up(&self, address: EntityAddr) {
        self.down_by_address(|of| of == address, || self.node.mark_down(address));
    }

    /// Moves the messenger to another port, which ends all connections.
    pub(crate) fn rebind(&self) {
        self.down_by_address(
            |_| true,
            || {
                self.node.rebind(&[]).unwrap();
            },
        );
    }

    /// Marks down by address, after noting which connections that may end.
    fn down_by_address(&self, which: impl Fn(EntityAddr) -> bool, down: impl FnOnce()) {
        let open =
            || -> Vec<bool> { self.ledger().handles.iter().map(|handle| handle.connection.is_connected()).collect() };
        let before = open();
        down();
        let after = open();
        let mut ledger = self.ledger();
        ledger.lives[self.life].marked_down = true;
        for on in 0..ledger.handles.len() {
            let handle = &mut ledger.handles[on];
            if handle.life != self.life || handle.ended.is_some() || !which(handle.connection.peer_addr()) {
                continue;
            }
            handle.may_reset = true;
            if before[on] && !after[on] {
                ledger.ended(on, DownBy::Address);
            }
        }
    }
}
