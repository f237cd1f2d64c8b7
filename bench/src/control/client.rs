//! The load side.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail};

use super::{CONNECT_WITHIN, REPLY_WITHIN, Reply, Request, receive, send};
use crate::kinds::Kind;
use crate::probe::Interval;

/// A control connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    kind: Kind,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects, and makes sure that the other side is of this version and can be loaded by `load`.
    ///
    /// # Errors
    ///
    /// When nothing answers, something else answers, or the two sides do not fit.
    pub(crate) fn connect(address: SocketAddr, load: Kind) -> anyhow::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN).with_context(|| {
            format!(
                "no control connection to {address}: start `msgr-bench serve --control {address} ...` there first, and \
                 give `load` the same --control"
            )
        })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        let mut client = Client { address, kind: load, stream: BufReader::new(stream) };
        let Reply::Hello { version, kind } = client.ask(&Request::Hello)? else {
            bail!("{address} is no control port of msgr-bench");
        };
        if version != env!("CARGO_PKG_VERSION") {
            bail!(
                "msgr-bench at {address} is {version}, this is {}; use the same on both sides",
                env!("CARGO_PKG_VERSION")
            );
        }
        client.kind = Kind::parse(&kind).map_err(anyhow::Error::msg)?;
        if !client.kind.answers(load) {
            bail!(
                "the side at {address} serves {kind}, which a load of {} cannot talk to; tcp goes with tcp only, and so do the \
                 other floors, zmq and rdma with their like",
                load.name()
            );
        }
        Ok(client)
    }

    /// Kind of the side under test.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells the other side that no peer is connected yet.
    ///
    /// # Errors
    ///
    /// When the connection or the probe fails, as for the other requests.
    pub(crate) fn baseline(&mut self) -> anyhow::Result<()> {
        self.ask(&Request::Baseline).map(|_| ())
    }

    /// Begins the interval.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        self.ask(&Request::Start).map(|_| ())
    }

    /// Ends the interval, and gives what it cost.
    pub(crate) fn end(&mut self) -> anyhow::Result<Interval> {
        match self.ask(&Request::End)? {
            Reply::Interval { interval } => Ok(*interval),
            other => bail!("the control port at {} answered an end with {other:?}", self.address),
        }
    }

    fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let broke = || format!("the control connection to {} broke: see what `serve` says there", self.address);
        send(self.stream.get_mut(), request).with_context(broke)?;
        let reply = receive(&mut self.stream).and_then(|reply| reply.context("it was closed")).with_context(broke)?;
        match reply {
            Reply::Error { text } => bail!("the side at {} cannot measure itself: {text}", self.address),
            reply => Ok(reply),
        }
    }
}
