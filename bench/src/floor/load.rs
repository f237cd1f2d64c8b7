//! The floor as the load side: connects, and starts the one thread that makes the load.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use msgr_reports::record::Workload;

use super::generator::{self, Work};
use super::spin::Spinning;
use super::{Preamble, STALL_MAX, Traffic, blocking, flood};
use crate::kinds::Wait;
use crate::load::{self, CONNECT_WITHIN, Recorder, Spec};

/// Connected sockets, and the thread that uses them once there is one.
struct Floor {
    preamble: Preamble,
    work: Work,
    wait: Wait,
    recorder: Arc<Recorder>,
    streams: Mutex<Vec<TcpStream>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Connects `spec.peers` sockets.
///
/// # Errors
///
/// When the server refuses or does not answer, or it is the stream of blocking calls and has more than one peer.
pub(crate) fn connect(spec: &Spec, wait: Wait, recorder: &Arc<Recorder>) -> anyhow::Result<Box<dyn load::Traffic>> {
    let alone = spec.peers == 1;
    let traffic = match (spec.workload, wait) {
        (Workload::Stream, Wait::Block) if !alone => {
            return Err(anyhow!("the stream of tcp has one peer; pass --peers 1, or take tcp-epoll or tcp-spin"));
        }
        (Workload::Stream, Wait::Block | Wait::Spin) if alone => Traffic::Stream,
        (Workload::Stream, _) => Traffic::Streams,
        (Workload::PingPong, Wait::Block | Wait::Spin) if alone && spec.in_flight == 1 => Traffic::OneByOne,
        (Workload::PingPong | Workload::UnderLoad, _) => Traffic::Requests,
    };
    let work = match spec.workload {
        Workload::UnderLoad => Work::Rate(spec.rate),
        Workload::PingPong | Workload::Stream => Work::InFlight(spec.in_flight),
    };
    let preamble = Preamble { traffic, size: spec.size, reply: spec.reply };
    let streams = (0..spec.peers).map(|_| {
        let stream = dial(spec.connect, preamble);
        recorder.opened();
        stream.with_context(|| {
            format!(
                "cannot connect to the floor at {}: start `msgr-bench serve --messenger {}` there first",
                spec.connect,
                spec.kind.name()
            )
        })
    });
    let streams = streams.collect::<anyhow::Result<_>>()?;
    Ok(Box::new(Floor {
        preamble,
        work,
        wait,
        recorder: recorder.clone(),
        streams: Mutex::new(streams),
        thread: Mutex::default(),
    }))
}

fn dial(address: SocketAddr, preamble: Preamble) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL_MAX))?;
    stream.set_write_timeout(Some(STALL_MAX))?;
    stream.write_all(&preamble.emit())?;
    Ok(stream)
}

impl load::Traffic for Floor {
    fn begin(&self) -> anyhow::Result<()> {
        let streams = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        let (preamble, work, wait, recorder) = (self.preamble, self.work, self.wait, self.recorder.clone());
        let thread = std::thread::Builder::new().name("floor-load".into()).spawn(move || {
            if let Err(error) = generate(streams, preamble, work, wait, &recorder) {
                recorder.fail(format!("the floor's connection broke: {error}"));
            }
        });
        let thread = thread.context("cannot start a thread")?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = thread.map_or(Ok(()), JoinHandle::join);
        joined.map_err(|_| anyhow!("the floor's thread panicked; its message is above"))
    }
}

fn generate(
    streams: Vec<TcpStream>,
    preamble: Preamble,
    work: Work,
    wait: Wait,
    recorder: &Recorder,
) -> io::Result<()> {
    match preamble.traffic {
        Traffic::Requests => generator::run(streams, preamble, work, wait, recorder),
        Traffic::Streams => flood::run(streams, preamble.size, wait, recorder),
        Traffic::OneByOne | Traffic::Stream => streams.into_iter().try_for_each(|stream| match wait {
            Wait::Spin => alone(Spinning::new(stream)?, preamble, recorder),
            Wait::Block | Wait::Epoll => alone(stream, preamble, recorder),
        }),
    }
}

/// What a single connection does that is waited for in its calls.
fn alone(stream: impl Read + Write, preamble: Preamble, recorder: &Recorder) -> io::Result<()> {
    match preamble.traffic {
        Traffic::Stream => blocking::send(stream, preamble.size, recorder),
        _ => blocking::request(stream, preamble.size, preamble.reply, recorder),
    }
}
