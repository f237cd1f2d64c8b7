//! Completion queues: where requests end, and how to sleep until one does.

use std::ffi::c_int;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use ibverbs_sys as ffi;

use super::domain::Domain;
use super::{Handle, Kind, Status, VerbsError, check, destroyed, posted, unsupported, watchable};

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

struct Channel {
    channel: Handle<ffi::ibv_comp_channel>,
    domain: Arc<Domain>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: its one queue is destroyed: it holds this.
        destroyed("ibv_destroy_comp_channel", unsafe { ffi::ibv_destroy_comp_channel(self.channel.raw()) });
    }
}

/// Where requests of many queue pairs end, sends and receives alike, and a descriptor to wait at.
///
/// To sleep: [`CompletionQueue::arm`], then [`CompletionQueue::poll`] once more until it finds nothing (what came before
/// arming makes no event), then wait for [`CompletionQueue::fd`]; when it is readable, [`CompletionQueue::clear_events`].
pub struct CompletionQueue {
    cq: Handle<ffi::ibv_cq>,
    fd: Arc<OwnedFd>,
    channel: Channel,
}

impl CompletionQueue {
    /// A queue with room for `depth` completions.
    pub(super) fn new(domain: &Arc<Domain>, depth: u32) -> Result<CompletionQueue, VerbsError> {
        let call = "ibv_create_comp_channel";
        // SAFETY: the context is open.
        let channel = Handle::new(unsafe { ffi::ibv_create_comp_channel(domain.context()) }, call)?;
        let channel = Channel { channel, domain: Arc::clone(domain) };
        // SAFETY: the channel exists, and its descriptor is open as long.
        let fd = watchable(unsafe { BorrowedFd::borrow_raw((*channel.channel.raw()).fd) })
            .map_err(VerbsError::call(call))?;
        let depth = c_int::try_from(depth).unwrap_or(c_int::MAX);
        // SAFETY: the context is open, and the channel outlives the queue.
        let cq = unsafe { ffi::ibv_create_cq(domain.context(), depth, ptr::null_mut(), channel.channel.raw(), 0) };
        Ok(CompletionQueue { cq: Handle::new(cq, "ibv_create_cq")?, fd, channel })
    }

    pub(super) fn raw(&self) -> *mut ffi::ibv_cq {
        self.cq.raw()
    }

    /// Whether it is of this device.
    pub(super) fn is_of(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.channel.domain, domain)
    }

    /// Replaces what is in `found` by the next completions, at most [`POLL_MAX`].
    ///
    /// # Errors
    /// When the queue is broken, by more completions than there was room for.
    pub fn poll(&self, found: &mut Found) -> io::Result<()> {
        found.count = 0;
        // SAFETY: the queue exists, and the call fills at most that many entries.
        let count = unsafe {
            let poll = (*self.channel.domain.context()).ops.poll_cq.ok_or_else(unsupported)?;
            poll(self.cq.raw(), POLL_MAX as c_int, found.entries.as_mut_ptr())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::other("ibv_poll_cq: the queue is broken"))?;
        found.count = count.min(POLL_MAX);
        Ok(())
    }

    /// Asks for an event at the next completion; one event, until armed again.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn arm(&self) -> io::Result<()> {
        // SAFETY: the queue exists.
        check(unsafe {
            let notify = (*self.channel.domain.context()).ops.req_notify_cq.ok_or_else(unsupported)?;
            notify(self.cq.raw(), 0)
        })
    }

    /// Readable when there is an event.
    #[must_use]
    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Takes the events there are and returns how many that were. Never blocks.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn clear_events(&self) -> io::Result<u32> {
        let mut count = 0;
        let ended = loop {
            let (mut cq, mut context) = (ptr::null_mut(), ptr::null_mut());
            let channel = self.channel.channel.raw();
            // SAFETY: the channel exists, and the call fills what it is given. There is at most one event for each time
            // that the queue was armed, so this ends.
            match check(unsafe { ffi::ibv_get_cq_event(channel, &raw mut cq, &raw mut context) }) {
                Ok(()) => count += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // SAFETY: the channel has no other queue, so these were its events; each is acknowledged once.
        unsafe { ffi::ibv_ack_cq_events(self.cq.raw(), count) };
        ended.map(|()| count)
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: queue pairs that use it hold it. All events are acknowledged, for which the call would wait.
        destroyed("ibv_destroy_cq", unsafe { ffi::ibv_destroy_cq(self.cq.raw()) });
    }
}
