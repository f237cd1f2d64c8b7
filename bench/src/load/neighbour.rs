//! A neighbour: what else the side under test has to do while others are measured. A process of its own, so that the load side
//! that measures shares nothing with it but the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Context;
use msgr_reports::record::{Beside, Neighbour, Workload};

use super::histograms::{encode, record};
use super::{CONNECT_WITHIN, Recorder, Spec, Traffic, Waited, connect};
use crate::cli::NeighbourArgs;
use crate::exit::Exit;
use crate::serve::wait_for_closed_stdin;
use crate::{host, output, parse, wire};

/// Requests that a slow reader has asked: its answers fill every socket buffer between the two sides several times.
const SLOW_IN_FLIGHT: u32 = 4096;

/// How long a slow reader takes for each answer.
const SLOW_READ: Duration = Duration::from_millis(10);

/// How often it is looked whether the neighbour is to end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The verb `neighbour`.
///
/// # Errors
///
/// When its peers cannot be connected, or its traffic breaks.
pub(crate) fn neighbour(args: &NeighbourArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    args.cpus.pin()?;
    let done = closed_stdin()?;
    let spec = Spec {
        kind: args.messenger,
        connect: args.connect,
        config: parse::config(&args.set)?,
        workload: Workload::PingPong,
        size: args.size,
        reply: args.reply,
        peers: args.peers,
        in_flight: 1,
        rate: 0.0,
        seed: args.seed,
    };
    let did = match args.what {
        Neighbour::Flood | Neighbour::Bulk => {
            let in_flight = wire::window(args.size, args.peers, None);
            let spec = Spec { workload: Workload::Stream, in_flight, ..spec };
            steady(&spec, Recorder::new(in_flight, args.peers, args.seed), args.what, &done)?
        }
        Neighbour::SlowReader => {
            let spec = Spec { in_flight: SLOW_IN_FLIGHT, ..spec };
            let recorder = Recorder::new(SLOW_IN_FLIGHT, args.peers, args.seed).slowed(SLOW_READ);
            steady(&spec, recorder, args.what, &done)?
        }
        Neighbour::Connects => storm(&spec, args.peers, &done)?,
    };
    output::line(&serde_json::to_string(&did)?)?;
    Ok(Exit::Done)
}

/// Is set when standard input is closed: whoever started this process wants its end, or died.
fn closed_stdin() -> anyhow::Result<Arc<AtomicBool>> {
    let done = Arc::new(AtomicBool::new(false));
    let told = done.clone();
    let watch = move || {
        wait_for_closed_stdin();
        told.store(true, Relaxed);
    };
    std::thread::Builder::new().name("bench-stdin".into()).spawn(watch).context("cannot start a thread")?;
    Ok(done)
}

/// Says that traffic flows.
fn flowing() -> anyhow::Result<()> {
    Ok(output::line("flowing")?)
}

/// Traffic that goes on until the end.
fn steady(spec: &Spec, recorder: Recorder, what: Neighbour, done: &AtomicBool) -> anyhow::Result<Beside> {
    let recorder = Arc::new(recorder);
    let traffic = connect(spec, &recorder)?;
    recorder.measure();
    traffic.begin()?;
    flowing()?;
    let from = Instant::now();
    while !done.load(Relaxed) && recorder.wait(LOOK_EVERY)? == Waited::Fully {}
    recorder.stop();
    let seconds = from.elapsed().as_secs_f64();
    let count = match what {
        Neighbour::Flood | Neighbour::Bulk => recorder.credits() * u64::from(spec.in_flight / wire::WINDOW_PARTS),
        _ => recorder.latency()?.map_or(0, |latency| latency.count),
    };
    traffic.finish()?;
    Ok(Beside { what, peers: spec.peers, size: spec.size, per_s: count as f64 / seconds, latency: None })
}

/// Peers that connect, ask once and leave, `at_once` at a time, until the end.
fn storm(spec: &Spec, at_once: u32, done: &AtomicBool) -> anyhow::Result<Beside> {
    let one_after_another = |number: u32| {
        let mut times = None;
        let mut count = 0_u64;
        // The peers of one messenger kind differ by name and nonce; each thread has its own.
        let spec = Spec { peers: 1, in_flight: 1, seed: spec.seed.wrapping_add(u64::from(number)), ..spec.clone() };
        while !done.load(Relaxed) {
            let recorder = Arc::new(Recorder::once());
            let from = Instant::now();
            let traffic: Box<dyn Traffic> = connect(&spec, &recorder)?;
            recorder.measure();
            traffic.begin()?;
            recorder.wait_reply(CONNECT_WITHIN)?;
            record(&mut times, u64::try_from(from.elapsed().as_nanos())?);
            recorder.stop();
            traffic.finish()?;
            count += 1;
        }
        anyhow::Ok((count, times))
    };
    flowing()?;
    let from = Instant::now();
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|number| scope.spawn(move || one_after_another(number))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that connects panicked; its message is above")))
        };
        threads.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = from.elapsed().as_secs_f64();
    let count: u64 = results.iter().map(|(count, _)| count).sum();
    let latency = encode(results.into_iter().filter_map(|(_, times)| times))?;
    Ok(Beside { what: Neighbour::Connects, peers: at_once, size: spec.size, per_s: count as f64 / seconds, latency })
}
