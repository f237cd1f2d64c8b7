//! SimpleMessenger: one thread accepts, and every peer has a reader and a writer thread of its own.
//!
//! The architecture Ceph started with. Every socket is blocking, so the code of a connection reads from top to bottom;
//! the price is two threads for each peer, and two wake-ups (the peer's reader, the own writer) for each message that
//! is answered. It is the reference that event-driven messengers are measured against.
//!
//! | thread | how many | does |
//! |---|---|---|
//! | `ms_accepter` | 1 if bound | accepts sockets, and starts a pipe for each |
//! | `ms_pipe_write` | 1 per pipe | owns the pipe: dials, starts the reader of each TCP connection, writes |
//! | `ms_pipe_read` | 1 per TCP connection | handshake, then reads and fast-dispatches; if accepted, starts the writer when it opens |
//! | `ms_reaper` | 1 from the first pipe on | joins the threads of dead pipes |
//! | `ms_dispatch`, `ms_local` | 1 each, once needed | queued dispatch and local delivery, see [`msgr`] |
//!
//! The protocol is [`msgr::session`]'s; what is here moves bytes. The path of a message: [`Session`](msgr::session::Session)
//! queue, [`Driver::transmit`](msgr::session::Driver::transmit) (`pipe.rs`), `writer.rs`, the socket, the peer's
//! `reader.rs`, [`Link::process`](msgr::session::Link::process), its dispatcher.
#![forbid(unsafe_code)]

mod accepter;
mod listen;
mod messenger;
mod pipe;
mod reader;
mod reaper;
mod socket;
mod threads;
mod writer;

pub use messenger::SimpleMessenger;

use std::sync::Arc;

use msgr::{Error, Messenger, MessengerFactory, Setup};

/// Makes [`SimpleMessenger`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleFactory;

impl MessengerFactory for SimpleFactory {
    fn name(&self) -> &'static str {
        "simple"
    }

    fn create(&self, setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        Ok(Arc::new(SimpleMessenger::new(setup)?))
    }
}
