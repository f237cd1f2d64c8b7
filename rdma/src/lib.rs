//! RDMA under AsyncMessenger: verbs instead of sockets, credits instead of a socket buffer.
//!
//! Without the feature `verbs` this crate is the logic of the stream alone, which needs no device.

#![cfg_attr(not(feature = "verbs"), forbid(unsafe_code))]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(feature = "verbs", deny(unsafe_code))]

pub mod endpoint;
#[cfg(feature = "verbs")]
#[allow(unsafe_code)]
pub mod verbs;
