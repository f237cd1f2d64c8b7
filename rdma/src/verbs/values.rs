//! The plain values of verbs, and how they stand in the library's structures.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

use ffi::ibv_qp_attr_mask as Mask;
use ibverbs_sys as ffi;

use crate::endpoint::{Endpoint, Gid, GidEntry, GidKind};

/// What a device can do at most, of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // They say it themselves; man ibv_query_device.
pub struct Limits {
    pub max_qp: u32,
    /// Requests in a send queue.
    pub max_qp_wr: u32,
    pub max_cq: u32,
    /// Completions in a queue.
    pub max_cqe: u32,
    pub max_srq: u32,
    /// Receives in a shared queue.
    pub max_srq_wr: u32,
    /// Pieces of memory in a request.
    pub max_sge: u32,
    pub max_mr: u32,
    /// Bytes in a registration.
    pub max_mr_size: u64,
}

impl Limits {
    pub(super) fn of(found: &ffi::ibv_device_attr) -> Limits {
        let count = |number: i32| u32::try_from(number).unwrap_or(0);
        Limits {
            max_qp: count(found.max_qp),
            max_qp_wr: count(found.max_qp_wr),
            max_cq: count(found.max_cq),
            max_cqe: count(found.max_cqe),
            max_srq: count(found.max_srq),
            max_srq_wr: count(found.max_srq_wr),
            max_sge: count(found.max_sge),
            max_mr: count(found.max_mr),
            max_mr_size: found.max_mr_size,
        }
    }
}

/// A port at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// What it is doing.
    pub state: PortState,
    /// Bytes of payload in a packet, 256 to 4096: what [`PathOptions::path_mtu`] may be at most.
    pub active_mtu: u16,
    /// Bytes in a message at most.
    pub max_msg_sz: u32,
    /// Its local identifier; 0 on RoCE.
    pub lid: u16,
}

impl Port {
    pub(super) fn of(found: &ffi::ibv_port_attr) -> Port {
        // 1 is 256 bytes, 5 is 4096.
        let active_mtu = 128 << found.active_mtu.min(5);
        Port { state: PortState::of(found.state), active_mtu, max_msg_sz: found.max_msg_sz, lid: found.lid }
    }
}

/// What a port is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// No link.
    Down,
    /// A link, but nobody has set it up yet.
    Init,
    /// Set up, but not carrying data yet.
    Armed,
    /// Carrying data.
    Active,
    /// Another, by verbs' number.
    Other(u32),
}

impl PortState {
    fn of(state: ffi::ibv_port_state::Type) -> PortState {
        match state {
            ffi::ibv_port_state::IBV_PORT_DOWN => PortState::Down,
            ffi::ibv_port_state::IBV_PORT_INIT => PortState::Init,
            ffi::ibv_port_state::IBV_PORT_ARMED => PortState::Armed,
            ffi::ibv_port_state::IBV_PORT_ACTIVE => PortState::Active,
            other => PortState::Other(other),
        }
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortState::Down => f.write_str("down"),
            PortState::Init => f.write_str("initialising"),
            PortState::Armed => f.write_str("armed"),
            PortState::Active => f.write_str("active"),
            PortState::Other(number) => write!(f, "in state {number}"),
        }
    }
}

/// An entry as the `ibverbs` crate has it; `None` if it is of another port or of a kind unknown here.
pub(super) fn gid_entry(port: u8, found: &ibverbs::GidEntry) -> Option<GidEntry> {
    let kind = match found.gid_type {
        ffi::IBV_GID_TYPE_IB => GidKind::InfiniBand,
        ffi::IBV_GID_TYPE_ROCE_V1 => GidKind::RoceV1,
        ffi::IBV_GID_TYPE_ROCE_V2 => GidKind::RoceV2,
        _ => return None,
    };
    let mut gid = Gid::default();
    gid.0[..8].copy_from_slice(&found.gid.subnet_prefix().to_be_bytes());
    gid.0[8..].copy_from_slice(&found.gid.interface_id().to_be_bytes());
    let index = u8::try_from(found.gid_index).ok()?;
    (found.port_num == u32::from(port)).then_some(GidEntry { gid, index, kind })
}

/// What a device tells by itself. Some providers never tell some of it: Soft-RoCE has no [`AsyncEvent::QpLastWqe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncEvent {
    /// The queue pair of this number fell into ERR.
    QpFatal(u32),
    /// The queue pair of this number is in ERR and takes no more receives from its shared queue.
    QpLastWqe(u32),
    /// This port no longer carries data.
    PortError(u8),
    /// This port carries data now.
    PortActive(u8),
    /// The device is gone, with all that was made of it.
    DeviceFatal,
    /// A shared receive queue has fewer chunks than its limit.
    SrqLimit,
    /// A shared receive queue broke.
    SrqError,
    /// A completion queue ran over or broke.
    CqError,
    /// Another, by verbs' number (`ibv_event_type`).
    Other(u32),
}

impl AsyncEvent {
    /// The event of this type; `number` is that of its queue pair or port if it has one.
    pub(super) fn of(kind: ffi::ibv_event_type, number: u32) -> AsyncEvent {
        let port = u8::try_from(number).unwrap_or(0);
        match kind {
            ffi::IBV_EVENT_QP_FATAL | ffi::IBV_EVENT_QP_REQ_ERR | ffi::IBV_EVENT_QP_ACCESS_ERR => {
                AsyncEvent::QpFatal(number)
            }
            ffi::IBV_EVENT_QP_LAST_WQE_REACHED => AsyncEvent::QpLastWqe(number),
            ffi::IBV_EVENT_PORT_ERR => AsyncEvent::PortError(port),
            ffi::IBV_EVENT_PORT_ACTIVE => AsyncEvent::PortActive(port),
            ffi::IBV_EVENT_DEVICE_FATAL => AsyncEvent::DeviceFatal,
            ffi::IBV_EVENT_SRQ_LIMIT_REACHED => AsyncEvent::SrqLimit,
            ffi::IBV_EVENT_SRQ_ERR => AsyncEvent::SrqError,
            ffi::IBV_EVENT_CQ_ERR => AsyncEvent::CqError,
            other => AsyncEvent::Other(other),
        }
    }
}

/// How a request ended. All but [`Status::Success`] leave the queue pair in ERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Sent and acknowledged, or received.
    Success,
    /// The queue pair was in ERR already.
    Flushed,
    /// The peer did not acknowledge, however often it was sent: it is dead, or the way to it.
    RetriesExceeded,
    /// The peer had no buffer, however often it was asked.
    RnrRetriesExceeded,
    /// The peer could not do it, for example since its buffer was too small.
    RemoteOperation,
    /// Another, by verbs' number (`ibv_wc_status`).
    Other(u32),
}

impl Status {
    pub(super) fn of(error: Option<(ffi::ibv_wc_status::Type, u32)>) -> Status {
        match error.map(|(status, _)| status) {
            None => Status::Success,
            Some(ffi::ibv_wc_status::IBV_WC_WR_FLUSH_ERR) => Status::Flushed,
            Some(ffi::ibv_wc_status::IBV_WC_RETRY_EXC_ERR) => Status::RetriesExceeded,
            Some(ffi::ibv_wc_status::IBV_WC_RNR_RETRY_EXC_ERR) => Status::RnrRetriesExceeded,
            Some(ffi::ibv_wc_status::IBV_WC_REM_OP_ERR) => Status::RemoteOperation,
            Some(other) => Status::Other(other),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Success => f.write_str("done"),
            Status::Flushed => f.write_str("flushed: the queue pair was in ERR"),
            Status::RetriesExceeded => f.write_str("the peer does not acknowledge"),
            Status::RnrRetriesExceeded => f.write_str("the peer has no buffer"),
            Status::RemoteOperation => f.write_str("the peer could not do it"),
            Status::Other(number) => write!(f, "failed with status {number}"),
        }
    }
}

/// Where a queue pair is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueuePairState {
    /// Set up; nothing moves.
    Init,
    /// RTR: it receives.
    ReadyToReceive,
    /// RTS: it sends and receives.
    ReadyToSend,
    /// ERR: everything posted is flushed.
    Error,
    /// Another, by verbs' number (`ibv_qp_state`).
    Other(u32),
}

impl QueuePairState {
    pub(super) fn of(state: ffi::ibv_qp_state::Type) -> QueuePairState {
        match state {
            ffi::ibv_qp_state::IBV_QPS_INIT => QueuePairState::Init,
            ffi::ibv_qp_state::IBV_QPS_RTR => QueuePairState::ReadyToReceive,
            ffi::ibv_qp_state::IBV_QPS_RTS => QueuePairState::ReadyToSend,
            ffi::ibv_qp_state::IBV_QPS_ERR => QueuePairState::Error,
            other => QueuePairState::Other(other),
        }
    }
}

/// How a queue pair reaches its peer. The defaults are Ceph's, except where that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathOptions {
    /// Bytes of payload in a packet: 256, 512, 1024, 2048 or 4096, the same at both ends. 1024; [`Port::active_mtu`] is the
    /// most.
    pub path_mtu: u16,
    /// 0 to 7, the priority in Ethernet frames. 3 (`ms_async_rdma_sl`).
    pub service_level: u8,
    /// The IP header's byte of DSCP and ECN. 96 (`ms_async_rdma_dscp`).
    pub traffic_class: u8,
    /// Routers on the way. 64; Ceph has 6.
    pub hop_limit: u8,
    /// How long a peer waits that found no buffer here, as verbs code it: 12 is 0.64 ms.
    pub min_rnr_timer: u8,
    /// How long to wait for an acknowledgement: 4.096 us times two to this power, 0 for ever. 14 is 67 ms.
    pub timeout: u8,
    /// How often to send again what was not acknowledged, up to 7. 6: Ceph has 7, which Soft-RoCE takes for ever.
    pub retry_count: u8,
    /// How often to try again when the peer has no buffer. 7, which is for ever.
    pub rnr_retry: u8,
}

impl Default for PathOptions {
    fn default() -> PathOptions {
        PathOptions {
            path_mtu: 1024,
            service_level: 3,
            traffic_class: 96,
            hop_limit: 64,
            min_rnr_timer: 12,
            timeout: 14,
            retry_count: 6,
            rnr_retry: 7,
        }
    }
}

/// A change of a queue pair's state: the attributes it needs, and which those are.
pub(super) struct Change {
    pub(super) attr: ffi::ibv_qp_attr,
    pub(super) mask: Mask,
}

impl Change {
    fn to(qp_state: ffi::ibv_qp_state::Type) -> Change {
        Change { attr: ffi::ibv_qp_attr { qp_state, ..Default::default() }, mask: Mask::IBV_QP_STATE }
    }

    pub(super) fn init(port: u8) -> Change {
        let Change { mut attr, mask } = Change::to(ffi::ibv_qp_state::IBV_QPS_INIT);
        attr.port_num = port;
        // No rights for the peer: it only sends.
        attr.qp_access_flags = 0;
        Change { attr, mask: mask | Mask::IBV_QP_PKEY_INDEX | Mask::IBV_QP_PORT | Mask::IBV_QP_ACCESS_FLAGS }
    }

    pub(super) fn ready_to_receive(remote: &Endpoint, options: &PathOptions, port: u8, gid: u8) -> io::Result<Change> {
        let Change { mut attr, mask } = Change::to(ffi::ibv_qp_state::IBV_QPS_RTR);
        attr.path_mtu = match options.path_mtu {
            256 => ffi::IBV_MTU_256,
            512 => ffi::IBV_MTU_512,
            1024 => ffi::IBV_MTU_1024,
            2048 => ffi::IBV_MTU_2048,
            4096 => ffi::IBV_MTU_4096,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        attr.dest_qp_num = remote.qp_num;
        attr.rq_psn = remote.psn;
        attr.max_dest_rd_atomic = 1;
        attr.min_rnr_timer = options.min_rnr_timer;
        attr.ah_attr.is_global = 1;
        attr.ah_attr.grh.dgid = ffi::ibv_gid { raw: remote.gid.0 };
        attr.ah_attr.grh.sgid_index = gid;
        attr.ah_attr.grh.hop_limit = options.hop_limit;
        attr.ah_attr.grh.traffic_class = options.traffic_class;
        attr.ah_attr.dlid = remote.lid;
        attr.ah_attr.sl = options.service_level;
        attr.ah_attr.port_num = port;
        let mask = mask | Mask::IBV_QP_AV | Mask::IBV_QP_PATH_MTU | Mask::IBV_QP_DEST_QPN | Mask::IBV_QP_RQ_PSN;
        Ok(Change { attr, mask: mask | Mask::IBV_QP_MAX_DEST_RD_ATOMIC | Mask::IBV_QP_MIN_RNR_TIMER })
    }

    pub(super) fn ready_to_send(psn: u32, options: &PathOptions) -> Change {
        let Change { mut attr, mask } = Change::to(ffi::ibv_qp_state::IBV_QPS_RTS);
        attr.sq_psn = psn;
        attr.timeout = options.timeout;
        attr.retry_cnt = options.retry_count;
        attr.rnr_retry = options.rnr_retry;
        attr.max_rd_atomic = 1;
        let mask = mask | Mask::IBV_QP_TIMEOUT | Mask::IBV_QP_RETRY_CNT | Mask::IBV_QP_RNR_RETRY;
        Change { attr, mask: mask | Mask::IBV_QP_SQ_PSN | Mask::IBV_QP_MAX_QP_RD_ATOMIC }
    }

    pub(super) fn error() -> Change {
        Change::to(ffi::ibv_qp_state::IBV_QPS_ERR)
    }
}
