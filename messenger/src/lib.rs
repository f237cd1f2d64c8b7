//! The messenger contract and the msgr v1 protocol, without I/O.
//!
//! Two audiences read this crate. **Applications** use [`Messenger`], [`Connection`], [`Message`] and implement
//! [`Dispatcher`]; which architecture moves the bytes is the choice of a [`MessengerFactory`] from another crate.
//! **Stacks** implement [`Messenger`] with threads and sockets around [`Core`] and [`session`], which hold the whole
//! protocol: no stack compares a sequence number or names a state.
//!
//! Nothing here opens a socket. The only threads are those of the dispatch queue and of local delivery, each started
//! with its first item.
#![forbid(unsafe_code)]

mod addr;
mod config;
mod connection;
mod core;
#[cfg(feature = "coverage")]
pub mod coverage;
#[cfg(not(feature = "coverage"))]
mod coverage;
mod dispatcher;
mod entity;
mod error;
mod events;
mod inject;
mod message;
mod messenger;
#[doc(hidden)]
pub mod parts;
mod policy;
mod priority_queue;
mod queue_thread;
mod registry;
pub mod session;
pub mod stages;
pub mod stats;
#[doc(hidden)]
pub mod sync;
mod throttle;
mod turn;
pub mod wire;

pub use crate::core::Core;
pub use addr::EntityAddr;
pub use config::{Config, EventDriverKind, OptionError, OptionInfo, parse_size};
pub use connection::Connection;
pub use dispatcher::{AuthVerdict, Authorizer, Dispatcher, Events};
pub use entity::{EntityName, EntityType};
pub use error::{Error, PeerError};
pub use message::{Message, PRIORITY_DEFAULT, PRIORITY_HIGH, PRIORITY_HIGHEST, PRIORITY_LOW};
pub use messenger::{Messenger, MessengerFactory, Setup};
pub use policy::Policy;
pub use stages::{Stage, Stages};
pub use stats::Stats;
pub use throttle::{Permit, Throttle};
