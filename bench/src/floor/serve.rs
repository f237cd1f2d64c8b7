//! The floor as the side under test: one thread that serves one load side at a time.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Context;

use super::spin::Spinning;
use super::{PREAMBLE_WITHIN, Preamble, Traffic, blocking, echo};
use crate::kinds::{Kind, Wait};
use crate::output;
use crate::serve::{Side, Tally};

/// A bound listener and its thread.
#[derive(Debug)]
pub(crate) struct Served {
    kind: Kind,
    address: SocketAddr,
    tally: Arc<Tally>,
}

impl Served {
    /// Serves on `address` as `kind`, which waits in this way, until the process ends.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub(crate) fn bind(kind: Kind, wait: Wait, address: SocketAddr) -> anyhow::Result<Arc<Served>> {
        let listener = TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address}: stop what listens there, choose another port, or pass port 0")
        })?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let thread = std::thread::Builder::new().name("floor-serve".into());
        let count = tally.clone();
        thread.spawn(move || accept(&listener, wait, &count)).context("cannot start a thread")?;
        Ok(Arc::new(Served { kind, address, tally }))
    }
}

impl Side for Served {
    fn kind(&self) -> Kind {
        self.kind
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

    /// Nothing to do: the thread holds nothing that outlives the process.
    fn stop(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

fn accept(listener: &TcpListener, wait: Wait, tally: &Tally) {
    for stream in listener.incoming() {
        // A peer that breaks is noted; the next one is served.
        if let Err(error) = stream.and_then(|stream| converse(stream, listener, wait, tally)) {
            output::note(&format!("a connection of the floor broke: {error}"));
        }
    }
}

fn converse(mut stream: TcpStream, listener: &TcpListener, wait: Wait, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PREAMBLE_WITHIN))?;
    let preamble = Preamble::read(&mut stream)?;
    stream.set_read_timeout(None)?;
    match (preamble.traffic, wait) {
        (Traffic::Requests | Traffic::Streams, _) => echo::serve(stream, listener, preamble, wait, tally),
        (Traffic::OneByOne | Traffic::Stream, Wait::Spin) => alone(Spinning::new(stream)?, preamble, tally),
        (Traffic::OneByOne | Traffic::Stream, Wait::Block | Wait::Epoll) => alone(stream, preamble, tally),
    }
}

/// Answers a single connection that is waited for in its calls.
fn alone(stream: impl Read + Write, preamble: Preamble, tally: &Tally) -> io::Result<()> {
    match preamble.traffic {
        Traffic::Stream => blocking::receive(stream, preamble.size, tally),
        _ => blocking::answer(stream, preamble.size, preamble.reply, tally),
    }
}
