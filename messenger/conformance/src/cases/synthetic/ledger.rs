//! What was sent and is not answered yet, and what must hold of every answer.
//!
//! Numbers are given to pings in the order in which they are sent, over all connections. On each connection:
//!
//! * pings arrive in order, and none twice;
//! * a pong answers the oldest ping that is not answered, with the content it had;
//! * unless the session is reset. Then what was outstanding may or may not have been answered, and the dispatcher is
//!   told. The news are queued while messages are not, so a pong sent after a reset may come before them: a pong that
//!   skips pings is right if the news of a reset follow.
//!
//! Upstream forgets what is outstanding whenever a connection opens, a reconnect included, and so does not see what a
//! reconnect loses.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Which connection of which messenger.
pub(super) type Key = (usize, u64);

#[derive(Default)]
struct Account {
    /// Sent and not answered, oldest first.
    outstanding: VecDeque<u64>,
    /// Skipped by a pong, with no news of a reset yet.
    unexplained: Vec<u64>,
}

/// What a connection still owes.
#[derive(Debug)]
pub(super) struct Debt {
    pub(super) key: Key,
    /// Pings without an answer.
    pub(super) outstanding: Vec<u64>,
    /// Pings that a pong skipped, though no reset was told.
    pub(super) skipped: Vec<u64>,
}

/// See the module.
pub(super) struct Ledger {
    payloads: Vec<Bytes>,
    books: Mutex<Books>,
    changed: Condvar,
}

#[derive(Default)]
struct Books {
    /// The payload of every ping, by its number.
    pings: Vec<usize>,
    accounts: HashMap<Key, Account>,
    /// Connections that are over.
    over: HashSet<Key>,
    /// Pings that went down with their session, or may have.
    given_up: HashSet<u64>,
    /// The last ping received, by the connection that it came over.
    received: HashMap<Key, u64>,
    answered: u64,
    /// What did not hold.
    wrong: Vec<String>,
}

impl Books {
    fn outstanding(&self) -> usize {
        self.accounts.values().map(|account| account.outstanding.len()).sum()
    }

    fn unexplained(&self) -> usize {
        self.accounts.values().map(|account| account.unexplained.len()).sum()
    }
}

impl Ledger {
    /// An empty ledger for pings with these payloads.
    pub(super) fn new(payloads: Vec<Bytes>) -> Ledger {
        Ledger { payloads, books: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// A ping with this payload is about to be sent; returns its number and the payload.
    pub(super) fn ping(&self, key: Key, payload: usize) -> (u64, Bytes) {
        let mut books = self.lock();
        let number = books.pings.len() as u64;
        books.pings.push(payload);
        if books.over.contains(&key) {
            books.given_up.insert(number);
        } else {
            books.accounts.entry(key).or_default().outstanding.push_back(number);
        }
        (number, self.payloads[payload].clone())
    }

    /// A ping arrived.
    pub(super) fn received(&self, key: Key, number: u64) {
        let mut books = self.lock();
        let before = books.received.insert(key, number);
        if let Some(before) = before.filter(|before| *before >= number) {
            books.wrong.push(format!("connection {key:?} delivers ping {number} after {before}"));
        }
    }

    /// A pong arrived.
    pub(super) fn pong(&self, key: Key, number: u64, content: &Bytes) {
        let mut books = self.lock();
        let payload = books.pings.get(number as usize).map(|payload| &self.payloads[*payload]);
        if payload != Some(content) {
            books.wrong.push(format!("connection {key:?} answers ping {number} with another content"));
        }
        if books.given_up.remove(&number) {
            return;
        }
        let account = books.accounts.entry(key).or_default();
        let Some(skipped) = account.outstanding.iter().position(|sent| *sent == number) else {
            books.wrong.push(format!("connection {key:?} answers ping {number}, which it does not owe an answer"));
            return;
        };
        account.unexplained.extend(account.outstanding.drain(..=skipped).take(skipped));
        books.answered += 1;
        self.changed.notify_all();
    }

    /// The peer forgot the session: what is outstanding went with it.
    pub(super) fn session_reset(&self, key: Key) {
        let mut books = self.lock();
        if let Some(account) = books.accounts.get_mut(&key) {
            account.unexplained.clear();
            let outstanding = std::mem::take(&mut account.outstanding);
            books.given_up.extend(outstanding);
        }
        self.changed.notify_all();
    }

    /// The connection is over.
    pub(super) fn connection_over(&self, key: Key) {
        let mut books = self.lock();
        books.over.insert(key);
        if let Some(account) = books.accounts.remove(&key) {
            books.given_up.extend(account.outstanding);
        }
        self.changed.notify_all();
    }

    /// Whether the connection is over.
    pub(super) fn is_over(&self, key: Key) -> bool {
        self.lock().over.contains(&key)
    }

    /// Something must not have happened.
    pub(super) fn wrong(&self, what: String) {
        self.lock().wrong.push(what);
        self.changed.notify_all();
    }

    /// Waits until no more than `most` pings are outstanding and, if that is none, every reset has been told. Else returns
    /// the connections concerned, each with what is outstanding and what a pong skipped.
    pub(super) fn wait_until_outstanding(&self, most: usize, patience: Duration) -> Result<(), Vec<Debt>> {
        let begun = Instant::now();
        let mut books = self.lock();
        loop {
            if !books.wrong.is_empty() {
                // Not under the lock: the messengers go on, and would trip over it.
                let wrong = std::mem::take(&mut books.wrong);
                drop(books);
                panic!("{wrong:#?}");
            }
            if books.outstanding() <= most && (most > 0 || books.unexplained() == 0) {
                return Ok(());
            }
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                let debts = books.accounts.iter().map(|(key, it)| Debt {
                    key: *key,
                    outstanding: it.outstanding.iter().copied().collect(),
                    skipped: it.unexplained.clone(),
                });
                return Err(debts.filter(|debt| debt.outstanding.len() + debt.skipped.len() > 0).collect());
            }
            books = self.changed.wait_timeout(books, left).unwrap().0;
        }
    }

    /// Pings sent, and how many of them were answered as they had to be.
    pub(super) fn summary(&self) -> (usize, u64) {
        let books = self.lock();
        (books.pings.len(), books.answered)
    }
}
