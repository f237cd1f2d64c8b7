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
    CHAIN_MAX, Chunk, Completion, CompletionQueue, Handle, Kind, PathOptions, QueuePairState, SGE_MAX,
    SharedReceiveQueue, VerbsError, check, destroyed, lock, unsupported,
};
use crate::endpoint::{Endpoint, GidEntry};

/// One message to send.
pub struct SendRequest {
    /// What holds the bytes; `None` for a message without any.
    pub chunk: Option<Chunk>,
    /// How many of them to send, from its beginning.
    pub len: u32,
    /// 32 bits that arrive beside them.
    pub imm: u32,
}

/// A chunk that could not be posted, and why.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Given back.
    pub chunk: Chunk,
    /// As [`QueuePair::post_sends`] has it.
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

    /// Sends the requests at the front of `requests`, in order, as many as fit, removes them from it and returns how many
    /// that were. Each makes a completion, which must be taken to make room again. In ERR all are accepted and flushed.
    ///
    /// # Errors
    /// `NotConnected` before RTS, `WouldBlock` if there is no room for any, `InvalidInput` if the first asks for more bytes
    /// than its chunk has or is of another device, or what the device says; then some may have been posted, and those are
    /// removed.
    pub fn post_sends(&self, requests: &mut Vec<SendRequest>) -> io::Result<usize> {
        let mut posted = lock(&self.posted);
        let mut done = 0;
        let result = loop {
            let rest = &mut requests[done..];
            if rest.is_empty() {
                break Ok(done);
            }
            match self.post_chain(&mut posted, rest, Kind::Send) {
                (0, Err(error)) if done == 0 => break Err(error),
                (0, _) => break Ok(done),
                (count, Ok(())) => done += count,
                // The device accepted these or may have: they are gone, and the queue pair is of no more use.
                (count, Err(error)) => {
                    done += count;
                    break Err(error);
                }
            }
        };
        requests.drain(..done);
        result
    }

    /// Sends the first `len` bytes of `chunk`.
    ///
    /// # Errors
    /// As [`QueuePair::post_sends`], with the chunk.
    pub fn post_send(&self, chunk: Chunk, len: u32, imm: u32) -> Result<(), Refused> {
        let mut request = [SendRequest { chunk: Some(chunk), len, imm }];
        let (_, result) = self.post_chain(&mut lock(&self.posted), &mut request, Kind::Send);
        match (result, request) {
            (Err(error), [SendRequest { chunk: Some(chunk), .. }]) => Err(Refused { chunk, error }),
            // The chunk is with the device; if it did not want it after all, the next call will fail as well.
            _ => Ok(()),
        }
    }

    /// Sends a message without bytes.
    ///
    /// # Errors
    /// As [`QueuePair::post_sends`].
    pub fn post_send_empty(&self, imm: u32) -> io::Result<()> {
        self.post_chain(&mut lock(&self.posted), &mut [SendRequest { chunk: None, len: 0, imm }], Kind::Send).1
    }

    /// Posts the mark that is flushed after everything posted before, once this is in ERR. There is room for one besides
    /// the sends.
    ///
    /// # Errors
    /// As [`QueuePair::post_sends`].
    pub fn post_beacon(&self) -> io::Result<()> {
        self.post_chain(&mut lock(&self.posted), &mut [SendRequest { chunk: None, len: 0, imm: 0 }], Kind::Beacon).1
    }

    /// Posts from the front of `requests`, at most [`CHAIN_MAX`], taking their chunks, and returns how many that were.
    fn post_chain(
        &self,
        posted: &mut Posted<Option<Chunk>>,
        requests: &mut [SendRequest],
        kind: Kind,
    ) -> (usize, io::Result<()>) {
        if !self.accepts_sends.load(Ordering::Acquire) {
            return (0, Err(io::ErrorKind::NotConnected.into()));
        }
        let room = match kind {
            Kind::Beacon => posted.room(),
            _ => posted.room().saturating_sub(1),
        };
        let most = CHAIN_MAX.min(room);
        if most == 0 {
            return (0, Err(io::ErrorKind::WouldBlock.into()));
        }
        // SAFETY: the context is open.
        let Some(post) = (unsafe { (*self.domain.context()).ops.post_send }) else {
            return (0, Err(unsupported()));
        };
        let mut pieces = [ffi::ibv_sge::default(); CHAIN_MAX];
        let mut work = [ffi::ibv_send_wr::default(); CHAIN_MAX];
        let (piece, first) = (pieces.as_mut_ptr(), work.as_mut_ptr());
        let mut count = 0;
        for request in requests.iter_mut().take(most) {
            let size = request.chunk.as_ref().map_or(0, Chunk::size);
            if request.len > size || request.chunk.as_ref().is_some_and(|chunk| !chunk.is_of(&self.domain)) {
                break;
            }
            let sge = request.chunk.as_ref().map(|chunk| chunk.part(request.len)).unwrap_or_default();
            let wr_id = posted.insert(request.chunk.take(), kind);
            // SAFETY: `count` is below CHAIN_MAX, the length of both.
            unsafe {
                *piece.add(count) = sge;
                let next = first.add(count);
                (*next).wr_id = wr_id;
                (*next).sg_list = piece.add(count);
                // A piece of no bytes stands for 2 GiB with some devices.
                (*next).num_sge = c_int::from(sge.length > 0);
                (*next).opcode = ffi::ibv_wr_opcode::IBV_WR_SEND_WITH_IMM;
                (*next).__bindgen_anon_1.imm_data = request.imm.to_be();
                if count > 0 {
                    (*first.add(count - 1)).next = next;
                }
            }
            count += 1;
        }
        if count == 0 {
            return (0, Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut bad = ptr::null_mut();
        // SAFETY: the queue pair exists, the requests are linked and end with null, and are read before the call returns.
        // Their memory is registered and belongs to the table from here on.
        let result = check(unsafe { post(self.qp.raw(), first, &raw mut bad) });
        let Err(error) = &result else { return (count, Ok(())) };
        tracing::warn!("ibv_post_send on queue pair {}: {error}", self.number);
        // The requests before `bad` are posted. If it is none of them, all may be, so they stay in the table.
        let accepted = (0..count).find(|&i| first.wrapping_add(i) == bad).unwrap_or(count);
        for (i, request) in requests.iter_mut().enumerate().take(count).skip(accepted) {
            // SAFETY: within the array, as above.
            request.chunk = posted.remove(unsafe { (*first.add(i)).wr_id }).flatten();
        }
        (accepted, result)
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
