//! Who is connected to whom.

use std::collections::HashMap;
use std::sync::Arc;

use crate::addr::EntityAddr;
use crate::session::{Driver, Session};

/// The sessions of one messenger, and the accepted sockets that have none yet. Behind the messenger's registry lock,
/// which is always taken before a session's.
#[derive(Default)]
pub(crate) struct Registry {
    by_addr: HashMap<EntityAddr, Arc<Session>>,
    by_id: HashMap<u64, Arc<Session>>,
    accepting: HashMap<u64, Arc<dyn Driver>>,
    /// When a session was last forgotten that had an address, by the count of [`crate::Core::next_id`].
    forgotten: u64,
}

impl Registry {
    /// The session registered under `addr`. It may be closed and about to be removed.
    pub(crate) fn by_addr(&self, addr: &EntityAddr) -> Option<Arc<Session>> {
        self.by_addr.get(addr).cloned()
    }

    /// Adds a session, under `addr` unless it is anonymous.
    pub(crate) fn insert(&mut self, session: &Arc<Session>, addr: Option<EntityAddr>) {
        if let Some(addr) = addr
            && self.by_addr.insert(addr, Arc::clone(session)).is_some()
        {
            // The one before was closed, and nobody will find it to be removed.
            self.forgotten = session.id();
        }
        self.by_id.insert(session.id(), Arc::clone(session));
    }

    /// Removes a session at the count `at`, unless another one has taken its address meanwhile.
    pub(crate) fn remove(&mut self, session: &Arc<Session>, addr: &EntityAddr, at: u64) {
        self.by_id.remove(&session.id());
        if self.by_addr.get(addr).is_some_and(|other| Arc::ptr_eq(other, session)) {
            self.by_addr.remove(addr);
            self.forgotten = at;
        }
    }

    /// Whether a session was forgotten after the count `since`.
    pub(crate) fn has_forgotten(&self, since: u64) -> bool {
        since < self.forgotten
    }

    /// All sessions, in the order in which they began: what is done to all of them is repeatable.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        in_order(&self.by_id)
    }

    /// All accepted sockets without a session, likewise.
    pub(crate) fn accepting(&self) -> Vec<Arc<dyn Driver>> {
        in_order(&self.accepting)
    }

    pub(crate) fn insert_accepting(&mut self, id: u64, driver: &Arc<dyn Driver>) {
        self.accepting.insert(id, Arc::clone(driver));
    }

    pub(crate) fn remove_accepting(&mut self, id: u64) {
        self.accepting.remove(&id);
    }
}

fn in_order<T: Clone>(by_id: &HashMap<u64, T>) -> Vec<T> {
    let mut all: Vec<_> = by_id.iter().collect();
    all.sort_unstable_by_key(|(id, _)| **id);
    all.into_iter().map(|(_, item)| item.clone()).collect()
}
