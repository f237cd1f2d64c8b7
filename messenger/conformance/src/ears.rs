//! A dispatcher that tells what it is told, and counts messages as a server with sessions would.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::Sender;

use msgr::{Connection, Dispatcher, Message};

/// What a dispatcher was told.
#[derive(Debug)]
pub enum Heard {
    /// A message, from `ms_fast_dispatch`.
    Fast(Connection, Message),
    /// A message, from `ms_dispatch`.
    Queued(Connection, Message),
    /// `ms_handle_connect`.
    Connect(Connection),
    /// `ms_handle_accept`.
    Accept(Connection),
    /// `ms_handle_reset`.
    Reset(Connection),
    /// `ms_handle_remote_reset`.
    RemoteReset(Connection),
    /// `ms_handle_refused`.
    Refused(Connection),
}

impl Heard {
    /// The connection it concerns.
    pub fn into_connection(self) -> Connection {
        match self {
            Heard::Fast(connection, _) | Heard::Queued(connection, _) => connection,
            Heard::Connect(connection)
            | Heard::Accept(connection)
            | Heard::Reset(connection)
            | Heard::RemoteReset(connection)
            | Heard::Refused(connection) => connection,
        }
    }
}

/// What a case does in a dispatch callback before the message is reported.
pub type React = Box<dyn Fn(&Connection, &Message) + Send + Sync>;

/// Answers a message with the same message.
pub fn echo() -> React {
    Box::new(|connection, message| connection.send_message(message.clone()).unwrap())
}

/// What an application keeps for a connection: made when it opens, dropped when the peer is gone or forgot it.
#[derive(Default)]
struct Session(AtomicU64);

/// How many messages came over `connection` in its present session; `None` when it has none.
pub fn session_count(connection: &Connection) -> Option<u64> {
    connection.get_priv::<Session>().map(|session| session.0.load(SeqCst))
}

pub(crate) struct Ears {
    pub(crate) fast: bool,
    pub(crate) react: React,
    pub(crate) heard: Mutex<Sender<Heard>>,
}

impl Ears {
    fn hear(&self, heard: Heard) {
        // A case that is over listens no more.
        let _ = self.heard.lock().unwrap().send(heard);
    }

    fn count(connection: &Connection) {
        // The queued news of a reset may come after the session that followed it was opened.
        let session = connection.get_priv::<Session>().unwrap_or_default();
        session.0.fetch_add(1, SeqCst);
        connection.set_priv(Some(session));
    }

    fn forget(connection: &Connection) {
        connection.set_priv(None);
    }
}

impl Dispatcher for Ears {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        self.fast
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        self.fast
    }
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        Ears::count(connection);
        (self.react)(connection, &message);
        self.hear(Heard::Fast(connection.clone(), message));
    }
    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        Ears::count(connection);
        (self.react)(connection, &message);
        self.hear(Heard::Queued(connection.clone(), message));
        None
    }
    fn ms_handle_fast_connect(&self, connection: &Connection) {
        if session_count(connection).is_none() {
            connection.set_priv(Some(Arc::new(Session::default())));
        }
    }
    fn ms_handle_fast_accept(&self, connection: &Connection) {
        self.ms_handle_fast_connect(connection);
    }
    fn ms_handle_connect(&self, connection: &Connection) {
        self.hear(Heard::Connect(connection.clone()));
    }
    fn ms_handle_accept(&self, connection: &Connection) {
        self.hear(Heard::Accept(connection.clone()));
    }
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        Ears::forget(connection);
        self.hear(Heard::Reset(connection.clone()));
        true
    }
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        Ears::forget(connection);
        self.hear(Heard::RemoteReset(connection.clone()));
    }
    fn ms_handle_refused(&self, connection: &Connection) -> bool {
        self.hear(Heard::Refused(connection.clone()));
        true
    }
}
