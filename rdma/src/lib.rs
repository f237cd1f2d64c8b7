//! RDMA under AsyncMessenger: verbs instead of sockets, credits instead of a socket buffer.
//!
//! Layers, top down: `RdmaFactory` makes messengers; `socket` is what AsyncMessenger sees of a connection; `connection`,
//! `handshake` and `transfer` are its life; `queues` has what one worker's connections share, `adapter` what all workers
//! share; `verbs` calls the library. Beside them, and needing no device: `stream` counts credits and keeps what arrived,
//! `receives` and `pool` count buffers, `side_channel` is what goes over TCP first, [`endpoint`] has the addresses.
//!
//! Without the feature `verbs` only the latter are there.

#![cfg_attr(not(feature = "verbs"), forbid(unsafe_code))]
#![cfg_attr(feature = "verbs", deny(unsafe_code))]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(feature = "verbs"), allow(dead_code))] // the verbs are its only user

pub mod endpoint;
mod pool;
mod receives;
mod side_channel;
mod stream;

#[cfg(feature = "verbs")]
mod adapter;
#[cfg(feature = "verbs")]
mod connection;
#[cfg(feature = "verbs")]
mod handshake;
#[cfg(feature = "verbs")]
mod queues;
#[cfg(feature = "verbs")]
mod socket;
#[cfg(feature = "verbs")]
mod transfer;
#[cfg(feature = "verbs")]
pub mod verbs;

#[cfg(feature = "verbs")]
#[doc(hidden)]
pub use adapter::break_queue_pairs;
#[cfg(feature = "verbs")]
pub use socket::{RdmaFactory, RdmaStack};
