//! One sample: a fresh pair of processes, one for each side, and a third for a neighbour.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use msgr_reports::record::{self, Neighbour, Sample, Workload};

use crate::child::{Child, ChildError};
use crate::cli::Pin;
use crate::host::Cpus;
use crate::kinds::Kind;
use crate::load::CONNECT_WITHIN;
use crate::parse::{self, Setting, Stall, workload_name};
use crate::perftest::{Ends, Wait};
use crate::serve::Ready;
use crate::text;

/// How long the side under test may take until it can be dialled: a bind is tried again for 15 s when its address is in
/// use (`ms_bind_retry_count` times `ms_bind_retry_delay`).
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long a load side may take beyond its warm-up and measured time, apart from connecting: starting, probing, and the
/// replies to control requests.
const SLACK: Duration = Duration::from_secs(30);

/// How long a side may take to end after its sample: a thousand peers are closed in less than a second.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Where the load side asks for figures: the loopback address, and a free port.
const CONTROL: &str = "127.0.0.1:0";

/// How fast requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As fast as they are answered, or a stream as fast as it flows.
    AsAnswered,
    /// So many a second.
    Rate(f64),
    /// So much of what the slowest messenger reaches in the measure `ceiling`, in percent: not known until that is measured.
    Share { percent: u32, ceiling: u32 },
    /// What became of a share.
    Found { percent: u32, per_s: f64 },
}

impl Pace {
    /// Requests a second, when that is known.
    fn rate(self) -> Option<f64> {
        match self {
            Pace::Rate(rate) | Pace::Found { per_s: rate, .. } => Some(rate),
            Pace::AsAnswered | Pace::Share { .. } => None,
        }
    }

    /// Percent of the ceiling, when it is a share of one.
    fn share(self) -> Option<u32> {
        match self {
            Pace::Share { percent, .. } | Pace::Found { percent, .. } => Some(percent),
            Pace::AsAnswered | Pace::Rate(_) => None,
        }
    }
}

/// A neighbour: what it does, over how many peers and with which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) what: Neighbour,
    pub(crate) peers: u32,
    pub(crate) size: u64,
}

/// What is measured in one sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Number of its measure.
    pub(crate) measure: u32,
    /// The side under test.
    pub(crate) kind: Kind,
    /// The load side.
    pub(crate) load: Kind,
    /// What is sent.
    pub(crate) workload: Workload,
    /// Payload bytes.
    pub(crate) size: u64,
    /// Connected peers.
    pub(crate) peers: u32,
    /// Requests in flight at one peer, or the window of a stream, when not the default.
    pub(crate) depth: Option<u32>,
    /// Requests in flight at more than one peer.
    pub(crate) active: u32,
    /// Payload bytes of a reply.
    pub(crate) reply: u64,
    /// How fast requests are sent.
    pub(crate) pace: Pace,
    /// What else the side under test has to do.
    pub(crate) beside: Option<Beside>,
    /// A stall of the side under test.
    pub(crate) stall: Option<Stall>,
    /// How long the side under test spins for each message.
    pub(crate) spin: Option<Duration>,
    /// Options of the messengers.
    pub(crate) set: Vec<Setting>,
    /// Options of the load side alone.
    pub(crate) set_load: Vec<Setting>,
}

impl Point {
    /// What it measures, in columns.
    pub(crate) fn what(&self) -> String {
        let mut what = text::what(self.kind.name(), self.workload, self.size, self.peers);
        if let Some(percent) = self.pace.share() {
            what.push_str(&format!("  at {percent} %"));
        }
        if let Some(beside) = self.beside {
            what.push_str(&format!("  beside {}", parse::neighbour_name(beside.what)));
        }
        what
    }
}

/// How a sample is taken.
#[derive(Clone, Debug)]
pub(crate) struct Taking {
    /// This program.
    pub(crate) program: PathBuf,
    /// Unmeasured time.
    pub(crate) warmup: Duration,
    /// Measured time.
    pub(crate) duration: Duration,
    /// How the sides share the CPUs.
    pub(crate) pin: Pin,
    /// Where the sides meet.
    pub(crate) bind: IpAddr,
    /// Where bare verbs are measured, if they are.
    pub(crate) verbs: Option<Ends>,
}

/// Why there is no sample.
#[derive(Debug)]
pub(crate) enum NoSample {
    /// One of the sides failed; the sentence says how.
    Failed(String),
    /// Ctrl-C was pressed.
    Interrupted,
}

impl From<ChildError> for NoSample {
    fn from(error: ChildError) -> NoSample {
        match error {
            ChildError::Failed(words) => NoSample::Failed(words),
            ChildError::Interrupted => NoSample::Interrupted,
        }
    }
}

/// A sample, and what went wrong after it was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The sample.
    pub(crate) sample: Sample,
    /// Sides that did not end as they should.
    pub(crate) complaints: Vec<String>,
}

impl Taking {
    /// Takes one sample of `point` with `serve` as the program under test, and leaves no process behind.
    pub(crate) fn take(&self, point: &Point, serve: &Path, seed: u64) -> Result<Taken, NoSample> {
        let failed = |error: anyhow::Error| NoSample::Failed(format!("{error:#}"));
        if point.kind == Kind::VERBS {
            let verbs = self.verbs.as_ref().context("no device for bare verbs").map_err(failed)?;
            let polling = parse::config(&point.set).map_err(failed)?.ms_async_rdma_polling_us > 0;
            let wait = if polling { Wait::Polling } else { Wait::Events };
            let sample = verbs.take(point.workload, point.size, wait, self.duration)?;
            return Ok(Taken { sample, complaints: Vec::new() });
        }
        let mut under_test =
            Child::start(format!("serve {}", point.kind.name()), serve, self.serve_args(point)).map_err(failed)?;
        let ready: Ready = parse(&under_test.line(READY_WITHIN)?)?;

        let mut beside = match point.beside {
            Some(beside) => {
                let name = format!("neighbour {}", point.load.name());
                let args = self.neighbour_args(point, beside, ready, seed);
                let mut neighbour = Child::start(name, &self.program, args).map_err(failed)?;
                neighbour.line(CONNECT_WITHIN + SLACK)?;
                Some(neighbour)
            }
            None => None,
        };
        let name = format!("load {}", point.load.name());
        let mut load = Child::start(name, &self.program, self.load_args(point, ready, seed)).map_err(failed)?;
        let within = CONNECT_WITHIN + self.warmup + self.duration + SLACK;
        let mut sample: Sample = parse(&load.line(within)?)?;
        if let Some(open) = &mut sample.open_loop {
            open.share = point.pace.share();
        }
        if let Some(neighbour) = &mut beside {
            neighbour.close_stdin();
            sample.beside = Some(parse::<record::Beside>(&neighbour.line(SLACK)?)?);
        }

        let neighbour_end = beside.map(|neighbour| neighbour.finish(END_WITHIN));
        let ends = [load.finish(END_WITHIN), under_test.end(END_WITHIN)];
        let complaints = ends.into_iter().chain(neighbour_end).filter_map(|end| match end {
            Err(ChildError::Failed(words)) => Some(words),
            _ => None,
        });
        Ok(Taken { sample, complaints: complaints.collect() })
    }

    fn cpus(&self, side: Cpus) -> &'static str {
        match self.pin {
            Pin::None => Cpus::All.name(),
            Pin::Split => side.name(),
        }
    }

    fn serve_args(&self, point: &Point) -> Vec<String> {
        let mut args = Args::new("serve");
        args.add("--messenger", point.kind.name());
        args.add("--bind", SocketAddr::new(self.bind, 0)).add("--control", CONTROL);
        args.add("--reply", point.reply);
        if let Some(stall) = point.stall {
            args.add("--inject-stall", stall);
        }
        if let Some(spin) = point.spin {
            args.add("--inject-spin", format!("{}ns", spin.as_nanos()));
        }
        args.add("--cpus", self.cpus(Cpus::Lower)).set(&point.set);
        args.0
    }

    fn load_args(&self, point: &Point, ready: Ready, seed: u64) -> Vec<String> {
        let mut args = Args::new("load");
        args.add("--json", "-");
        args.add("--messenger", point.load.name());
        args.add("--connect", ready.address).add("--control", ready.control);
        args.add("--workload", workload_name(point.workload));
        args.add("--size", point.size)
            .add("--reply", point.reply)
            .add("--peers", point.peers)
            .add("--active", point.active);
        if let Some(depth) = point.depth {
            args.add("--depth", depth);
        }
        if let Some(rate) = point.pace.rate() {
            args.add("--rate", rate);
        }
        args.add("--duration", micros(self.duration)).add("--warmup", micros(self.warmup));
        args.add("--seed", seed).add("--cpus", self.cpus(Cpus::Upper)).set(&point.set).set(&point.set_load);
        args.0
    }

    fn neighbour_args(&self, point: &Point, beside: Beside, ready: Ready, seed: u64) -> Vec<String> {
        let mut args = Args::new("neighbour");
        args.add("--what", parse::neighbour_name(beside.what));
        args.add("--messenger", point.load.name()).add("--connect", ready.address);
        args.add("--peers", beside.peers).add("--size", beside.size).add("--reply", point.reply);
        args.add("--seed", seed).add("--cpus", self.cpus(Cpus::Upper)).set(&point.set).set(&point.set_load);
        args.0
    }
}

fn micros(time: Duration) -> String {
    format!("{}us", time.as_micros())
}

fn parse<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, NoSample> {
    serde_json::from_str(line).map_err(|error| NoSample::Failed(format!("a side printed what is no result ({error})")))
}

/// The command line of a child.
struct Args(Vec<String>);

impl Args {
    fn new(verb: &str) -> Args {
        Args(vec![verb.to_owned(), "--child".to_owned()])
    }

    fn add(&mut self, name: &str, value: impl ToString) -> &mut Args {
        self.0.extend([name.to_owned(), value.to_string()]);
        self
    }

    fn set(&mut self, settings: &[Setting]) -> &mut Args {
        for Setting { name, value } in settings {
            self.add("--set", format!("{name}={value}"));
        }
        self
    }
}
