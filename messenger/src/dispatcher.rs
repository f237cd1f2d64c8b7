//! What an application implements: the callbacks of a messenger.

use crate::connection::Connection;
use crate::entity::EntityType;
use crate::message::Message;

/// Which queued events a dispatcher wants. Events nobody wants are not queued, so a messenger whose dispatchers are
/// all fast never starts its dispatch thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// None.
    pub const NONE: Events = Events(0);
    /// [`Dispatcher::ms_handle_connect`].
    pub const CONNECT: Events = Events(1);
    /// [`Dispatcher::ms_handle_accept`].
    pub const ACCEPT: Events = Events(2);
    /// [`Dispatcher::ms_handle_reset`].
    pub const RESET: Events = Events(4);
    /// [`Dispatcher::ms_handle_remote_reset`].
    pub const REMOTE_RESET: Events = Events(8);
    /// [`Dispatcher::ms_handle_refused`].
    pub const REFUSED: Events = Events(16);
    /// All of them.
    pub const ALL: Events = Events(31);

    /// True when all of `other` are in `self`.
    #[must_use]
    pub const fn contains(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Events {
    type Output = Events;
    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

/// Credentials a connector shows in its handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorizer {
    /// 0 none, 1 auth none, 2 cephx.
    pub protocol: u32,
    /// The bytes the verifier reads.
    pub data: Vec<u8>,
}

/// An acceptor's answer to an [`Authorizer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthVerdict {
    /// Let the peer in; the bytes go back to it.
    Accept(Vec<u8>),
    /// Answer BADAUTHORIZER.
    Reject,
    /// Answer CHALLENGE_AUTHORIZER with these bytes and wait for another connect.
    Challenge(Vec<u8>),
}

/// Receives messages and connection events.
///
/// | callback | thread |
/// |---|---|
/// | `ms_can_fast_dispatch`, `ms_fast_*`, `ms_handle_fast_*`, `ms_get_authorizer`, `ms_verify_authorizer` | the one that reads the connection, its reader or worker, before it reads on: do not block. For what a messenger sends to itself, its local-delivery thread |
/// | `ms_dispatch`, the other `ms_handle_*` | the messenger's one dispatch thread |
/// | `ms_can_fast_dispatch_any`, `ms_events` | the one that adds the dispatcher |
///
/// Any callback may send, connect, mark connections down and shut the messenger down; no lock of the messenger is held
/// while one runs. Messages of one connection that take the same route arrive in the order in which they were sent; a
/// fast-dispatched message may overtake a queued one.
pub trait Dispatcher: Send + Sync {
    /// Whether [`Dispatcher::ms_can_fast_dispatch`] can ever be true. Asked once, when the dispatcher is added.
    fn ms_can_fast_dispatch_any(&self) -> bool {
        false
    }

    /// Whether this message is to be dispatched from the receiving thread. Must be quick and depend on the message
    /// alone.
    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        let _ = message;
        false
    }

    /// Sees every received message in receive order, before it is routed.
    fn ms_fast_preprocess(&self, message: &Message) {
        let _ = message;
    }

    /// A message for which [`Dispatcher::ms_can_fast_dispatch`] was true. May still see one message of a connection
    /// that it has just marked down.
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let _ = (connection, message);
    }

    /// A queued message. Dispatchers are asked in order until one takes it; one whose message it is not gives it back.
    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        let _ = connection;
        Some(message)
    }

    /// Which of the queued events below this dispatcher wants. Asked once, when it is added.
    fn ms_events(&self) -> Events {
        Events::ALL
    }

    /// A connection this side dialled is open, before any message of it is dispatched. So is the loopback connection, when
    /// the first message is sent on it.
    fn ms_handle_fast_connect(&self, connection: &Connection) {
        let _ = connection;
    }

    /// A connection the peer dialled is open, before any message of it is dispatched.
    fn ms_handle_fast_accept(&self, connection: &Connection) {
        let _ = connection;
    }

    /// A dialled connection opened, again too after a reconnect.
    fn ms_handle_connect(&self, connection: &Connection) {
        let _ = connection;
    }

    /// An accepted connection opened.
    fn ms_handle_accept(&self, connection: &Connection) {
        let _ = connection;
    }

    /// A lossy connection broke, or one was marked down by address; it is over. True ends the round of dispatchers.
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        let _ = connection;
        false
    }

    /// The peer forgot the session: what was queued or unacknowledged is gone, the connection goes on.
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        let _ = connection;
    }

    /// The peer's host refused the dial (ECONNREFUSED). True ends the round of dispatchers.
    fn ms_handle_refused(&self, connection: &Connection) -> bool {
        let _ = connection;
        false
    }

    /// Credentials to show a peer of this type; the first dispatcher that gives some is taken. Asked again, at most
    /// twice for one link, when the peer rejects them or answers with a challenge.
    fn ms_get_authorizer(&self, peer: EntityType, challenge: Option<&[u8]>) -> Option<Authorizer> {
        let _ = (peer, challenge);
        None
    }

    /// Judges a peer's credentials; the first dispatcher with an opinion decides, and without any the peer is let in.
    fn ms_verify_authorizer(&self, peer: EntityType, authorizer: &Authorizer) -> Option<AuthVerdict> {
        let _ = (peer, authorizer);
        None
    }
}
