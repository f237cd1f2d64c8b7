//! The library's objects, each destroyed when dropped, with safe methods. All unsafe code of the project is here.
//!
//! Nothing belongs here that does not have to be here to be sound: what to make, when, and what it means is in the
//! other files, which forbid unsafe code. Whatever they do, all here is sound as long as they keep two promises:
//!
//! - `posted.rs`: a number opens only the entry that it was given for. [`Table::take`] wants a completion for it, and
//!   [`Table::lock`] is for this file alone.
//! - `completion.rs`: a completion is made only of an entry that [`Cq::poll`] has filled, and only one of each.

use std::any::type_name;
use std::ffi::{CStr, c_int};
use std::io;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use ibverbs_sys as ffi;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::posted::Table;
use super::values::Change;
use super::{AsyncEvent, CompletionQueue, Kind, SharedReceiveQueue, VerbsError, check, unsupported};

/// Receives posted in one call: what it costs, shared by so many, is small beside the rest.
const CHAIN_MAX: usize = 16;
/// Pieces of memory in a request: every buffer is one.
const SGE_MAX: u32 = 1;

/// A pointer to an object of the library, or to registered memory.
struct Handle<T: ?Sized>(NonNull<T>);

// SAFETY: what it points to belongs to no thread. The library's calls lock what they share, and only `Drop` destroys.
unsafe impl<T: ?Sized> Send for Handle<T> {}
// SAFETY: as above; memory is written through `&mut` alone.
unsafe impl<T: ?Sized> Sync for Handle<T> {}

type Destroy<T> = unsafe extern "C" fn(*mut T) -> c_int;

/// An object of the library, with what it is made of and what it uses. It is destroyed before that is dropped; should
/// the library refuse to destroy it, that is leaked rather than freed under the device.
struct Object<T, Uses> {
    handle: Handle<T>,
    destroy: Destroy<T>,
    uses: ManuallyDrop<Uses>,
}

impl<T, Uses> Object<T, Uses> {
    /// What the library's function `call` returned: an object, or null with `errno` set.
    ///
    /// # Safety
    /// The object is nobody else's, `destroy` is for such ones, and it uses nothing that ends unless `uses` is dropped.
    unsafe fn new(object: *mut T, call: &'static str, destroy: Destroy<T>, uses: Uses) -> Result<Self, VerbsError> {
        let object = NonNull::new(object).ok_or_else(|| VerbsError::call(call)(io::Error::last_os_error()))?;
        Ok(Object { handle: Handle(object), destroy, uses: ManuallyDrop::new(uses) })
    }

    fn ptr(&self) -> *mut T {
        self.handle.0.as_ptr()
    }
}

impl<T, Uses> Drop for Object<T, Uses> {
    fn drop(&mut self) {
        // SAFETY: it exists, and what uses it is gone, for that holds it. No event of it waits to be acknowledged.
        match check(unsafe { (self.destroy)(self.ptr()) }) {
            // SAFETY: nothing uses it any more, and this is done once.
            Ok(()) => unsafe { ManuallyDrop::drop(&mut self.uses) },
            Err(error) => tracing::error!("cannot destroy {}: {error}", type_name::<T>()),
        }
    }
}

/// An open device with the protection domain that everything made of it shares.
pub(super) struct Domain {
    pd: Object<ffi::ibv_pd, Object<ffi::ibv_context, ()>>,
}

impl Domain {
    /// Opens the device of this name.
    pub(super) fn open(name: &str) -> Result<Arc<Domain>, VerbsError> {
        let mut count = 0;
        // SAFETY: the call lists so many devices, which live as long as the list, and their names as long as they. An
        // open device does not need the list, and the protection domain needs the open device alone.
        unsafe {
            let list = ffi::ibv_get_device_list(&raw mut count);
            if list.is_null() {
                return Err(VerbsError::call("ibv_get_device_list")(io::Error::last_os_error()));
            }
            let found = (0..count as usize)
                .map(|i| *list.add(i))
                .find(|&device| CStr::from_ptr(ffi::ibv_get_device_name(device)).to_bytes() == name.as_bytes());
            let call = "ibv_open_device";
            let context = found.ok_or_else(|| VerbsError::call(call)(io::ErrorKind::NotFound.into()));
            let context = context.and_then(|it| Object::new(ffi::ibv_open_device(it), call, ffi::ibv_close_device, ()));
            ffi::ibv_free_device_list(list);
            let context = context?;
            let pd = ffi::ibv_alloc_pd(context.ptr());
            Ok(Arc::new(Domain { pd: Object::new(pd, "ibv_alloc_pd", ffi::ibv_dealloc_pd, context)? }))
        }
    }

    fn context(&self) -> *mut ffi::ibv_context {
        self.pd.uses.ptr()
    }

    pub(super) fn attributes(&self) -> io::Result<ffi::ibv_device_attr> {
        let mut found = ffi::ibv_device_attr::default();
        // SAFETY: the context is open, and the call fills `found`.
        check(unsafe { ffi::ibv_query_device(self.context(), &raw mut found) })?;
        Ok(found)
    }

    pub(super) fn port(&self, port: u8) -> io::Result<ffi::ibv_port_attr> {
        let mut found = ffi::ibv_port_attr::default();
        // SAFETY: the context is open. This call fills the older, shorter form of the structure, a prefix of `found`.
        check(unsafe { ffi::ibv_query_port(self.context(), port, (&raw mut found).cast()) })?;
        Ok(found)
    }

    /// The GIDs of all ports, at most `most` of them.
    pub(super) fn gids(&self, most: usize) -> io::Result<Vec<ibverbs::GidEntry>> {
        let mut found = vec![ffi::ibv_gid_entry::default(); most];
        let size = size_of::<ffi::ibv_gid_entry>();
        // SAFETY: the context is open, and the call fills at most `most` entries of that size.
        let count = unsafe { ffi::_ibv_query_gid_table(self.context(), found.as_mut_ptr(), most, 0, size) };
        let count = usize::try_from(count).map_err(|_| io::Error::from_raw_os_error(count.unsigned_abs() as i32))?;
        Ok(found.into_iter().take(count).map(ibverbs::GidEntry::from).collect())
    }

    /// Readable when there is an event.
    pub(super) fn event_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the context is open, and so is its descriptor.
        unsafe { BorrowedFd::borrow_raw((*self.context()).async_fd) }
    }

    /// The next event; `None` if there is none and reading the descriptor does not block.
    pub(super) fn next_event(&self) -> io::Result<Option<AsyncEvent>> {
        let mut event = ffi::ibv_async_event::default();
        // SAFETY: the context is open, and the call fills `event`.
        if let Err(error) = check(unsafe { ffi::ibv_get_async_event(self.context(), &raw mut event) }) {
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        let number = match event.event_type {
            ffi::IBV_EVENT_QP_FATAL
            | ffi::IBV_EVENT_QP_REQ_ERR
            | ffi::IBV_EVENT_QP_ACCESS_ERR
            // SAFETY: these are of a queue pair. It exists, since destroying it waits for the acknowledgement below.
            | ffi::IBV_EVENT_QP_LAST_WQE_REACHED => unsafe { (*event.element.qp).qp_num },
            // SAFETY: whatever the event is of, its bits are set, and any bits are a number.
            _ => unsafe { event.element.port_num as u32 },
        };
        // SAFETY: the event was got above, and is acknowledged once.
        unsafe { ffi::ibv_ack_async_event(&raw mut event) };
        Ok(Some(AsyncEvent::of(event.event_type, number)))
    }
}

/// Zeroed pages.
pub(super) struct Memory {
    bytes: Handle<[u8]>,
}

impl Memory {
    pub(super) fn map(bytes: usize, huge_pages: bool) -> io::Result<Memory> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | if huge_pages { MapFlags::HUGETLB } else { MapFlags::empty() };
        // SAFETY: where nothing is mapped yet, of the system's choice.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Memory { bytes: Handle(NonNull::slice_from_raw_parts(base, bytes)) })
    }

    /// Registers the first `bytes` of it and cuts them into chunks of `size`, which the device may read and write.
    pub(super) fn register(self, domain: &Arc<Domain>, bytes: usize, size: u32) -> Result<Vec<Chunk>, VerbsError> {
        let (base, bytes, size) = (self.bytes.0.cast::<u8>(), bytes.min(self.bytes.0.len()), size as usize);
        let access = ffi::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0 as c_int;
        // SAFETY: so much is mapped, and is until the registration has ended.
        let region = unsafe {
            let mr = ffi::ibv_reg_mr(domain.pd.ptr(), base.as_ptr().cast(), bytes, access);
            Object::new(mr, "ibv_reg_mr", ffi::ibv_dereg_mr, (self, Arc::clone(domain)))?
        };
        let region = Arc::new(region);
        let chunk = |i| {
            // SAFETY: within what is mapped.
            let base = unsafe { base.add(i * size) };
            Chunk { bytes: Handle(NonNull::slice_from_raw_parts(base, size)), region: Arc::clone(&region) }
        };
        Ok((0..bytes.checked_div(size).unwrap_or(0)).map(chunk).collect())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped above with this length, and only chunks gave it out, which are gone.
        if let Err(error) = unsafe { munmap(self.bytes.0.as_ptr().cast(), self.bytes.0.len()) } {
            tracing::error!("munmap: {error}");
        }
    }
}

/// A piece of registered memory, and the only way to its bytes.
///
/// Posting moves it to the queue; it comes back when the completion is taken. Nothing counts chunks: whoever registers
/// them keeps those that are free. The memory is unregistered when the last chunk of a registration is dropped.
pub struct Chunk {
    /// No other chunk has any of them, and no device while this can be reached: what is posted is in a table.
    bytes: Handle<[u8]>,
    region: Arc<Object<ffi::ibv_mr, (Memory, Arc<Domain>)>>,
}

impl Chunk {
    /// Its bytes, which are as many in all chunks of a registration.
    #[must_use]
    pub fn size(&self) -> u32 {
        // It was made of a u32.
        self.bytes.0.len() as u32
    }

    /// Whether it was registered with this device.
    fn is_of(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.region.uses.1, domain)
    }

    /// The first `len` bytes as the device is told of them.
    fn part(&self, len: u32) -> ffi::ibv_sge {
        // SAFETY: the registration exists.
        let lkey = unsafe { (*self.region.ptr()).lkey };
        ffi::ibv_sge { addr: self.bytes.0.as_ptr().cast::<u8>() as u64, length: len, lkey }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the memory is mapped as long as it is registered, and so much of it is this chunk's alone.
        unsafe { self.bytes.0.as_ref() }
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { self.bytes.0.as_mut() }
    }
}

/// A completion queue with a channel of its own.
pub(super) struct Cq {
    cq: Object<ffi::ibv_cq, Object<ffi::ibv_comp_channel, Arc<Domain>>>,
}

impl Cq {
    /// A queue with room for `depth` completions.
    pub(super) fn new(domain: &Arc<Domain>, depth: u32) -> Result<Cq, VerbsError> {
        let context = domain.context();
        let depth = c_int::try_from(depth).unwrap_or(c_int::MAX);
        // SAFETY: the context is open, and the queue uses the channel, which uses the context.
        unsafe {
            let (call, destroy) = ("ibv_create_comp_channel", ffi::ibv_destroy_comp_channel as Destroy<_>);
            let channel = Object::new(ffi::ibv_create_comp_channel(context), call, destroy, Arc::clone(domain))?;
            let cq = ffi::ibv_create_cq(context, depth, ptr::null_mut(), channel.ptr(), 0);
            Ok(Cq { cq: Object::new(cq, "ibv_create_cq", ffi::ibv_destroy_cq, channel)? })
        }
    }

    /// Readable when there is an event.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the channel exists, and its descriptor is open as long.
        unsafe { BorrowedFd::borrow_raw((*self.cq.uses.ptr()).fd) }
    }

    /// Fills the first of `entries` with the next completions and returns how many those are.
    pub(super) fn poll(&self, entries: &mut [ffi::ibv_wc]) -> io::Result<usize> {
        let (cq, room) = (self.cq.ptr(), c_int::try_from(entries.len()).unwrap_or(c_int::MAX));
        // SAFETY: the queue exists, and the call fills at most that many entries.
        let count = unsafe { (*(*cq).context).ops.poll_cq.ok_or_else(unsupported)?(cq, room, entries.as_mut_ptr()) };
        let count = usize::try_from(count).map_err(|_| io::Error::other("ibv_poll_cq: the queue is broken"))?;
        Ok(count.min(entries.len()))
    }

    /// Asks for one event at the next completion.
    pub(super) fn arm(&self) -> io::Result<()> {
        let cq = self.cq.ptr();
        // SAFETY: the queue exists.
        check(unsafe { (*(*cq).context).ops.req_notify_cq.ok_or_else(unsupported)?(cq, 0) })
    }

    /// Takes an event; false if there is none and reading the descriptor does not block.
    pub(super) fn take_event(&self) -> io::Result<bool> {
        let (mut cq, mut context) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the channel exists, and the call fills what it is given.
        match check(unsafe { ffi::ibv_get_cq_event(self.cq.uses.ptr(), &raw mut cq, &raw mut context) }) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        // SAFETY: the channel has no other queue, so this was its event; it is acknowledged once.
        unsafe { ffi::ibv_ack_cq_events(self.cq.ptr(), 1) };
        Ok(true)
    }
}

/// What a queue uses: what is posted to it, its device, and queues that it ends in or takes from.
struct Uses<T, Queues> {
    posted: Table<T>,
    domain: Arc<Domain>,
    _queues: Queues,
}

/// A shared receive queue with what is posted to it.
pub(super) struct Srq {
    srq: Object<ffi::ibv_srq, Uses<Chunk, ()>>,
}

impl Srq {
    /// A queue with room for `max_wr` chunks.
    pub(super) fn new(domain: &Arc<Domain>, max_wr: u32) -> Result<Srq, VerbsError> {
        let call = "ibv_create_srq";
        let posted = Table::new(max_wr as usize).map_err(VerbsError::call(call))?;
        let uses = Uses { posted, domain: Arc::clone(domain), _queues: () };
        let attr = ffi::ibv_srq_attr { max_wr, max_sge: SGE_MAX, srq_limit: 0 };
        let mut attr = ffi::ibv_srq_init_attr { srq_context: ptr::null_mut(), attr };
        // SAFETY: the protection domain exists, and the call reads and changes `attr`.
        unsafe {
            let srq = ffi::ibv_create_srq(domain.pd.ptr(), &raw mut attr);
            Ok(Srq { srq: Object::new(srq, call, ffi::ibv_destroy_srq, uses)? })
        }
    }

    /// What is posted to it.
    pub(super) fn posted(&self) -> &Table<Chunk> {
        &self.srq.uses.posted
    }

    /// Posts chunks from the end of `chunks` in one call, at least one and as many as fit, and returns how many that
    /// were. What was not posted stays.
    pub(super) fn post(&self, chunks: &mut Vec<Chunk>) -> io::Result<usize> {
        let srq = self.srq.ptr();
        let mut posted = self.posted().lock();
        // SAFETY: the queue exists.
        let post = unsafe { (*(*srq).context).ops.post_srq_recv }.ok_or_else(unsupported)?;
        let mut pieces = [ffi::ibv_sge::default(); CHAIN_MAX];
        let mut requests = [ffi::ibv_recv_wr::default(); CHAIN_MAX];
        let mut count = 0;
        for (piece, request) in pieces.iter_mut().zip(&mut requests).take(posted.room()) {
            let Some(chunk) = chunks.pop_if(|chunk| chunk.is_of(&self.srq.uses.domain)) else { break };
            *piece = chunk.part(chunk.size());
            request.wr_id = posted.insert(chunk, Kind::Receive);
            count += 1;
        }
        if count == 0 {
            let full = posted.room() == 0;
            return Err(if full { io::ErrorKind::WouldBlock } else { io::ErrorKind::InvalidInput }.into());
        }
        let requests = &mut requests[..count];
        let (mut first, mut bad) = (ptr::null_mut(), ptr::null_mut());
        for (request, piece) in requests.iter_mut().zip(&mut pieces[..count]).rev() {
            (request.next, request.sg_list, request.num_sge) = (first, piece, 1);
            first = request;
        }
        // SAFETY: the queue exists, the requests are linked and end with null, and are read before the call returns.
        // Their memory is registered and belongs to the table from here on.
        let Err(error) = check(unsafe { post(srq, first, &raw mut bad) }) else { return Ok(count) };
        // The requests before `bad` are posted. If it is none of them, all may be, so they stay in the table.
        let accepted = requests.iter().position(|request| ptr::eq(request, bad)).unwrap_or(count);
        for request in requests[accepted..].iter().rev() {
            chunks.extend(posted.remove(request.wr_id));
        }
        if accepted == 0 || accepted == count { Err(error) } else { Ok(accepted) }
    }

    /// Asks for one event when fewer than `limit` chunks are left.
    pub(super) fn set_limit(&self, limit: u32) -> io::Result<()> {
        let mut attr = ffi::ibv_srq_attr { srq_limit: limit, ..Default::default() };
        // SAFETY: the queue exists, and the call reads `attr`.
        check(unsafe { ffi::ibv_modify_srq(self.srq.ptr(), &raw mut attr, ffi::IBV_SRQ_LIMIT as c_int) })
    }
}

/// Where the sends of a queue pair end, where what it receives ends, and what it receives into.
pub(super) type Queues = (Arc<CompletionQueue>, Arc<CompletionQueue>, Arc<SharedReceiveQueue>);

/// What could not be sent, and why.
pub(super) type Unsent = (Option<Chunk>, io::Error);

/// A reliable connected queue pair with the sends that are posted to it.
pub(super) struct Qp {
    qp: Object<ffi::ibv_qp, Uses<Option<Chunk>, Queues>>,
}

impl Qp {
    /// A queue pair with room for `depth` sends.
    pub(super) fn new(domain: &Arc<Domain>, queues: Queues, depth: u32) -> Result<Qp, VerbsError> {
        let call = "ibv_create_qp";
        let (send_cq, recv_cq, srq) = (&queues.0.raw.cq, &queues.1.raw.cq, &queues.2.raw.srq);
        if ![&send_cq.uses.uses, &recv_cq.uses.uses, &srq.uses.domain].iter().all(|of| Arc::ptr_eq(of, domain)) {
            return Err(VerbsError::call(call)(io::ErrorKind::InvalidInput.into()));
        }
        let posted = Table::new(depth as usize).map_err(VerbsError::call(call))?;
        let mut attr = ffi::ibv_qp_init_attr {
            qp_context: ptr::null_mut(),
            send_cq: send_cq.ptr(),
            recv_cq: recv_cq.ptr(),
            srq: srq.ptr(),
            cap: ffi::ibv_qp_cap { max_send_wr: depth, max_send_sge: SGE_MAX, ..Default::default() },
            qp_type: ffi::ibv_qp_type::IBV_QPT_RC,
            // Every request makes a completion: each gives back a chunk.
            sq_sig_all: 1,
        };
        let uses = Uses { posted, domain: Arc::clone(domain), _queues: queues };
        // SAFETY: the protection domain and the queues exist, and the call reads and changes `attr`.
        unsafe {
            let qp = ffi::ibv_create_qp(domain.pd.ptr(), &raw mut attr);
            Ok(Qp { qp: Object::new(qp, call, ffi::ibv_destroy_qp, uses)? })
        }
    }

    pub(super) fn number(&self) -> u32 {
        // SAFETY: the queue pair exists, and its number never changes.
        unsafe { (*self.qp.ptr()).qp_num }
    }

    pub(super) fn modify(&self, Change { mut attr, mask }: Change) -> io::Result<()> {
        // SAFETY: the queue pair exists, and the call reads `attr`.
        check(unsafe { ffi::ibv_modify_qp(self.qp.ptr(), &raw mut attr, mask.0 as c_int) })
    }

    /// Its state as the device sees it.
    pub(super) fn state(&self) -> io::Result<ffi::ibv_qp_state::Type> {
        let (mut attr, mut init) = (ffi::ibv_qp_attr::default(), ffi::ibv_qp_init_attr::default());
        let mask = ffi::ibv_qp_attr_mask::IBV_QP_STATE.0 as c_int;
        // SAFETY: the queue pair exists, and the call fills both.
        check(unsafe { ffi::ibv_query_qp(self.qp.ptr(), &raw mut attr, mask, &raw mut init) })?;
        Ok(attr.qp_state)
    }

    /// What is posted to it; empty sends and the beacon have no chunk.
    pub(super) fn posted(&self) -> &Table<Option<Chunk>> {
        &self.qp.uses.posted
    }

    /// Posts one send, of the first `len` bytes of `chunk` or of none, if there is room for it and `kept` more. Gives
    /// the chunk back unless the device has it, or may.
    pub(super) fn post(&self, chunk: Option<Chunk>, len: u32, imm: u32, kind: Kind, kept: usize) -> Result<(), Unsent> {
        if chunk.as_ref().map_or(len > 0, |chunk| len > chunk.size() || !chunk.is_of(&self.qp.uses.domain)) {
            return Err((chunk, io::ErrorKind::InvalidInput.into()));
        }
        let qp = self.qp.ptr();
        let mut posted = self.posted().lock();
        if posted.room() <= kept {
            return Err((chunk, io::ErrorKind::WouldBlock.into()));
        }
        // SAFETY: the queue pair exists.
        let Some(post) = (unsafe { (*(*qp).context).ops.post_send }) else { return Err((chunk, unsupported())) };
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
        // SAFETY: the queue pair exists, and the request, which is the last of its list, is read before the call
        // returns. Its memory is registered and belongs to the table from here on.
        check(unsafe { post(qp, &raw mut request, &raw mut bad) }).map_err(|error| {
            tracing::warn!("ibv_post_send on queue pair {}: {error}", self.number());
            // If it is not named as the bad one, it may be posted, so its chunk stays in the table.
            let refused = ptr::eq(bad, &raw const request);
            (refused.then(|| posted.remove(request.wr_id).flatten()).flatten(), error)
        })
    }
}
