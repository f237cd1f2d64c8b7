//! Bare verbs: the programs of the package perftest, each a server and a client. What they reach is what device and driver
//! allow; ratios to it say what a messenger on RDMA costs.

use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use msgr_reports::record::{Latency, Probe, Sample, Workload};

use crate::child::{Child, ChildError};
use crate::kinds::Kind;
use crate::rdma::Device;
use crate::run::NoSample;

const LATENCY: &str = "ib_send_lat";
const BANDWIDTH: &str = "ib_send_bw";

/// Round trips of a sample: enough for a p99, a second or less even where everything is emulated.
const ROUND_TRIPS: usize = 2000;

/// Of these, the first, which find nothing warm; perftest has no warm-up of its own.
const UNMEASURED: usize = 200;

/// Messages that `ib_send_bw` keeps posted (its `--tx-depth`).
const TX_DEPTH: u32 = 128;

/// How long a server may take until its client can connect.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked whether it can.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a client may take for the round trips, or beyond the time it was given.
const DONE_WITHIN: Duration = Duration::from_secs(60);

/// How long a server may take to end after its client.
const END_WITHIN: Duration = Duration::from_secs(10);

/// perftest counts in MiB.
const MIB: f64 = 1_048_576.0;

/// How completions are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// By asking again and again.
    Polling,
    /// By sleeping until an event.
    Events,
}

/// The devices of the two sides, and where they meet.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Of the side under test.
    pub(crate) serve: Device,
    /// Of the load side.
    pub(crate) load: Device,
    /// Where the client dials the server, over TCP.
    pub(crate) address: IpAddr,
}

/// Whether both programs are there.
///
/// # Errors
///
/// With the name of the one that is not, and where to get it.
pub(crate) fn check() -> Result<(), String> {
    let missing = [LATENCY, BANDWIDTH].into_iter().find(|name| program(name).is_none());
    missing.map_or(Ok(()), |name| {
        Err(format!(
            "{name} is not installed: `just rdma-setup` installs it (package perftest), and RDMA then has its floor"
        ))
    })
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

impl Ends {
    /// Takes one sample; `duration` is that of a stream, the number of round trips is fixed.
    pub(crate) fn take(
        &self,
        workload: Workload,
        size: u64,
        wait: Wait,
        duration: Duration,
    ) -> Result<Sample, NoSample> {
        let failed = |error: anyhow::Error| NoSample::Failed(format!("{error:#}"));
        let mut sample = Sample {
            round: 0,
            measure: 0,
            messenger: Kind::VERBS.name().into(),
            load_messenger: Kind::VERBS.name().into(),
            workload,
            size,
            peers: 1,
            in_flight: 1,
            elapsed_ns: 0,
            messages: 0,
            bytes: 0,
            latency: None,
            open_loop: None,
            beside: None,
            harness_ns: None,
            connect_ns: 0,
            server: Probe::default(),
            load: Probe::default(),
            stages: None,
            allocations: None,
        };
        match workload {
            Workload::PingPong => {
                // As the stack does it: receives are shared.
                let own = [format!("--size={size}"), format!("--iters={ROUND_TRIPS}"), "--use-srq".into()];
                let events = (wait == Wait::Events).then(|| "--events".to_owned());
                let own: Vec<_> = own.into_iter().chain(events).collect();
                let lines = self.run(LATENCY, &own, &["--report-unsorted".into()])?;
                let latency = round_trips(&lines).map_err(failed)?;
                (sample.messages, sample.elapsed_ns) = (latency.count, (latency.mean_ns * latency.count as f64) as u64);
                sample.latency = Some(latency);
            }
            Workload::UnderLoad => {
                return Err(NoSample::Failed("bare verbs have no fixed rate".into()));
            }
            Workload::Stream => {
                let seconds = duration.as_secs_f64().ceil();
                // Without a margin, in which it would send and not count.
                let own = [format!("--size={size}"), format!("--duration={seconds}"), "--margin=0".into()];
                let lines = self.run(BANDWIDTH, &own, &[])?;
                let rate = stream(&lines, size).map_err(failed)?;
                sample.in_flight = TX_DEPTH;
                sample.elapsed_ns = (seconds * 1e9) as u64;
                sample.messages = (rate * seconds).round() as u64;
            }
        }
        sample.bytes = sample.messages * size;
        Ok(sample)
    }

    /// Runs a program on both sides, and gives what the client says.
    fn run(&self, name: &str, own: &[String], client: &[String]) -> Result<Vec<String>, NoSample> {
        let failed = |error: anyhow::Error| NoSample::Failed(format!("{error:#}"));
        let path = check().map_err(NoSample::Failed).map(|()| program(name).unwrap_or_default())?;
        let port = free_port().map_err(failed)?;
        let args = |device: &Device| {
            let Device { name, port: of_device, gid_index, .. } = device;
            let mut args = vec![format!("--ib-dev={name}"), format!("--ib-port={of_device}")];
            // Else it warns of a clock that a virtual machine does not show.
            args.extend([format!("--gid-index={gid_index}"), format!("--port={port}"), "--CPU-freq".into()]);
            args.extend_from_slice(own);
            args
        };
        let server = Child::start(format!("{name} (server)"), &path, args(&self.serve)).map_err(failed)?;
        wait_for_listener(port).map_err(failed)?;
        let args = args(&self.load).into_iter().chain(client.iter().cloned()).chain([self.address.to_string()]);
        let client = Child::start(name.into(), &path, args).map_err(failed)?;
        let lines = client.output(DONE_WITHIN)?;
        match server.output(END_WITHIN) {
            Err(ChildError::Interrupted) => Err(NoSample::Interrupted),
            // The client has its figures.
            _ => Ok(lines),
        }
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((IpAddr::from([0, 0, 0, 0]), 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until somebody listens on `port`, without connecting: the server takes one client.
fn wait_for_listener(port: u16) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(Path::new);
        if tables.into_iter().any(|table| listens(&std::fs::read_to_string(table).unwrap_or_default(), port)) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "perftest's server does not listen on port {port}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether a table of sockets has one in the state LISTEN (0A) at this port.
fn listens(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some("0A")
    })
}

/// Lines such as `17, 41.62`: a number, and half a round trip in microseconds.
fn round_trips(lines: &[String]) -> anyhow::Result<Latency> {
    let halves = lines.iter().filter_map(|line| {
        let (number, half) = line.split_once(", ")?;
        number.trim().parse::<u32>().ok()?;
        half.trim().parse::<f64>().ok()
    });
    let mut histogram = Histogram::<u64>::new(3)?;
    for half in halves.skip(UNMEASURED) {
        histogram.record((half * 2000.0) as u64)?;
    }
    anyhow::ensure!(!histogram.is_empty(), "{LATENCY} printed no round trips, as its versions from 4.5 on do");
    Ok(Latency::from_histogram(&histogram)?)
}

/// Messages a second, from the last line of numbers: size, messages, peak, average, rate.
fn stream(lines: &[String], size: u64) -> anyhow::Result<f64> {
    let row = |line: &String| {
        let numbers: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        (numbers.len() >= 4 && numbers[0] == size as f64).then(|| numbers[3] * MIB / size as f64)
    };
    lines.iter().rev().find_map(row).with_context(|| format!("{BANDWIDTH} printed no line of figures"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn round_trips_are_twice_what_perftest_prints_without_its_first() {
        let mut text = "#, usec\n".to_owned();
        for number in 1..=UNMEASURED {
            text.push_str(&format!("{number}, 57240\n"));
        }
        text.push_str("201, 41.5\n202, 41.5\n 4096    500          41.27          12075.45\n");
        let latency = round_trips(&lines(&text)).unwrap();
        assert_eq!((latency.count, latency.p50_ns / 1000), (2, 83));
        assert!(round_trips(&lines("1, 41.5\n")).is_err());
    }

    #[test]
    fn a_stream_is_counted_in_messages() {
        let text = " #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]\n \
                    65536      1008             0.00               62.50  \t\t   0.001007\n-----\n";
        assert_eq!(stream(&lines(text), 65536).unwrap(), 1000.0);
        assert!(stream(&lines(text), 4096).is_err());
    }

    #[test]
    fn a_listener_is_found_in_the_table_of_sockets() {
        let table = "  sl  local_address rem_address   st\n   0: 00000000:4853 00000000:0000 0A 00000000:00000000\n";
        assert!(listens(table, 0x4853));
        assert!(!listens(table, 0x0A));
        assert!(!listens(&table.replace(" 0A ", " 01 "), 0x4853));
    }
}
