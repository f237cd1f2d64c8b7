//! Sessions under scheduled threads: what the application, a reader and a writer do to one session at the same time.
//!
//! Only for builds with `--cfg msgr_shuttle`; run by `just concurrency`. The stack is the test's own: threads that do what
//! SimpleMessenger's do, with bytes instead of sockets.
#![cfg(msgr_shuttle)]
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod close;
mod replace;
mod stack;
mod transmit;
