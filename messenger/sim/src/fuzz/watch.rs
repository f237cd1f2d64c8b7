//! The node's dispatcher: notes what happens, in order, and does on request what applications do in callbacks.

use std::sync::Mutex;

use msgr::{AuthVerdict, Authorizer, Connection, Dispatcher, EntityAddr, EntityType, Message};

use crate::QUEUED;

/// A message of this kind is sent back.
const ECHOED: u16 = 2;
/// A message of this kind is kept, with its share of the throttles.
const KEPT: u16 = 3;
/// A message of this kind has its connection marked down.
const CLOSES: u16 = 4;
/// Messages kept at once.
const KEPT_MAX: usize = 16;

/// What a node's dispatcher saw of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// It opened, for the first time or again.
    Opened { id: u64, peer: EntityAddr },
    /// A message came, in the thread that receives.
    Message { id: u64, seq: u64 },
    /// A message came by the queue, which does not keep to the order of the others.
    Queued { id: u64, seq: u64 },
}

/// A kind of message, mostly one that is only noted.
pub(super) fn kind(byte: u8) -> u16 {
    match byte {
        0..0xa0 => 1,
        0xa0..0xc0 => ECHOED,
        0xc0..0xe0 => KEPT,
        0xe0..0xf0 => QUEUED,
        0xf0.. => CLOSES,
    }
}

/// See the module.
pub(super) struct Watch {
    /// The peer that is no fuzzer, and whose messages are not noted.
    friend: EntityAddr,
    /// Transaction ids of the friend's messages.
    heard: Mutex<Vec<u64>>,
    notes: Mutex<Vec<Note>>,
    kept: Mutex<Vec<Message>>,
    /// Whether peers are shown credentials.
    shows: bool,
}

impl Watch {
    pub(super) fn new(friend: EntityAddr, shows: bool) -> Watch {
        Watch { friend, heard: Mutex::default(), notes: Mutex::default(), kept: Mutex::default(), shows }
    }

    pub(super) fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap())
    }

    pub(super) fn heard(&self) -> Vec<u64> {
        self.heard.lock().unwrap().clone()
    }

    /// Drops the messages that were kept.
    pub(super) fn release(&self) {
        drop(std::mem::take(&mut *self.kept.lock().unwrap()));
    }

    fn opened(&self, connection: &Connection) {
        self.notes.lock().unwrap().push(Note::Opened { id: connection.id(), peer: connection.peer_addr() });
    }
}

impl Dispatcher for Watch {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        message.kind < QUEUED
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        if connection.peer_addr() == self.friend {
            return self.heard.lock().unwrap().push(message.tid);
        }
        self.notes.lock().unwrap().push(Note::Message { id: connection.id(), seq: message.seq });
        match message.kind {
            // Refused only when the queue is full, which a peer that does not read may cause.
            ECHOED => drop(connection.send_message(message)),
            KEPT => {
                let mut kept = self.kept.lock().unwrap();
                if kept.len() < KEPT_MAX {
                    kept.push(message);
                }
            }
            CLOSES => connection.mark_down(),
            _ => {}
        }
    }

    fn ms_dispatch(&self, connection: &Connection, message: Message) -> Option<Message> {
        self.notes.lock().unwrap().push(Note::Queued { id: connection.id(), seq: message.seq });
        None
    }

    fn ms_handle_fast_connect(&self, connection: &Connection) {
        self.opened(connection);
    }

    fn ms_handle_fast_accept(&self, connection: &Connection) {
        self.opened(connection);
    }

    fn ms_get_authorizer(&self, _: EntityType, challenge: Option<&[u8]>) -> Option<Authorizer> {
        let data = challenge.map_or(vec![1, 2, 3], <[u8]>::to_vec);
        self.shows.then_some(Authorizer { protocol: 1, data })
    }

    fn ms_verify_authorizer(&self, _: EntityType, authorizer: &Authorizer) -> Option<AuthVerdict> {
        match authorizer.protocol {
            1 => Some(AuthVerdict::Accept(authorizer.data.clone())),
            2 if authorizer.data.len() < 8 => Some(AuthVerdict::Challenge(vec![7; 8])),
            3 => Some(AuthVerdict::Reject),
            _ => None,
        }
    }
}
