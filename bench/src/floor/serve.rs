//! The floor as the side under test: one thread that serves one load side at a time.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Context;

use super::{PREAMBLE_WITHIN, Preamble, Traffic, blocking, echo};
use crate::kinds::Kind;
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
    /// Serves on `address` until the process ends.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub(crate) fn bind(kind: Kind, address: SocketAddr) -> anyhow::Result<Arc<Served>> {
        let listener = TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address}: stop what listens there, choose another port, or pass port 0")
        })?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let thread = std::thread::Builder::new().name("floor-serve".into());
        let count = tally.clone();
        thread.spawn(move || accept(&listener, &count)).context("cannot start a thread")?;
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

fn accept(listener: &TcpListener, tally: &Tally) {
    for stream in listener.incoming() {
        // A peer that breaks is noted; the next one is served.
        if let Err(error) = stream.and_then(|stream| converse(stream, listener, tally)) {
            output::note(&format!("a connection of the floor broke: {error}"));
        }
    }
}

fn converse(mut stream: TcpStream, listener: &TcpListener, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PREAMBLE_WITHIN))?;
    let preamble = Preamble::read(&mut stream)?;
    stream.set_read_timeout(None)?;
    match preamble.traffic {
        Traffic::Blocking => blocking::answer(stream, preamble.size, preamble.reply, tally),
        Traffic::Stream => blocking::receive(stream, preamble.size, tally),
        Traffic::Events => echo::serve(stream, listener, preamble, tally),
    }
}
