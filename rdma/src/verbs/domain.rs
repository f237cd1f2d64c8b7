//! The open device and the protection domain, of which everything else is made.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use ibverbs_sys as ffi;

use super::{AsyncEvent, Handle, VerbsError, check, destroyed, watchable};

struct Context(Handle<ffi::ibv_context>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: what is made of it holds the `Domain`, which holds this; so nothing is left.
        destroyed("ibv_close_device", unsafe { ffi::ibv_close_device(self.0.raw()) });
    }
}

/// An open device with the protection domain that everything made of it shares.
pub(super) struct Domain {
    pd: Handle<ffi::ibv_pd>,
    context: Context,
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: what is made of it holds it; so nothing is left.
        destroyed("ibv_dealloc_pd", unsafe { ffi::ibv_dealloc_pd(self.pd.raw()) });
    }
}

impl Domain {
    /// Opens the device of this name.
    pub(super) fn open(name: &str) -> Result<Arc<Domain>, VerbsError> {
        let call = "ibv_open_device";
        // SAFETY: with null the call does not tell how many there are: the list ends with a null.
        let list = Handle::new(unsafe { ffi::ibv_get_device_list(ptr::null_mut()) }, "ibv_get_device_list")?;
        let mut at = list.raw();
        let mut context = Err(VerbsError::call(call)(io::ErrorKind::NotFound.into()));
        // SAFETY: up to the null all are devices, which live as long as the list, and their names as long as they.
        unsafe {
            while !(*at).is_null() {
                if CStr::from_ptr(ffi::ibv_get_device_name(*at)).to_bytes() == name.as_bytes() {
                    context = Handle::new(ffi::ibv_open_device(*at), call).map(Context);
                    break;
                }
                at = at.add(1);
            }
            // An open device does not need the list.
            ffi::ibv_free_device_list(list.raw());
        }
        let context = context?;
        // SAFETY: the context is open.
        let pd = unsafe { ffi::ibv_alloc_pd(context.0.raw()) };
        Ok(Arc::new(Domain { pd: Handle::new(pd, "ibv_alloc_pd")?, context }))
    }

    pub(super) fn context(&self) -> *mut ffi::ibv_context {
        self.context.0.raw()
    }

    pub(super) fn pd(&self) -> *mut ffi::ibv_pd {
        self.pd.raw()
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

    /// A descriptor that an event loop may watch for events of the device; reading them does not block from now on.
    pub(super) fn event_fd(&self) -> io::Result<Arc<OwnedFd>> {
        // SAFETY: the context is open, and so is its descriptor.
        watchable(unsafe { BorrowedFd::borrow_raw((*self.context()).async_fd) })
    }

    /// See [`Device::next_event`](super::Device::next_event).
    pub(super) fn next_event(&self) -> io::Result<Option<AsyncEvent>> {
        let mut event = ffi::ibv_async_event::default();
        // SAFETY: the context is open, and the call fills `event`.
        if let Err(error) = check(unsafe { ffi::ibv_get_async_event(self.context(), &raw mut event) }) {
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        // SAFETY: `of` asks for the member that is set for this type of event; a queue pair in it exists, since
        // destroying it waits for the acknowledgement that follows.
        let seen =
            unsafe { AsyncEvent::of(event.event_type, || (*event.element.qp).qp_num, || event.element.port_num) };
        // SAFETY: the event was got above, and is acknowledged once.
        unsafe { ffi::ibv_ack_async_event(&raw mut event) };
        Ok(Some(seen))
    }
}
