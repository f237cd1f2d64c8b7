//! The verb `run`: every point in every round, each in a fresh pair of processes, into one record.

mod ceiling;
mod measures;
mod pair;
mod plan;
mod progress;
mod running;
mod scenario;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::{Pin, RunArgs};
use crate::exit::{Exit, Refusal};
use crate::host::{self, Limits};
use crate::kinds::{Kind, Network};
use crate::parse::{self, Setting};
use crate::perftest::{self, Ends};
use crate::record::{self, Record};
use crate::{doctor, interrupt, rdma};

pub(crate) use pair::{NoSample, Pace, Point, Taking};
pub(crate) use plan::schedule;
pub(crate) use progress::Progress;

use plan::Settings;
use running::Running;

/// The binary with the counting allocator, looked for beside this one.
pub(crate) const COUNTING_BINARY: &str = "msgr-bench-alloc";

/// What a sample takes beside its warm-up and measured time: starting and ending two processes, and connecting each
/// peer. Only a first guess, see [`Progress`].
const START_AND_END: Duration = Duration::from_millis(150);
const EACH_PEER: Duration = Duration::from_micros(500);

/// The verb `run`.
///
/// # Errors
///
/// When the host refuses, nothing could be measured, or the record cannot be written.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    let limits = Limits::read();
    let settings = Settings::new(args)?;
    let meet = Meeting::new(&settings.messengers, args.bind, &settings.set, &args.set_load)?;
    // A load side that speaks to nobody under test was asked for by mistake.
    let load = args.load_messenger;
    if load.network() == Network::Rdma && settings.messengers.iter().any(|kind| kind.network() != Network::Rdma) {
        bail!(
            "--load-messenger {} speaks RDMA, which simple and async do not: leave it out, and rdma is loaded by rdma",
            load.name()
        );
    }
    let perftest = perftest::check();
    let settings = settings.with_points(args, perftest.is_ok());
    preflight(&limits, &settings.points, args.pin)?;
    record::create(&args.out)?;
    interrupt::catch()?;

    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut run = Running {
        record: Record::new(settings.plan(args), &limits)?,
        counting: counting_binary(&program),
        stages: args.stages,
        taking: Taking {
            program,
            warmup: settings.warmup,
            duration: settings.duration,
            pin: args.pin,
            bind: meet.bind,
            verbs: meet.verbs,
        },
        failures: Vec::new(),
    };
    if run.counting.is_none() {
        run.record.warn(
            "no-allocations",
            format!(
                "Allocations were not counted: {COUNTING_BINARY} is not beside msgr-bench; build both with \
                     `cargo build --release -p msgr-bench`."
            ),
        );
    }
    if let (Err(words), true) = (perftest, run.taking.verbs.is_some()) {
        run.record.warn("no-verbs-floor", format!("Bare verbs were not measured: {words}."));
    }
    // From here on there is a record, whenever this process ends.
    run.record.save(&args.out)?;
    let interrupted = run.all(settings, &args.out)?;
    run.end(&args.out, interrupted)
}

/// Where the sides of a run meet.
#[derive(Debug)]
pub(crate) struct Meeting {
    /// The address that the side under test binds.
    pub(crate) bind: IpAddr,
    /// The RDMA devices, when RDMA is measured.
    pub(crate) verbs: Option<Ends>,
}

impl Meeting {
    /// Looks for the devices when they are needed. The address is that of the device, so that TCP beside it takes the same
    /// network.
    ///
    /// # Errors
    ///
    /// When there is no RDMA; the message says what to do.
    pub(crate) fn new(
        messengers: &[Kind],
        bind: Option<IpAddr>,
        set: &[Setting],
        set_load: &[Setting],
    ) -> anyhow::Result<Meeting> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if messengers.iter().all(|kind| kind.network() != Network::Rdma) {
            return Ok(Meeting { bind: bind.unwrap_or(local), verbs: None });
        }
        let serve = rdma::find(&parse::config(set)?)?;
        let load = rdma::find(&parse::config(&[set, set_load].concat())?).context("the load side")?;
        let address = bind.or(serve.address).unwrap_or(local);
        Ok(Meeting { bind: address, verbs: Some(Ends { serve, load, address }) })
    }
}

/// Refuses what this host does not allow, before anything is started.
///
/// # Errors
///
/// [`Refusal`] with the limit and where it comes from.
pub(crate) fn preflight(limits: &Limits, points: &[Point], pin: Pin) -> anyhow::Result<()> {
    if pin == Pin::Split && host::allowed_count()? < 2 {
        return Err(Refusal("--pin split needs two CPUs, and this process may use one: leave it out".into()).into());
    }
    // The largest of each kind first: its message is the one that helps.
    let mut points: Vec<_> = points.iter().collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.peers));
    for point in points {
        doctor::check(limits, point.kind, point.kind.serve_need(), point.load.load_need(), point.peers)?;
    }
    Ok(())
}

/// The program whose allocator counts, if it is beside `program`.
pub(crate) fn counting_binary(program: &Path) -> Option<PathBuf> {
    let path = program.with_file_name(COUNTING_BINARY);
    path.is_file().then_some(path)
}

/// What a sample of `point` takes, roughly.
pub(crate) fn expected(point: &Point, taking: &Taking) -> Duration {
    taking.warmup + taking.duration + START_AND_END + EACH_PEER * point.peers
}
