//! Messengers joined in memory: a network without sockets, threads or a clock.
//!
//! The protocol does no I/O, so it can be driven by a loop that decides what happens next: [`Net`] carries the bytes of
//! its [`Node`]s, cuts wires, lets time pass; [`script`] has the bytes of a peer that a test plays itself. Everything is
//! repeatable to the last byte.
//!
//! This crate is for tests. Nothing of it may be needed by a messenger.
#![forbid(unsafe_code)]
// A driver of tests fails by panicking.
#![allow(clippy::unwrap_used)]

mod actor;
mod clock;
mod drive;
mod faults;
pub mod fuzz;
mod interlude;
mod net;
mod node;
pub mod schedule;
pub mod script;
mod together;
mod weather;
mod wire;
mod working;

pub use actor::Told;
pub use net::Net;
pub use node::{Node, QUEUED, Seen};
pub use weather::{Climate, Lag, Weather};
pub use wire::Break;
