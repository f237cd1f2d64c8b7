//! Messages: the unit everything else moves.

use std::fmt;

use bytes::Bytes;

use crate::entity::EntityName;
use crate::stages::Begun;
use crate::throttle::Permit;

/// Priority of ordinary messages; what a priority of 0 becomes when sent.
pub const PRIORITY_DEFAULT: u16 = 127;
/// Below this, the dispatch queue is fair instead of strict.
pub const PRIORITY_LOW: u16 = 64;
/// Above ordinary messages.
pub const PRIORITY_HIGH: u16 = 196;
/// Above everything but replayed messages, which go first whatever their priority.
pub const PRIORITY_HIGHEST: u16 = 255;

/// Bytes a message counts for, besides its payload, where it waits for something: the message itself and its framing.
pub(crate) const MESSAGE_COST: u64 = 256;

/// A message: a typed header and three payload sections.
///
/// Payloads are reference counted: cloning a message copies no payload. What was received may share one buffer with
/// its neighbours; [`Message::detach`] copies it out for those who keep messages for long.
#[derive(Clone, Default)]
pub struct Message {
    /// Message type, interpreted by the dispatchers only.
    pub kind: u16,
    /// Transaction id, free for the application.
    pub tid: u64,
    /// Higher leaves first; 0 becomes [`PRIORITY_DEFAULT`].
    pub priority: u16,
    /// Encoding version of the payload.
    pub version: u16,
    /// Oldest version of a decoder that can read it; 0 becomes `version`.
    pub compat_version: u16,
    /// Low bits of the data's offset, an alignment hint.
    pub data_off: u16,
    /// Typed payload, usually small. At most 4 GiB on the wire, as each section; receivers cap it lower.
    pub front: Bytes,
    /// Second typed payload, usually empty.
    pub middle: Bytes,
    /// Bulk payload.
    pub data: Bytes,
    /// Sequence number in its direction of the session; set when sent and when received.
    pub seq: u64,
    /// Sender; set by the messenger.
    pub source: Option<EntityName>,
    pub(crate) permits: Permits,
    pub(crate) begun: Begun,
}

/// What a received message holds of the throttles. A clone holds nothing: it is another message.
#[derive(Default)]
pub(crate) struct Permits {
    /// Until it is dispatched.
    pub(crate) dispatch: Option<Permit>,
    /// Those of the policy's throttles, until it is dropped. Few policies have any.
    pub(crate) policy: Vec<Permit>,
}

impl Clone for Permits {
    fn clone(&self) -> Permits {
        Permits::default()
    }
}

impl Message {
    /// A message of type `kind` without payload.
    #[must_use]
    pub fn new(kind: u16) -> Message {
        Message { kind, version: 1, compat_version: 1, ..Message::default() }
    }

    /// Sets the transaction id.
    #[must_use]
    pub fn with_tid(mut self, tid: u64) -> Message {
        self.tid = tid;
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn with_priority(mut self, priority: u16) -> Message {
        self.priority = priority;
        self
    }

    /// Sets the front section.
    #[must_use]
    pub fn with_front(mut self, front: impl Into<Bytes>) -> Message {
        self.front = front.into();
        self
    }

    /// Sets the middle section.
    #[must_use]
    pub fn with_middle(mut self, middle: impl Into<Bytes>) -> Message {
        self.middle = middle.into();
        self
    }

    /// Sets the data section.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Bytes>) -> Message {
        self.data = data.into();
        self
    }

    /// Payload bytes: front, middle and data.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        self.front.len() as u64 + self.middle.len() as u64 + self.data.len() as u64
    }

    /// What the message counts for in a queue.
    pub(crate) fn queue_cost(&self) -> u64 {
        self.payload_len() + MESSAGE_COST
    }

    /// Copies the payload out of the receive buffer it may share with other messages, so that keeping this message
    /// does not keep their bytes alive.
    #[must_use]
    pub fn detach(mut self) -> Message {
        for section in [&mut self.front, &mut self.middle, &mut self.data] {
            *section = Bytes::copy_from_slice(section);
        }
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("seq", &self.seq)
            .field("tid", &self.tid)
            .field("priority", &self.priority)
            .field("source", &self.source)
            .field("front", &self.front.len())
            .field("middle", &self.middle.len())
            .field("data", &self.data.len())
            .finish_non_exhaustive()
    }
}
