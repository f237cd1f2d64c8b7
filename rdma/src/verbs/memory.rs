//! How much memory is registered, and in which pages.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use super::raw::{Domain, Memory};
use super::{Chunk, VerbsError};

/// Huge pages are mostly of this size; mappings of them are rounded up to it.
const HUGE_PAGE: usize = 2 << 20;

/// See [`Device::register`](super::Device::register).
pub(super) fn register(domain: &Arc<Domain>, count: u32, size: u32, huge: bool) -> Result<Vec<Chunk>, VerbsError> {
    let Some(bytes) = (count as usize).checked_mul(size as usize) else {
        return Err(VerbsError::call("mmap")(io::ErrorKind::OutOfMemory.into()));
    };
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let memory = map(bytes, huge).map_err(VerbsError::call("mmap"))?;
    memory.register(domain, bytes, size).map_err(|error| match error {
        VerbsError::Call { source, .. } if source.kind() == io::ErrorKind::OutOfMemory => {
            VerbsError::LockedMemory { bytes, limit: getrlimit(Resource::Memlock).current }
        }
        error => error,
    })
}

fn map(bytes: usize, huge_pages: bool) -> io::Result<Memory> {
    if huge_pages {
        let rounded = bytes.checked_next_multiple_of(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        match Memory::map(rounded, true) {
            Ok(memory) => return Ok(memory),
            Err(error) => tracing::warn!("no {rounded} bytes of huge pages ({error}): using small ones"),
        }
    }
    Memory::map(bytes, false)
}
