//! What threads share state with: `std`'s primitives, or stand-ins that a test can schedule.
//!
//! Everything that takes part in a hand-off between threads takes its locks, condition variables, atomics and threads
//! from here, in this crate and in the stacks. An ordinary build gets `std`'s, and nothing else. Built with
//! `--cfg msgr_shuttle` they are shuttle's, which let a test choose who runs next at each operation and repeat what it
//! chose: `just concurrency`. Such a build is good for these tests only, and for one thread of the host at a time.
//!
//! Not everything in `std` has a stand-in: [`Arc`], [`Weak`] and [`OnceLock`] are `std`'s in both builds, for they make
//! nobody wait. Thread-locals are reached by `with`, the one way that both kinds have.
//!
//! For the stacks of this workspace; not part of the contract.

pub use std::sync::{OnceLock, PoisonError};

#[cfg(not(msgr_shuttle))]
pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, Weak, atomic};
#[cfg(not(msgr_shuttle))]
pub use std::{thread, thread_local};

#[cfg(msgr_shuttle)]
pub use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, Weak, atomic};
#[cfg(msgr_shuttle)]
pub use shuttle::{thread, thread_local};

#[cfg(msgr_shuttle)]
pub mod explore;
