//! The floor as the load side: connects, and starts the one thread that makes the load.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use msgr_reports::record::Workload;

use super::generator::{self, Work};
use super::{Preamble, STALL_MAX, Traffic, blocking};
use crate::load::{self, CONNECT_WITHIN, Recorder, Spec};

/// Connected sockets, and the thread that uses them once there is one.
struct Floor {
    preamble: Preamble,
    work: Work,
    recorder: Arc<Recorder>,
    streams: Mutex<Vec<TcpStream>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Connects `spec.peers` sockets (a stream has one).
///
/// # Errors
///
/// When the server refuses or does not answer.
pub(crate) fn connect(spec: &Spec, recorder: &Arc<Recorder>) -> anyhow::Result<Box<dyn load::Traffic>> {
    let traffic = match spec.workload {
        Workload::Stream if spec.peers > 1 => {
            return Err(anyhow!("the floor's stream has one peer; pass --peers 1"));
        }
        Workload::Stream => Traffic::Stream,
        Workload::PingPong if spec.peers == 1 && spec.in_flight == 1 => Traffic::Blocking,
        Workload::PingPong | Workload::UnderLoad => Traffic::Events,
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
                "cannot connect to the floor at {}: start `msgr-bench serve --messenger tcp` there first",
                spec.connect
            )
        })
    });
    let streams = streams.collect::<anyhow::Result<_>>()?;
    Ok(Box::new(Floor {
        preamble,
        work,
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
        let (preamble, work, recorder) = (self.preamble, self.work, self.recorder.clone());
        let thread = std::thread::Builder::new().name("floor-load".into()).spawn(move || {
            if let Err(error) = generate(streams, preamble, work, &recorder) {
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

fn generate(mut streams: Vec<TcpStream>, preamble: Preamble, work: Work, recorder: &Recorder) -> io::Result<()> {
    match (preamble.traffic, streams.as_mut_slice()) {
        (Traffic::Blocking, [stream]) => blocking::request(stream, preamble.size, preamble.reply, recorder),
        (Traffic::Stream, [stream]) => blocking::send(stream, preamble.size, recorder),
        _ => generator::run(streams, preamble, work, recorder),
    }
}
