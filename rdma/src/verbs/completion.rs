//! Completion queues: where requests end, and how to sleep until one does.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ibverbs_sys as ffi;

use super::raw::{Cq, Domain};
use super::{Kind, Status, VerbsError, posted, watchable};

/// Completions taken from a queue in one call. More would only delay the first of them.
const POLL_MAX: usize = 32;

/// That a request has ended, well or not. Whoever holds it may take what was posted, once.
#[derive(Debug)]
pub struct Completion {
    wr_id: u64,
    qp_num: u32,
    status: Status,
    byte_len: u32,
    imm: Option<u32>,
}

impl Completion {
    pub(super) fn wr_id(&self) -> u64 {
        self.wr_id
    }

    /// What it is of, known also when it failed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        posted::kind(self.wr_id)
    }

    /// The number of the queue pair that sent or received. Numbers are used again, mostly late: see
    /// [`QueuePair::is_own`](super::QueuePair::is_own).
    #[must_use]
    pub fn qp_num(&self) -> u32 {
        self.qp_num
    }

    /// How it went. All else but [`Completion::kind`] and [`Completion::qp_num`] means something only on success.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Bytes received; what is sent is not counted.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.byte_len as usize
    }

    /// The 32 bits that came beside the bytes, if it is a receive and the sender gave any.
    #[must_use]
    pub fn imm(&self) -> Option<u32> {
        self.imm
    }
}

/// What polls found, and room for it, to be used again: a poll that finds nothing should cost nothing.
pub struct Found {
    entries: [ffi::ibv_wc; POLL_MAX],
    /// How many of them are completions.
    count: usize,
}

impl Default for Found {
    fn default() -> Found {
        Found { entries: [ffi::ibv_wc::default(); POLL_MAX], count: 0 }
    }
}

impl Found {
    /// Takes the completions, each once.
    pub fn drain(&mut self) -> impl Iterator<Item = Completion> {
        let count = std::mem::take(&mut self.count);
        self.entries[..count].iter().map(|wc| Completion {
            wr_id: wc.wr_id(),
            qp_num: wc.qp_num,
            status: Status::of(wc.error()),
            byte_len: u32::try_from(wc.len()).unwrap_or(u32::MAX),
            imm: wc.imm_data().map(u32::from_be),
        })
    }

    /// Whether the last poll found as many as it had room for, so that there may be more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == POLL_MAX
    }
}

/// Where requests of many queue pairs end, sends and receives alike, and a descriptor to wait at.
///
/// To sleep: [`CompletionQueue::arm`], then [`CompletionQueue::poll`] once more until it finds nothing (what came before
/// arming makes no event), then wait for [`CompletionQueue::fd`]; when it is readable, [`CompletionQueue::take_event`].
pub struct CompletionQueue {
    pub(super) raw: Cq,
    fd: Arc<OwnedFd>,
}

impl CompletionQueue {
    /// A queue with room for `depth` completions.
    pub(super) fn new(domain: &Arc<Domain>, depth: u32) -> Result<CompletionQueue, VerbsError> {
        let raw = Cq::new(domain, depth)?;
        let fd = watchable(raw.fd()).map_err(VerbsError::call("ibv_create_comp_channel"))?;
        Ok(CompletionQueue { raw, fd })
    }

    /// Replaces what is in `found` by the next completions, as many as it has room for.
    ///
    /// # Errors
    /// When the queue is broken, by more completions than there was room for.
    pub fn poll(&self, found: &mut Found) -> io::Result<()> {
        found.count = 0;
        found.count = self.raw.poll(&mut found.entries)?;
        Ok(())
    }

    /// Asks for an event at the next completion; one event, until armed again.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn arm(&self) -> io::Result<()> {
        self.raw.arm()
    }

    /// Readable when there is an event.
    #[must_use]
    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Takes the event, of which there is one for each time that it was armed; false if it has not come. Never blocks. Some
    /// devices take arming again for a repetition until then.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn take_event(&self) -> io::Result<bool> {
        self.raw.take_event()
    }
}
