//! Shared receive queues: buffers for whatever comes in on any of many queue pairs.

use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::{Arc, Mutex};

use ibverbs_sys as ffi;

use super::domain::Domain;
use super::posted::Posted;
use super::{CHAIN_MAX, Chunk, Completion, Handle, Kind, SGE_MAX, VerbsError, check, destroyed, lock, unsupported};

/// See the module. Each message takes a chunk of it, however small it is.
pub struct SharedReceiveQueue {
    srq: Handle<ffi::ibv_srq>,
    posted: Mutex<Posted<Chunk>>,
    domain: Arc<Domain>,
}

impl SharedReceiveQueue {
    /// A queue with room for `max_wr` chunks.
    pub(super) fn new(domain: &Arc<Domain>, max_wr: u32) -> Result<SharedReceiveQueue, VerbsError> {
        let call = "ibv_create_srq";
        let posted = Mutex::new(Posted::new(max_wr as usize).map_err(VerbsError::call(call))?);
        let attr = ffi::ibv_srq_attr { max_wr, max_sge: SGE_MAX, srq_limit: 0 };
        let mut attr = ffi::ibv_srq_init_attr { srq_context: ptr::null_mut(), attr };
        // SAFETY: the protection domain exists, and the call reads and changes `attr`.
        let srq = Handle::new(unsafe { ffi::ibv_create_srq(domain.pd(), &raw mut attr) }, call)?;
        Ok(SharedReceiveQueue { srq, posted, domain: Arc::clone(domain) })
    }

    pub(super) fn raw(&self) -> *mut ffi::ibv_srq {
        self.srq.raw()
    }

    /// Whether it is of this device.
    pub(super) fn is_of(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.domain, domain)
    }

    /// How many chunks are posted and not taken back.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.posted).len()
    }

    /// Whether that is none: whoever sends now is made to wait and try again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Posts chunks from the end of `chunks`, as many as fit, and returns how many that were. What was not posted stays.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room for any, `InvalidInput` if the last chunk is of another device, or what the device
    /// says.
    pub fn post(&self, chunks: &mut Vec<Chunk>) -> io::Result<usize> {
        let mut posted = lock(&self.posted);
        let mut done = 0;
        while !chunks.is_empty() {
            match self.post_chain(&mut posted, chunks) {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Posts at least one chunk and at most [`CHAIN_MAX`].
    fn post_chain(&self, posted: &mut Posted<Chunk>, chunks: &mut Vec<Chunk>) -> io::Result<usize> {
        let most = CHAIN_MAX.min(posted.room());
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // SAFETY: the context is open.
        let post = unsafe { (*self.domain.context()).ops.post_srq_recv }.ok_or_else(unsupported)?;
        let mut pieces = [ffi::ibv_sge::default(); CHAIN_MAX];
        let mut requests = [ffi::ibv_recv_wr::default(); CHAIN_MAX];
        let (piece, first) = (pieces.as_mut_ptr(), requests.as_mut_ptr());
        let mut count = 0;
        while let Some(chunk) = chunks.pop_if(|chunk| count < most && chunk.is_of(&self.domain)) {
            let sge = chunk.part(chunk.size());
            let wr_id = posted.insert(chunk, Kind::Receive);
            // SAFETY: `count` is below CHAIN_MAX, the length of both.
            unsafe {
                *piece.add(count) = sge;
                let request = first.add(count);
                *request = ffi::ibv_recv_wr { wr_id, next: ptr::null_mut(), sg_list: piece.add(count), num_sge: 1 };
                if count > 0 {
                    (*first.add(count - 1)).next = request;
                }
            }
            count += 1;
        }
        if count == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bad = ptr::null_mut();
        // SAFETY: the queue exists, the requests are linked and end with null, and are read before the call returns. Their
        // memory is registered and belongs to the table from here on.
        let result = check(unsafe { post(self.srq.raw(), first, &raw mut bad) });
        let Err(error) = result else { return Ok(count) };
        // The requests before `bad` are posted. If it is none of them, all may be, so they stay in the table.
        let accepted = (0..count).find(|&i| first.wrapping_add(i) == bad).unwrap_or(count);
        for i in (accepted..count).rev() {
            // SAFETY: within the array, as above.
            chunks.extend(posted.remove(unsafe { (*first.add(i)).wr_id }));
        }
        if accepted == 0 || accepted == count { Err(error) } else { Ok(accepted) }
    }

    /// The chunk that a receive has filled, or that failed. `None` if the completion is not of this queue.
    pub fn take(&self, completion: Completion) -> Option<Chunk> {
        lock(&self.posted).remove(completion.wr_id())
    }

    /// Asks for one [`AsyncEvent::SrqLimit`](super::AsyncEvent::SrqLimit) when fewer than `limit` chunks are left; 0 asks for
    /// none.
    ///
    /// # Errors
    /// What the device says, such as `InvalidInput` above the queue's size.
    pub fn set_limit(&self, limit: u32) -> io::Result<()> {
        let mut attr = ffi::ibv_srq_attr { srq_limit: limit, ..Default::default() };
        // SAFETY: the queue exists, and the call reads `attr`.
        check(unsafe { ffi::ibv_modify_srq(self.srq.raw(), &raw mut attr, ffi::IBV_SRQ_LIMIT as c_int) })
    }
}

impl Drop for SharedReceiveQueue {
    fn drop(&mut self) {
        // SAFETY: queue pairs that use it hold it.
        if !destroyed("ibv_destroy_srq", unsafe { ffi::ibv_destroy_srq(self.srq.raw()) }) {
            lock(&self.posted).leak();
        }
    }
}
