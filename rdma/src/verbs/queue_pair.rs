//! Reliable connected queue pairs.

use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ibverbs_sys as ffi;

use super::domain::Domain;
use super::posted::Posted;
use super::values::Change;
use super::{
    Chunk, Completion, CompletionQueue, Handle, Kind, PathOptions, QueuePairState, SGE_MAX, SharedReceiveQueue,
    VerbsError, check, destroyed, lock, unsupported,
};
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
    qp: Handle<ffi::ibv_qp>,
    number: u32,
    port: u8,
    gid: GidEntry,
    posted: Mutex<Posted<Option<Chunk>>>,
    /// In RTS or later. Before, some providers queue what is posted and say that they refuse it.
    accepts_sends: AtomicBool,
    _send_cq: Arc<CompletionQueue>,
    _recv_cq: Arc<CompletionQueue>,
    _srq: Arc<SharedReceiveQueue>,
    domain: Arc<Domain>,
}

impl QueuePair {
    /// See [`Device::queue_pair`](super::Device::queue_pair).
    pub(super) fn new(
        (domain, port, gid): (&Arc<Domain>, u8, GidEntry),
        send_cq: &Arc<CompletionQueue>,
        recv_cq: &Arc<CompletionQueue>,
        srq: &Arc<SharedReceiveQueue>,
        max_send_wr: u32,
    ) -> Result<QueuePair, VerbsError> {
        let call = "ibv_create_qp";
        if !(send_cq.is_of(domain) && recv_cq.is_of(domain) && srq.is_of(domain)) {
            return Err(VerbsError::call(call)(io::ErrorKind::InvalidInput.into()));
        }
        // One more than the caller's: there is always room for the beacon.
        let depth = max_send_wr.saturating_add(1);
        let posted = Mutex::new(Posted::new(depth as usize).map_err(VerbsError::call(call))?);
        let cap = ffi::ibv_qp_cap { max_send_wr: depth, max_send_sge: SGE_MAX, ..Default::default() };
        let mut attr = ffi::ibv_qp_init_attr {
            qp_context: ptr::null_mut(),
            send_cq: send_cq.raw(),
            recv_cq: recv_cq.raw(),
            srq: srq.raw(),
            cap,
            qp_type: ffi::ibv_qp_type::IBV_QPT_RC,
            // Every request makes a completion: each gives back a chunk.
            sq_sig_all: 1,
        };
        // SAFETY: the protection domain exists, as do the queues, which this holds from here on.
        let qp = Handle::new(unsafe { ffi::ibv_create_qp(domain.pd(), &raw mut attr) }, call)?;
        // SAFETY: the queue pair exists.
        let number = unsafe { (*qp.raw()).qp_num };
        let pair = QueuePair {
            qp,
            number,
            port,
            gid,
            posted,
            accepts_sends: AtomicBool::new(false),
            _send_cq: Arc::clone(send_cq),
            _recv_cq: Arc::clone(recv_cq),
            _srq: Arc::clone(srq),
            domain: Arc::clone(domain),
        };
        pair.change(Change::init(port)).map_err(VerbsError::call("ibv_modify_qp to INIT"))?;
        Ok(pair)
    }

    /// Its number, 24 bits. The device may give it to another one after this is dropped.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    fn change(&self, Change { mut attr, mask }: Change) -> io::Result<()> {
        // SAFETY: the queue pair exists, and the call reads `attr`.
        check(unsafe { ffi::ibv_modify_qp(self.qp.raw(), &raw mut attr, mask.0 as c_int) })
    }

    /// To RTR: what `remote` sends is received from now on.
    ///
    /// # Errors
    /// `InvalidInput` if it is not in INIT or an option is out of range; other errors if there is no route to the peer.
    pub fn ready_to_receive(&self, remote: &Endpoint, options: &PathOptions) -> io::Result<()> {
        self.change(Change::ready_to_receive(remote, options, self.port, self.gid.index)?)
    }

    /// To RTS: requests posted are sent from now on, the first packet with the number `psn` (24 bits), which the peer was
    /// told.
    ///
    /// # Errors
    /// `InvalidInput` if it is not in RTR or an option is out of range.
    pub fn ready_to_send(&self, psn: u32, options: &PathOptions) -> io::Result<()> {
        self.change(Change::ready_to_send(psn, options))?;
        self.accepts_sends.store(true, Ordering::Release);
        Ok(())
    }

    /// To ERR, from any state: what is posted and not done comes back with [`Status::Flushed`](super::Status::Flushed).
    ///
    /// # Errors
    /// When the device is gone.
    pub fn to_error(&self) -> io::Result<()> {
        self.change(Change::error())?;
        self.accepts_sends.store(true, Ordering::Release);
        Ok(())
    }

    /// Its state as the device sees it, for a queue pair may fall into ERR by itself.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn state(&self) -> io::Result<QueuePairState> {
        let mut attr = ffi::ibv_qp_attr::default();
        let mut init = ffi::ibv_qp_init_attr::default();
        let mask = ffi::ibv_qp_attr_mask::IBV_QP_STATE.0 as c_int;
        // SAFETY: the queue pair exists, and the call fills both.
        check(unsafe { ffi::ibv_query_qp(self.qp.raw(), &raw mut attr, mask, &raw mut init) })?;
        Ok(QueuePairState::of(attr.qp_state))
    }

    /// How many sends are posted and not taken back, the beacon included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        lock(&self.posted).len()
    }

    /// Sends the first `len` bytes of `chunk`. It makes a completion, which must be taken to make room again. In ERR it is
    /// accepted and flushed.
    ///
    /// # Errors
    /// `NotConnected` before RTS, `WouldBlock` if there is no room, `InvalidInput` if the chunk has fewer bytes or is of
    /// another device, or what the device says; with the chunk.
    pub fn post_send(&self, chunk: Chunk, len: u32, imm: u32) -> Result<(), Refused> {
        if len > chunk.size() || !chunk.is_of(&self.domain) {
            return Err(Refused { chunk, error: io::ErrorKind::InvalidInput.into() });
        }
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
    fn post(&self, chunk: Option<Chunk>, len: u32, imm: u32, kind: Kind) -> Result<(), (Option<Chunk>, io::Error)> {
        if !self.accepts_sends.load(Ordering::Acquire) {
            return Err((chunk, io::ErrorKind::NotConnected.into()));
        }
        // SAFETY: the context is open.
        let Some(post) = (unsafe { (*self.domain.context()).ops.post_send }) else {
            return Err((chunk, unsupported()));
        };
        let mut posted = lock(&self.posted);
        let kept = usize::from(kind != Kind::Beacon);
        if posted.room() <= kept {
            return Err((chunk, io::ErrorKind::WouldBlock.into()));
        }
        let mut piece = chunk.as_ref().map(|chunk| chunk.part(len)).unwrap_or_default();
        let mut request = ffi::ibv_send_wr {
            wr_id: posted.insert(chunk, kind),
            sg_list: &raw mut piece,
            // A piece of no bytes stands for 2 GiB with some devices.
            num_sge: c_int::from(len > 0),
            opcode: ffi::ibv_wr_opcode::IBV_WR_SEND_WITH_IMM,
            ..Default::default()
        };
        request.__bindgen_anon_1.imm_data = imm.to_be();
        let mut bad = ptr::null_mut();
        // SAFETY: the queue pair exists, and the request, which is the last of its list, is read before the call returns. Its
        // memory is registered and belongs to the table from here on.
        let result = check(unsafe { post(self.qp.raw(), &raw mut request, &raw mut bad) });
        result.map_err(|error| {
            tracing::warn!("ibv_post_send on queue pair {}: {error}", self.number);
            // If it is not named as the bad one, it may be posted, so its chunk stays in the table.
            let refused = ptr::eq(bad, &raw const request);
            (refused.then(|| posted.remove(request.wr_id).flatten()).flatten(), error)
        })
    }

    /// Whether the completion is of a send of this queue pair, and not of an earlier one with the same number.
    #[must_use]
    pub fn is_own(&self, completion: &Completion) -> bool {
        lock(&self.posted).is_own(completion.wr_id())
    }

    /// The chunk that was sent, or failed to be. `None` if there was none: an empty message, the beacon; or if the
    /// completion is not of this queue pair.
    pub fn take(&self, completion: Completion) -> Option<Chunk> {
        lock(&self.posted).remove(completion.wr_id()).flatten()
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // SAFETY: nobody else holds it.
        if !destroyed("ibv_destroy_qp", unsafe { ffi::ibv_destroy_qp(self.qp.raw()) }) {
            lock(&self.posted).leak();
        }
    }
}
