//! The load side: connects its peers, lets the traffic warm up, measures, and asks the other side what it cost.
//!
//! Closed loop: a ping-pong keeps a fixed number of requests in flight, a stream a fixed window. Each callback sends what
//! follows, so no thread hands work to another. Open loop: see [`offer`].

mod cost;
mod histograms;
mod messengers;
mod neighbour;
mod news;
mod offer;
mod open;
mod recorder;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use msgr::Config;
use msgr_reports::record::{Sample, Workload};

use crate::cli::LoadArgs;
use crate::control::Client;
use crate::exit::Exit;
use crate::host::{self, Limits};
use crate::kinds::{Kind, Maker, Need};
use crate::probe::Meter;
use crate::record::Record;
use crate::serve::wait_for_closed_stdin;
use crate::{doctor, floor, interrupt, output, parse, text, wire, zmq};

pub(crate) use neighbour::neighbour;
pub(crate) use news::Waited;
pub(crate) use offer::Schedule;
pub(crate) use recorder::Recorder;

/// How long all peers may take to connect. A dropped SYN is sent again after 1, 2, 4 and 8 seconds.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// What to load, how and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Kind of the load side.
    pub(crate) kind: Kind,
    /// Where the side under test is.
    pub(crate) connect: SocketAddr,
    /// Options of the messengers.
    pub(crate) config: Config,
    /// What to send.
    pub(crate) workload: Workload,
    /// Payload bytes of a request or message.
    pub(crate) size: u64,
    /// Payload bytes of a reply.
    pub(crate) reply: u64,
    /// Peers to connect.
    pub(crate) peers: u32,
    /// Requests in flight in all (ping-pong), or the window of each peer (stream).
    pub(crate) in_flight: u32,
    /// Requests a second (under load).
    pub(crate) rate: f64,
    /// Seeds the choice of peers.
    pub(crate) seed: u64,
}

/// Connected peers that send when told to.
pub(crate) trait Traffic {
    /// Sends what is to be in flight.
    ///
    /// # Errors
    ///
    /// When a message is not taken.
    fn begin(&self) -> anyhow::Result<()>;

    /// The counters of all messengers, summed up; empty for the floor.
    fn counters(&self) -> BTreeMap<String, u64>;

    /// Closes everything, after [`Recorder::stop`].
    ///
    /// # Errors
    ///
    /// When something does not end.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Requests in flight in all (ping-pong), or the window of each peer (stream).
fn in_flight(args: &LoadArgs) -> u32 {
    match args.workload {
        Workload::PingPong => {
            let depth = args.depth.unwrap_or(1);
            if args.peers == 1 { depth } else { args.active.min(args.peers.saturating_mul(depth)) }
        }
        Workload::UnderLoad => 0,
        // The floor writes one message after another; how much is under way is the kernel's business.
        Workload::Stream if args.messenger.is_floor() => 1,
        Workload::Stream => wire::window(args.size, args.peers, args.depth),
    }
}

/// The verb `load`.
///
/// # Errors
///
/// When the peers cannot be connected, the traffic breaks, or the record cannot be written.
pub(crate) fn load(args: &LoadArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    args.cpus.pin()?;
    if args.child {
        end_with_stdin()?;
    } else {
        interrupt::catch()?;
    }
    args.messenger.check(&parse::config(&args.set)?)?;
    parse::check_rate(&[args.workload], args.rate)?;
    let limits = Limits::read();
    doctor::check(&limits, args.messenger, Need::NOTHING, args.messenger.load_need(), args.peers)?;
    let spec = Spec {
        kind: args.messenger,
        connect: args.connect,
        config: parse::config(&args.set)?,
        workload: args.workload,
        size: args.size,
        reply: args.reply,
        peers: args.peers,
        in_flight: in_flight(args),
        rate: args.rate.unwrap_or_default(),
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    let mut record = Record::of_load(args, &spec, &limits)?;
    let begun = || {
        if !args.child {
            output::note(&format!("connected; measuring for {:?}", args.duration));
        }
    };
    let Some(measured) = measure(&spec, args.control, args.warmup, args.duration, begun)? else {
        return Ok(Exit::Interrupted);
    };
    let Measured { sample, waited, traffic } = measured;
    if args.json.is_some() {
        output::line(&serde_json::to_string(&sample)?)?;
    } else {
        output::line(&text::headline(&sample))?;
        record.add(sample);
        let page = record.finish(Path::new(&args.out), waited == Waited::Interrupted)?;
        output::line(&format!("{}", page.display()))?;
    }
    traffic.finish()?;
    Ok(if waited == Waited::Interrupted { Exit::Interrupted } else { Exit::Done })
}

/// Ends this process as soon as whoever started it has died.
fn end_with_stdin() -> anyhow::Result<()> {
    let watch = || {
        wait_for_closed_stdin();
        std::process::exit(Exit::Error as i32);
    };
    let thread = std::thread::Builder::new().name("bench-stdin".into());
    thread.spawn(watch).context("cannot start a thread")?;
    Ok(())
}

/// Connects the peers of `spec`.
///
/// # Errors
///
/// When they cannot all be connected.
fn connect(spec: &Spec, recorder: &Arc<Recorder>) -> anyhow::Result<Box<dyn Traffic>> {
    match spec.kind.maker() {
        Maker::Messengers(factory) => messengers::connect(factory, spec, recorder),
        Maker::Zmq => zmq::connect(spec, recorder),
        Maker::Floor(wait) => floor::connect(spec, wait, recorder),
        Maker::Perftest => bail!("bare verbs are loaded by perftest, from `run`"),
    }
}

/// A sample, and the traffic that is still to be ended.
struct Measured {
    sample: Sample,
    waited: Waited,
    traffic: Box<dyn Traffic>,
}

/// Takes one sample, calling `begun` when the measured time begins; `None` when interrupted before that. A sample that is
/// interrupted later is shorter.
fn measure(
    spec: &Spec,
    control: SocketAddr,
    warmup: Duration,
    duration: Duration,
    begun: impl FnOnce(),
) -> anyhow::Result<Option<Measured>> {
    let harness_ns = cost::per_message(spec.workload);
    let mut control = Client::connect(control, spec.kind)?;
    let mut own = Meter::default();
    control.baseline()?;
    own.baseline()?;

    let recorder = Arc::new(match spec.workload {
        Workload::UnderLoad => Recorder::open(spec.peers, spec.seed),
        Workload::PingPong | Workload::Stream => Recorder::new(spec.in_flight, spec.peers, spec.seed),
    });
    let dialled = Instant::now();
    let traffic = connect(spec, &recorder)?;
    let connect_ns = dialled.elapsed();
    traffic.begin()?;
    if recorder.wait(warmup)? == Waited::Interrupted {
        return Ok(None);
    }

    control.start()?;
    own.start(traffic.counters().into())?;
    let from = Instant::now();
    recorder.measure();
    begun();
    let waited = recorder.wait(duration)?;
    recorder.cool();
    let elapsed = from.elapsed();
    let own = own.end(|| traffic.counters().into())?;
    let server = control.end()?;
    recorder.stop();

    let latency = recorder.latency()?.filter(|_| spec.workload != Workload::Stream);
    let answered = latency.as_ref().map_or(0, |latency| latency.count);
    let (messages, elapsed_ns) = match spec.workload {
        // Round trips are the load side's business, arrivals the other side's.
        Workload::PingPong | Workload::UnderLoad => (answered, u64::try_from(elapsed.as_nanos())?),
        Workload::Stream => (server.messages, server.elapsed_ns),
    };
    if messages == 0 {
        bail!(
            "no message got through in {:.1} s: the server does not answer, or --duration is too short",
            elapsed.as_secs_f64()
        );
    }
    let sample = Sample {
        round: 0,
        measure: 0,
        messenger: control.kind().name().into(),
        load_messenger: spec.kind.name().into(),
        workload: spec.workload,
        size: spec.size,
        peers: spec.peers,
        in_flight: spec.in_flight,
        elapsed_ns,
        messages,
        bytes: messages * spec.size,
        latency,
        open_loop: recorder.open_loop(spec.rate)?,
        beside: None,
        harness_ns: Some(harness_ns),
        connect_ns: u64::try_from(connect_ns.as_nanos())?,
        server: server.probe,
        load: own.probe,
        stages: server.stages,
        allocations: server.allocations,
    };
    Ok(Some(Measured { sample, waited, traffic }))
}
