//! The side under test.

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Context;

use super::{Reply, Request, SILENCE_MAX, receive, send};
use crate::probe::Meter;
use crate::serve::Side;

/// Serves control requests about `side` from one thread until the process ends, one connection at a time. Gives the
/// address.
///
/// # Errors
///
/// When the address cannot be bound.
pub(crate) fn listen(address: SocketAddr, side: Arc<dyn Side>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen for control on {address}: pass --control with another port, or port 0 for any free one")
    })?;
    let bound = listener.local_addr()?;
    let thread = std::thread::Builder::new().name("bench-control".into());
    thread.spawn(move || accept(&listener, side.as_ref())).context("cannot start the control thread")?;
    Ok(bound)
}

fn accept(listener: &TcpListener, side: &dyn Side) {
    for stream in listener.incoming() {
        // A connection that breaks is its peer's loss; the next one is served.
        if let Err(error) = stream.map_err(anyhow::Error::from).and_then(|stream| converse(&stream, side)) {
            crate::output::note(&format!("a control connection broke: {error:#}"));
        }
    }
}

fn converse(stream: &TcpStream, side: &dyn Side) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream);
    let mut meter = Meter::default();
    while let Some(request) = receive(&mut requests)? {
        let reply =
            answer(&request, &mut meter, side).unwrap_or_else(|error| Reply::Error { text: format!("{error:#}") });
        send(&mut &*stream, &reply)?;
    }
    Ok(())
}

fn answer(request: &Request, meter: &mut Meter, side: &dyn Side) -> anyhow::Result<Reply> {
    match request {
        Request::Hello => {
            let version = env!("CARGO_PKG_VERSION").into();
            return Ok(Reply::Hello { version, kind: side.kind().name().into() });
        }
        Request::Baseline => meter.baseline()?,
        Request::Start => meter.start(side.counted())?,
        Request::End => {
            let interval = Box::new(meter.end(|| side.counted())?);
            return Ok(Reply::Interval { interval });
        }
    }
    Ok(Reply::Done)
}
