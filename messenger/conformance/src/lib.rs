//! What every messenger must do, as cases that run against any [`MessengerFactory`](msgr::MessengerFactory).
//!
//! A messenger, or a stack under one, gets the whole suite by one line in a test file (see [`suite!`]):
//!
//! ```ignore
//! msgr_conformance::suite!(msgr_simple::SimpleFactory);
//! ```
//!
//! Cases use real sockets on loopback addresses of their own, wait for what must happen and never for time to pass,
//! and print the seed of what is random. [`cases`] has the table of them; those that need a process to themselves are
//! in [`cases::alone`] and get a test file each. What is under AsyncMessenger has tables of its own: event drivers and
//! network stacks (`drivers` and `stacks`, with the feature `stack`).
#![forbid(unsafe_code)]
// A case is a test: it fails by panicking.
#![allow(clippy::unwrap_used)]

pub mod cases;
pub mod ceph;
#[cfg(feature = "stack")]
pub mod drivers;
mod ears;
#[cfg(feature = "stack")]
pub mod gateway;
#[cfg(not(feature = "stack"))]
mod gateway {
    //! Everything is TCP.
    use std::net::SocketAddr;

    pub(crate) fn tcp_to(server: SocketAddr) -> SocketAddr {
        server
    }

    pub(crate) fn to_tcp(address: SocketAddr) -> SocketAddr {
        address
    }
}
pub mod hooks;
mod node;
pub mod proxy;
pub mod raw;
mod seed;
#[cfg(feature = "stack")]
pub mod stacks;
mod stage;
mod started;
mod table;

pub use ears::{Heard, React, echo, session_count};
pub use node::{Node, PATIENCE, Plan, eventually, loopback};
pub use seed::{SEED_VARIABLE, random};
pub use started::Started;
pub use table::{Case, Configured, Kind};

/// Makes a test of the interop with a real monitor ([`ceph`]), run with the messengers of the factory given.
#[macro_export]
macro_rules! interop {
    ($factory:expr) => {
        #[test]
        fn a_monitor_and_the_messenger_understand_each_other() {
            $crate::ceph::with(&$factory);
        }
    };
}
