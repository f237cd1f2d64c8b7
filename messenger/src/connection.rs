//! The handle of a connection, which survives reconnects.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::addr::EntityAddr;
use crate::entity::{EntityName, EntityType};
use crate::error::Error;
use crate::message::Message;
use crate::session::Session;

/// A connection to one peer. Cheap to clone; equal handles are the same connection. When a lossless connection breaks,
/// the handle stays and what was sent on it is replayed.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Session>);

impl Connection {
    /// Queues a message. Returns at once; a message sent on a closed connection is dropped and counted.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when the peer does not keep up; misuse, when a section is longer than its length can tell.
    pub fn send_message(&self, message: Message) -> Result<(), Error> {
        self.0.send(message)
    }

    /// Sends a KEEPALIVE2; [`Connection::last_keepalive_ack`] tells when the answer came.
    pub fn send_keepalive(&self) {
        self.0.send_keepalive();
    }

    /// The stamp (seconds and nanoseconds of this host's wall clock) of the last keepalive the peer answered.
    #[must_use]
    pub fn last_keepalive_ack(&self) -> Option<(u32, u32)> {
        self.0.last_keepalive_ack()
    }

    /// Closes the connection at once, dropping what is queued. No callback follows; the peer sees the socket close.
    pub fn mark_down(&self) {
        self.0.mark_down();
    }

    /// Makes the connection lossy from now on: it ends with its next fault.
    pub fn mark_disposable(&self) {
        self.0.mark_disposable();
    }

    /// True while messages flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_open()
    }

    /// True when this is the connection to ourselves.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }

    /// The peer's address, the key of the connection.
    #[must_use]
    pub fn peer_addr(&self) -> EntityAddr {
        self.0.peer_addr()
    }

    /// The peer's type.
    #[must_use]
    pub fn peer_type(&self) -> EntityType {
        self.0.peer_type()
    }

    /// The peer's name as its last message gave it.
    #[must_use]
    pub fn peer_name(&self) -> Option<EntityName> {
        self.0.peer_name()
    }

    /// Feature bits both sides have; 0 before the first open.
    #[must_use]
    pub fn features(&self) -> u64 {
        self.0.features()
    }

    /// Bytes queued or unacknowledged.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.0.queued_bytes()
    }

    /// A number of its own among the connections of one messenger.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Attaches something of the application's to the connection, replacing what was there.
    pub fn set_priv(&self, value: Option<Arc<dyn Any + Send + Sync>>) {
        self.0.set_priv(value);
    }

    /// What [`Connection::set_priv`] attached, if it is a `T`.
    #[must_use]
    pub fn get_priv<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.get_priv()?.downcast().ok()
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connection {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} to {} {})", self.id(), self.peer_type(), self.peer_addr())
    }
}
