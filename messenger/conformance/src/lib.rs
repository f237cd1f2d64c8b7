//! What every messenger must do, as cases that run against any [`MessengerFactory`](msgr::MessengerFactory).
//!
//! A messenger, or a stack under one, gets the whole suite by one line in a test file:
//!
//! ```ignore
//! msgr_conformance::suite!(msgr_simple::SimpleFactory);
//! ```
//!
//! Cases use real sockets on loopback addresses of their own, wait for what must happen and never for time to pass,
//! and print the seed of what is random. Cases that need a process to themselves (they count threads or use up its
//! descriptors) are in [`cases::alone`] and get a test file each.
#![forbid(unsafe_code)]
// A case is a test: it fails by panicking.
#![allow(clippy::unwrap_used)]

pub mod cases;
pub mod ceph;
mod node;
pub mod proxy;
pub mod raw;
mod suite;

pub use node::{Heard, Node, PATIENCE, Plan, React, echo, loopback};
pub use suite::Configured;

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
