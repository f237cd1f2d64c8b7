//! Finding and opening a device, and making everything else of it.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::memory;
use super::raw::Domain;
use super::values::gid_entry;
use super::{
    AsyncEvent, Chunk, CompletionQueue, Limits, Port, PortState, QueuePair, SharedReceiveQueue, VerbsError, watchable,
};
use crate::endpoint::{Endpoint, GidChoice, GidEntry};

/// Entries of a table of GIDs that are looked at; their places have eight bits.
const GIDS_MAX: usize = 256;

/// An open device, one of its ports, and the GID it is known by. What is made of it keeps it open.
pub struct Device {
    name: String,
    port: u8,
    gid: GidEntry,
    limits: Limits,
    events: Arc<OwnedFd>,
    domain: Arc<Domain>,
}

/// The names of the devices there are, in the library's order.
///
/// # Errors
/// [`VerbsError::NoRdma`] if the kernel has no RDMA.
pub fn device_names() -> Result<Vec<String>, VerbsError> {
    let list = ibverbs::devices().map_err(VerbsError::NoRdma)?;
    Ok(list.iter().filter_map(|device| Some(device.name()?.to_string_lossy().into_owned())).collect())
}

impl Device {
    /// Opens the device of this name, or the first if it is empty. Ports count from 1.
    ///
    /// # Errors
    /// Each says what to do: there is no such device, port or GID, it may not be opened, or the port is not active.
    pub fn open(name: &str, port: u8, gid: GidChoice) -> Result<Device, VerbsError> {
        let there = device_names()?;
        let found = there.iter().find(|found| name.is_empty() || *found == name).cloned();
        let Some(device) = found else {
            let name = name.to_owned();
            return Err(if there.is_empty() { VerbsError::NoDevice } else { VerbsError::NoSuchDevice { name, there } });
        };
        let domain = Domain::open(&device).map_err(|error| match error {
            VerbsError::Call { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                VerbsError::Permission { device: device.clone(), source }
            }
            error => error,
        })?;
        let attributes = domain.attributes().map_err(VerbsError::call("ibv_query_device"))?;
        let ports = attributes.phys_port_cnt;
        if !(1..=ports).contains(&port) {
            return Err(VerbsError::NoSuchPort { device, port, ports });
        }
        // The table of GIDs says nothing before the port is active.
        let state = Port::of(&domain.port(port).map_err(VerbsError::call("ibv_query_port"))?).state;
        if state != PortState::Active {
            return Err(VerbsError::PortNotActive { device, port, state });
        }
        let there = domain.gids(GIDS_MAX).map_err(VerbsError::call("ibv_query_gid_table"))?;
        let there: Vec<_> = there.iter().filter_map(|entry| gid_entry(port, entry)).collect();
        let Some(gid) = gid.choose(&there) else {
            return Err(VerbsError::NoSuchGid { device, port, wanted: gid, there });
        };
        let events = watchable(domain.event_fd()).map_err(VerbsError::call("ibv_open_device"))?;
        Ok(Device { name: device, port, gid, limits: Limits::of(&attributes), events, domain })
    }

    /// Its name, such as `mlx5_0` or `rxe0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The GID chosen.
    #[must_use]
    pub fn gid(&self) -> GidEntry {
        self.gid
    }

    /// What it can do at most.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Its port now.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn port(&self) -> io::Result<Port> {
        Ok(Port::of(&self.domain.port(self.port)?))
    }

    /// Readable when [`Device::next_event`] has one.
    #[must_use]
    pub fn event_fd(&self) -> &Arc<OwnedFd> {
        &self.events
    }

    /// What the device tells by itself, of all its ports; `None` if there is nothing new. Never blocks.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn next_event(&self) -> io::Result<Option<AsyncEvent>> {
        self.domain.next_event()
    }

    /// Registers zeroed memory and hands it all out, as `count` chunks of `size` bytes, the first at the beginning of a page.
    /// The device may read and write them, a peer may not. In huge pages if that is wanted and there are enough of them.
    ///
    /// # Errors
    /// [`VerbsError::LockedMemory`] when so much may not be locked.
    pub fn register(&self, count: u32, size: u32, huge_pages: bool) -> Result<Vec<Chunk>, VerbsError> {
        memory::register(&self.domain, count, size, huge_pages)
    }

    /// A completion queue with room for `depth` completions. More at once would break it and all that use it: so it must be
    /// as deep as the queues that end in it are together.
    ///
    /// # Errors
    /// [`VerbsError::BeyondDevice`] above [`Limits::max_cqe`].
    pub fn completion_queue(&self, depth: u32) -> Result<Arc<CompletionQueue>, VerbsError> {
        self.within("completions in one queue", depth, self.limits.max_cqe)?;
        CompletionQueue::new(&self.domain, depth).map(Arc::new)
    }

    /// A queue of at most `max_wr` receives that many queue pairs share.
    ///
    /// # Errors
    /// [`VerbsError::BeyondDevice`] above [`Limits::max_srq_wr`].
    pub fn shared_receive_queue(&self, max_wr: u32) -> Result<Arc<SharedReceiveQueue>, VerbsError> {
        self.within("receives in one queue", max_wr, self.limits.max_srq_wr)?;
        SharedReceiveQueue::new(&self.domain, max_wr).map(Arc::new)
    }

    /// A reliable connected queue pair with room for `max_send_wr` sends, in the state INIT. Its sends end in `send_cq`, and
    /// what it receives into chunks of `srq` ends in `recv_cq`, which may be the same.
    ///
    /// # Errors
    /// [`VerbsError::BeyondDevice`] when a beacon more than `max_send_wr` is above [`Limits::max_qp_wr`].
    pub fn queue_pair(
        &self,
        send_cq: &Arc<CompletionQueue>,
        recv_cq: &Arc<CompletionQueue>,
        srq: &Arc<SharedReceiveQueue>,
        max_send_wr: u32,
    ) -> Result<QueuePair, VerbsError> {
        self.within("sends in one queue", max_send_wr, self.limits.max_qp_wr.saturating_sub(1))?;
        let queues = (Arc::clone(send_cq), Arc::clone(recv_cq), Arc::clone(srq));
        QueuePair::new((&self.domain, self.port, self.gid), queues, max_send_wr)
    }

    /// What a peer must know of this end to reach `pair`, whose first packet will have the number `psn`.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn endpoint(&self, pair: &QueuePair, psn: u32) -> io::Result<Endpoint> {
        Ok(Endpoint { qp_num: pair.number(), psn, lid: self.port()?.lid, gid: self.gid.gid })
    }

    fn within(&self, what: &'static str, wanted: u32, most: u32) -> Result<(), VerbsError> {
        if wanted > most {
            return Err(VerbsError::BeyondDevice { device: self.name.clone(), what, wanted, most });
        }
        Ok(())
    }
}
