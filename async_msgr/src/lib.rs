//! AsyncMessenger: a fixed pool of workers, each an event loop, shared by all messengers of the process.
//!
//! Layers, top down: [`AsyncMessenger`] answers the application; `connection` drives one session on one worker;
//! `worker` is the loop; `driver` waits for readiness; [`stack`] opens, reads and writes sockets. Nothing above
//! [`stack`] knows which stack it runs on, and nothing here knows the protocol: what bytes mean is `msgr::session`'s.
#![forbid(unsafe_code)]

mod connection;
pub mod driver;
mod mailbox;
mod messenger;
pub mod pollers;
mod processor;
#[cfg(all(test, msgr_shuttle))]
mod schedules;
mod slot;
pub mod stack;
mod timers;
mod worker;
mod worker_pool;

pub use messenger::{AsyncFactory, AsyncMessenger};
