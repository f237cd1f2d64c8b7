//! ZeroMQ as the side under test: one ROUTER socket, and one thread that answers what it receives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use zmq::{Context, Error, Message, SNDMORE, Socket, SocketType};

use super::frame::{Frame, HELLO, Header};
use super::sockets::{self, receive, send};
use crate::kinds::Kind;
use crate::output;
use crate::serve::{Delays, Side, Tally};
use crate::wire::{CREDIT, REPLY, REQUEST, STREAM, STREAM_MARK};

/// A bound socket and its thread.
#[derive(Debug)]
struct Served {
    address: SocketAddr,
    tally: Arc<Tally>,
}

/// Serves on `address` until the process ends, with replies of `reply` bytes.
///
/// # Errors
///
/// When the address cannot be bound.
pub(crate) fn bind(address: SocketAddr, reply: u64, delays: Option<Delays>) -> anyhow::Result<Arc<dyn Side>> {
    let socket = sockets::make(&Context::new(), SocketType::ROUTER, address, -1)?;
    socket.bind(&sockets::endpoint(address)).with_context(|| {
        format!("cannot listen on {address}: stop what listens there, choose another port, or pass port 0")
    })?;
    let bound = socket.get_last_endpoint()?.map_err(|_| anyhow!("libzmq does not say where it listens"))?;
    let bound = bound.trim_start_matches("tcp://");
    let address = bound.parse().with_context(|| format!("libzmq says that it listens on {bound:?}"))?;

    let tally = Arc::new(Tally::default());
    let mut echo = Echo {
        socket,
        from: Message::new(),
        message: Message::new(),
        reply: Frame::new(usize::try_from(reply)?),
        bare: Frame::new(0),
        tally: tally.clone(),
        delays,
    };
    let run = move || {
        loop {
            if let Err(error) = echo.turn() {
                return output::note(&format!("ZeroMQ's socket broke: {error}"));
            }
        }
    };
    std::thread::Builder::new().name("zmq-serve".into()).spawn(run).context("cannot start a thread")?;
    Ok(Arc::new(Served { address, tally }))
}

impl Side for Served {
    fn kind(&self) -> Kind {
        Kind::ZMQ
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn messages(&self) -> u64 {
        self.tally.total()
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Nothing to do: the threads hold nothing that outlives the process.
    fn stop(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Answers requests and grants credit.
struct Echo {
    socket: Socket,
    /// The name that the socket gave to the peer of the message.
    from: Message,
    message: Message,
    reply: Frame,
    /// A frame without payload.
    bare: Frame,
    tally: Arc<Tally>,
    delays: Option<Delays>,
}

impl Echo {
    /// Receives one message, and answers it.
    fn turn(&mut self) -> Result<(), Error> {
        receive(&self.socket, &mut self.from, 0)?;
        receive(&self.socket, &mut self.message, 0)?;
        let header = Header::parse(&self.message);
        // Messages of ours have one frame; libzmq delivers all frames of a message or none, so there is an end.
        while self.message.get_more() {
            receive(&self.socket, &mut self.message, 0)?;
        }
        let Some(Header { kind, slot }) = header else { return Ok(()) };
        if kind == HELLO {
            return self.answer(HELLO, slot);
        }
        if let Some(delays) = &self.delays {
            delays.wait();
        }
        match kind {
            REQUEST => {
                self.tally.add(1);
                self.answer(REPLY, slot)
            }
            STREAM_MARK => {
                self.tally.add(1);
                self.answer(CREDIT, slot)
            }
            STREAM => {
                self.tally.add(1);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends an answer to where the message came from. A peer that has gone gets none, and nothing is said of it.
    fn answer(&mut self, kind: u16, slot: u32) -> Result<(), Error> {
        let frame = if kind == REPLY { &mut self.reply } else { &mut self.bare };
        send(&self.socket, &self.from, SNDMORE)?;
        send(&self.socket, frame.with(kind, slot), 0)
    }
}
