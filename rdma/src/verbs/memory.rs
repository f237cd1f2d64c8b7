//! Registered memory, cut into chunks that have one owner each.

use std::ffi::c_int;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use ibverbs_sys as ffi;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::process::{Resource, getrlimit};

use super::domain::Domain;
use super::{Handle, VerbsError, destroyed};

/// Huge pages are mostly of this size; mappings of them are rounded up to it.
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed pages.
struct Memory {
    base: Handle<u8>,
    bytes: usize,
}

impl Memory {
    fn map(bytes: usize, huge_pages: bool) -> io::Result<Memory> {
        let map = |bytes, flags| {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: where nothing is mapped yet, of the system's choice.
            let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, MapFlags::PRIVATE | flags) }?;
            let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Memory { base: Handle(base), bytes })
        };
        if huge_pages {
            let rounded = bytes.checked_next_multiple_of(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
            match map(rounded, MapFlags::HUGETLB) {
                Ok(memory) => return Ok(memory),
                Err(error) => tracing::warn!("no {rounded} bytes of huge pages ({error}): using small ones"),
            }
        }
        map(bytes, MapFlags::empty())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped above with this length, and only chunks gave it out, which are gone.
        if let Err(error) = unsafe { munmap(self.base.raw().cast(), self.bytes) } {
            tracing::error!("munmap: {error}");
        }
    }
}

/// A registration of memory, cut into chunks.
struct Region {
    mr: Handle<ffi::ibv_mr>,
    memory: Memory,
    /// Bytes in a chunk.
    size: usize,
    domain: Arc<Domain>,
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: no chunk is left, so none is posted.
        destroyed("ibv_dereg_mr", unsafe { ffi::ibv_dereg_mr(self.mr.raw()) });
    }
}

/// See [`Device::register`](super::Device::register).
pub(super) fn register(domain: &Arc<Domain>, count: u32, size: u32, huge: bool) -> Result<Vec<Chunk>, VerbsError> {
    let (count, size) = (count as usize, size as usize);
    let Some(bytes) = count.checked_mul(size) else {
        return Err(VerbsError::call("mmap")(io::ErrorKind::OutOfMemory.into()));
    };
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let memory = Memory::map(bytes, huge).map_err(VerbsError::call("mmap"))?;
    let access = ffi::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0 as c_int;
    // SAFETY: `memory` is mapped for at least so long, and stays so until the registration has ended.
    let mr = unsafe { ffi::ibv_reg_mr(domain.pd(), memory.base.raw().cast(), bytes, access) };
    let mr = Handle::new(mr, "ibv_reg_mr").map_err(|error| match error {
        VerbsError::Call { source, .. } if source.kind() == io::ErrorKind::OutOfMemory => {
            VerbsError::LockedMemory { bytes, limit: getrlimit(Resource::Memlock).current }
        }
        error => error,
    })?;
    let region = Arc::new(Region { mr, memory, size, domain: Arc::clone(domain) });
    Ok((0..count).map(|index| Chunk { region: Arc::clone(&region), index }).collect())
}

/// A piece of registered memory, and the only way to its bytes.
///
/// Posting moves it to the queue; it comes back when the completion is taken. Nothing counts chunks: whoever registers
/// them keeps those that are free. The memory is unregistered when the last chunk of a registration is dropped.
pub struct Chunk {
    region: Arc<Region>,
    /// No other chunk of the region has it, and it is within.
    index: usize,
}

impl Chunk {
    fn base(&self) -> *mut u8 {
        // SAFETY: within the region's memory, as every chunk is.
        unsafe { self.region.memory.base.raw().add(self.index * self.region.size) }
    }

    /// Its bytes, which are as many in all chunks of a registration.
    #[must_use]
    pub fn size(&self) -> u32 {
        // It was made of a u32.
        self.region.size as u32
    }

    /// Whether it was registered with this device.
    pub(super) fn is_of(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.region.domain, domain)
    }

    /// The first `len` bytes as the device is told of them.
    pub(super) fn part(&self, len: u32) -> ffi::ibv_sge {
        // SAFETY: the registration exists as long as the region.
        let lkey = unsafe { (*self.region.mr.raw()).lkey };
        ffi::ibv_sge { addr: self.base() as u64, length: len, lkey }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes of the region are this chunk's alone, and no device has them: posted chunks are out of reach.
        unsafe { std::slice::from_raw_parts(self.base(), self.region.size) }
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.base(), self.region.size) }
    }
}
