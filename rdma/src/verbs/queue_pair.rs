//! Reliable connected queue pairs.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::raw::{Domain, Qp, Queues, Unsent};
use super::values::Change;
use super::{Chunk, Completion, Kind, PathOptions, QueuePairState, VerbsError};
use crate::endpoint::{Endpoint, GidEntry};

/// A chunk that could not be posted, and why.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Given back.
    pub chunk: Chunk,
    /// As [`QueuePair::post_send`] has it.
    pub error: io::Error,
}

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refused({})", self.error)
    }
}

/// One end of a connection.
///
/// Its life: made (state INIT), [`QueuePair::ready_to_receive`] once the peer's [`Endpoint`] is known,
/// [`QueuePair::ready_to_send`], and at the end [`QueuePair::to_error`], which flushes what is posted.
///
/// Before it is dropped, drain it: after [`QueuePair::to_error`] post a beacon, take completions until the beacon's, and
/// then until the completion queue was found empty once. What is dropped undrained is safe, but completions of it may
/// still come, and devices that remove those instead keep their receives' chunks posted for nothing. Not every device
/// tells by an event that the last receive is done (Soft-RoCE never does), so do not wait for one.
pub struct QueuePair {
    raw: Qp,
    port: u8,
    gid: GidEntry,
    /// In RTS or later. Before, some providers queue what is posted and say that they refuse it.
    accepts_sends: AtomicBool,
}

impl QueuePair {
    /// See [`Device::queue_pair`](super::Device::queue_pair).
    pub(super) fn new(
        (domain, port, gid): (&Arc<Domain>, u8, GidEntry),
        queues: Queues,
        max_send_wr: u32,
    ) -> Result<QueuePair, VerbsError> {
        // One more than the caller's: there is always room for the beacon.
        let raw = Qp::new(domain, queues, max_send_wr.saturating_add(1))?;
        raw.modify(Change::init(port)).map_err(VerbsError::call("ibv_modify_qp to INIT"))?;
        Ok(QueuePair { raw, port, gid, accepts_sends: AtomicBool::new(false) })
    }

    /// Its number, 24 bits. The device may give it to another one after this is dropped.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.raw.number()
    }

    /// To RTR: what `remote` sends is received from now on.
    ///
    /// # Errors
    /// `InvalidInput` if it is not in INIT or an option is out of range; other errors if there is no route to the peer.
    pub fn ready_to_receive(&self, remote: &Endpoint, options: &PathOptions) -> io::Result<()> {
        self.raw.modify(Change::ready_to_receive(remote, options, self.port, self.gid.index)?)
    }

    /// To RTS: requests posted are sent from now on, the first packet with the number `psn` (24 bits), which the peer was
    /// told.
    ///
    /// # Errors
    /// `InvalidInput` if it is not in RTR or an option is out of range.
    pub fn ready_to_send(&self, psn: u32, options: &PathOptions) -> io::Result<()> {
        self.raw.modify(Change::ready_to_send(psn, options))?;
        self.accepts_sends.store(true, Ordering::Release);
        Ok(())
    }

    /// To ERR, from any state: what is posted and not done comes back with [`Status::Flushed`](super::Status::Flushed).
    ///
    /// # Errors
    /// When the device is gone.
    pub fn to_error(&self) -> io::Result<()> {
        self.raw.modify(Change::error())?;
        self.accepts_sends.store(true, Ordering::Release);
        Ok(())
    }

    /// Its state as the device sees it, for a queue pair may fall into ERR by itself.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn state(&self) -> io::Result<QueuePairState> {
        Ok(QueuePairState::of(self.raw.state()?))
    }

    /// How many sends are posted and not taken back, the beacon included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.raw.posted().len()
    }

    /// Sends the first `len` bytes of `chunk`. It makes a completion, which must be taken to make room again. In ERR it is
    /// accepted and flushed.
    ///
    /// # Errors
    /// `NotConnected` before RTS, `WouldBlock` if there is no room, `InvalidInput` if the chunk has fewer bytes or is of
    /// another device, or what the device says; with the chunk.
    pub fn post_send(&self, chunk: Chunk, len: u32, imm: u32) -> Result<(), Refused> {
        match self.post(Some(chunk), len, imm, Kind::Send) {
            Err((Some(chunk), error)) => Err(Refused { chunk, error }),
            // The chunk is with the device; if it did not want it after all, the next call will fail as well.
            _ => Ok(()),
        }
    }

    /// Sends a message without bytes.
    ///
    /// # Errors
    /// As [`QueuePair::post_send`].
    pub fn post_send_empty(&self, imm: u32) -> io::Result<()> {
        self.post(None, 0, imm, Kind::Send).map_err(|(_, error)| error)
    }

    /// Posts the mark that is flushed after everything posted before, once this is in ERR. There is room for one besides
    /// the sends.
    ///
    /// # Errors
    /// As [`QueuePair::post_send`].
    pub fn post_beacon(&self) -> io::Result<()> {
        self.post(None, 0, 0, Kind::Beacon).map_err(|(_, error)| error)
    }

    /// Posts one request. Gives the chunk back unless the device has it, or may.
    fn post(&self, chunk: Option<Chunk>, len: u32, imm: u32, kind: Kind) -> Result<(), Unsent> {
        if !self.accepts_sends.load(Ordering::Acquire) {
            return Err((chunk, io::ErrorKind::NotConnected.into()));
        }
        let kept = usize::from(kind != Kind::Beacon);
        self.raw.post(chunk, len, imm, kind, kept)
    }

    /// Whether the completion is of a send of this queue pair, and not of an earlier one with the same number.
    #[must_use]
    pub fn is_own(&self, completion: &Completion) -> bool {
        self.raw.posted().is_own(completion)
    }

    /// The chunk that was sent, or failed to be. `None` if there was none: an empty message, the beacon; or if the
    /// completion is not of this queue pair.
    pub fn take(&self, completion: Completion) -> Option<Chunk> {
        self.raw.posted().take(completion).flatten()
    }
}
