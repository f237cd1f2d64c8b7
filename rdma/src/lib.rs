//! RDMA under AsyncMessenger: verbs instead of sockets, credits instead of a socket buffer.
//!
//! Without the feature `verbs` this crate is the logic of the stream alone, which needs no device.

#![cfg_attr(not(feature = "verbs"), forbid(unsafe_code))]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(feature = "verbs"), allow(dead_code))] // the verbs are its only user

mod pool;
mod receives;
mod side_channel;
mod stream;
