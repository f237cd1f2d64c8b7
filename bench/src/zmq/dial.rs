//! ZeroMQ as the load side: a DEALER socket for each peer, and one thread that makes the load.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use msgr_reports::record::Workload;
use zmq::{Context, Message, Socket, SocketType};

use super::drive::{self, Work};
use super::frame::{Frame, HELLO, Header};
use super::sockets::{self, BACKLOG, connected, receive, send};
use crate::interrupt;
use crate::load::{CONNECT_WITHIN, Recorder, Spec, Traffic};

/// Sockets of one context. libzmq allows 1023 unless told otherwise, for which its Rust bindings have no call; each further
/// context costs two threads and no time, as its sockets have nothing to do with those of others.
const SOCKETS: usize = 1000;

/// Dials that may be under way at once: a quarter of the accept queue, whose overflow would cost a SYN a second.
const DIALS_AT_ONCE: usize = BACKLOG as usize / 4;

/// How long a receive waits before it is looked what else there is to do, milliseconds: short against a person's patience,
/// long against a sample.
const LOOK_EVERY: i32 = 50;

/// Connected sockets, and the thread that uses them once there is one.
struct Peers {
    sockets: Cell<Vec<Socket>>,
    work: Work,
    /// Payload bytes of a request or message.
    size: usize,
    recorder: Arc<Recorder>,
    thread: Cell<Option<JoinHandle<()>>>,
}

/// Makes a socket for each peer, and connects it.
///
/// # Errors
///
/// When a socket cannot be made, or not all peers are connected in time.
pub(crate) fn connect(spec: &Spec, recorder: &Arc<Recorder>) -> anyhow::Result<Box<dyn Traffic>> {
    // libzmq says nothing of a dial that is refused.
    TcpStream::connect_timeout(&spec.connect, CONNECT_WITHIN).with_context(|| {
        format!(
            "cannot connect to {}: start `msgr-bench serve --messenger zmq` there first, and pass its address",
            spec.connect
        )
    })?;
    let deadline = Instant::now() + CONNECT_WITHIN;
    let peers = spec.peers as usize;
    let (mut sockets, mut open) = (Vec::<Socket>::with_capacity(peers), 0);
    let mut context = Context::new();
    let mut hello = Frame::new(0);
    while open < peers {
        if sockets.len() < peers && sockets.len() - open < DIALS_AT_ONCE {
            if sockets.len().is_multiple_of(SOCKETS) {
                context = Context::new();
            }
            let socket = sockets::make(&context, SocketType::DEALER, spec.connect, LOOK_EVERY)
                .with_context(|| format!("cannot make socket {} of {peers}", sockets.len() + 1))?;
            socket.connect(&sockets::endpoint(spec.connect)).context("libzmq does not dial")?;
            send(&socket, hello.with(HELLO, 0), 0).context("libzmq takes no message")?;
            sockets.push(socket);
        } else {
            greeted(&sockets[open], spec, deadline)
                .with_context(|| format!("{open} of {peers} peers are connected"))?;
            recorder.opened();
            open += 1;
        }
    }
    let work = match spec.workload {
        Workload::PingPong => Work::Requests { in_flight: spec.in_flight },
        Workload::UnderLoad => Work::Rate { per_second: spec.rate },
        Workload::Stream => Work::Stream { window: spec.in_flight },
    };
    let (sockets, recorder) = (Cell::new(sockets), recorder.clone());
    Ok(Box::new(Peers { sockets, work, size: usize::try_from(spec.size)?, recorder, thread: Cell::default() }))
}

/// Waits until the other side has answered on `socket`.
fn greeted(socket: &Socket, spec: &Spec, deadline: Instant) -> anyhow::Result<()> {
    let mut message = Message::new();
    while !receive(socket, &mut message, 0)? {
        if interrupt::requested() {
            bail!("interrupted while the peers were connecting");
        }
        if !connected(socket)? {
            bail!("what answers at {} is no `msgr-bench serve --messenger zmq`: the connection broke", spec.connect);
        }
        if Instant::now() >= deadline {
            bail!(
                "{} does not accept, or does not finish its handshakes, within {} s",
                spec.connect,
                CONNECT_WITHIN.as_secs()
            );
        }
    }
    if Header::parse(&message).is_none_or(|header| header.kind != HELLO) {
        bail!("what answers at {} is no `msgr-bench serve --messenger zmq` of the same version", spec.connect);
    }
    Ok(())
}

impl Traffic for Peers {
    fn begin(&self) -> anyhow::Result<()> {
        let (sockets, work, size, recorder) = (self.sockets.take(), self.work, self.size, self.recorder.clone());
        let run = move || {
            if let Err(error) = drive::run(&sockets, work, size, &recorder) {
                recorder.fail(format!("{error:#}"));
            }
        };
        let thread = std::thread::Builder::new().name("zmq-load".into()).spawn(run).context("cannot start a thread")?;
        self.thread.set(Some(thread));
        Ok(())
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let joined = self.thread.take().map_or(Ok(()), JoinHandle::join);
        joined.map_err(|_| anyhow!("ZeroMQ's thread panicked; its message is above"))
    }
}
