//! The verb `run`: every point in every round, each in a fresh pair of processes, into one record.

mod ceiling;
mod measures;
mod pair;
mod plan;
mod progress;
mod scenario;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::{Pin, RunArgs};
use msgr_reports::record::{Sample, Stages};

use crate::exit::{Exit, Refusal};
use crate::host::{self, Limits};
use crate::kinds::{Kind, Network};
use crate::parse::{self, Setting};
use crate::perftest::{self, Ends};
use crate::record::{self, Record};
use crate::{doctor, interrupt, output, rdma, text};

pub(crate) use pair::{NoSample, Pace, Point, Taken, Taking};
pub(crate) use plan::{Task, schedule};
pub(crate) use progress::Progress;

use plan::Settings;

/// The binary with the counting allocator, looked for beside this one.
const COUNTING_BINARY: &str = "msgr-bench-alloc";

/// Measured time of the extra pass that counts allocations: thousands of messages.
const COUNTING_DURATION: Duration = Duration::from_millis(200);

/// Unmeasured time before it, in which queues and pools reach their size.
const COUNTING_WARMUP: Duration = Duration::from_millis(100);

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

fn counting_binary(program: &Path) -> Option<PathBuf> {
    let path = program.with_file_name(COUNTING_BINARY);
    path.is_file().then_some(path)
}

/// What a sample of `point` takes, roughly.
pub(crate) fn expected(point: &Point, taking: &Taking) -> Duration {
    taking.warmup + taking.duration + START_AND_END + EACH_PEER * point.peers
}

/// A run under way.
struct Running {
    record: Record,
    taking: Taking,
    counting: Option<PathBuf>,
    stages: bool,
    failures: Vec<String>,
}

impl Running {
    /// Takes every sample; true when interrupted before the last.
    fn all(&mut self, mut settings: Settings, out: &Path) -> anyhow::Result<bool> {
        let [ceilings, tasks] = settings.phases();
        let costs = |tasks: &[Task]| tasks.iter().map(|task| self.cost(task, &settings)).sum::<Duration>();
        let mut progress = Progress::new(ceilings.len() + tasks.len(), costs(&ceilings) + costs(&tasks));
        let mut interrupted = self.phase(&ceilings, &settings, &mut progress, out)?;
        if !interrupted {
            for words in ceiling::resolve(&mut settings.points, self.record.samples()) {
                self.record.warn("no-ceiling", words);
            }
            interrupted = self.phase(&tasks, &settings, &mut progress, out)?;
        }
        progress.finish();
        Ok(interrupted)
    }

    /// Takes the samples of `tasks`; true when interrupted before the last.
    fn phase(
        &mut self,
        tasks: &[Task],
        settings: &Settings,
        progress: &mut Progress,
        out: &Path,
    ) -> anyhow::Result<bool> {
        for task in tasks {
            let point = &settings.points[task.point];
            let cost = self.cost(task, settings);
            if matches!(point.pace, Pace::Share { .. }) {
                // Nobody found its ceiling, which has been told.
                progress.done(task.round, "left out: its ceiling is not known", cost);
                continue;
            }
            let what = point.what();
            progress.now(&what);
            let result = match self.one(task, point, self.counts(task, settings)) {
                Ok(headline) => headline,
                Err(NoSample::Failed(words)) => {
                    let words = format!("{what}: {words}");
                    self.record
                        .warn("sample-failed", format!("A sample of round {} is missing. {words}", task.round + 1));
                    self.failures.push(words.clone());
                    format!("FAILED {words}")
                }
                Err(NoSample::Interrupted) => return Ok(true),
            };
            self.record.save(out)?;
            progress.done(task.round, &result, cost);
        }
        Ok(false)
    }

    /// What a sample takes, roughly.
    fn cost(&self, task: &Task, settings: &Settings) -> Duration {
        let extra = COUNTING_WARMUP + COUNTING_DURATION + START_AND_END;
        let point = &settings.points[task.point];
        let passes = u32::from(self.counts(task, settings));
        let stages = u32::from(self.stages && point.kind.factory().is_some());
        expected(point, &self.taking) * (1 + stages) + extra * passes
    }

    /// Takes one sample, and the extra passes that are asked for. Gives its headline.
    fn one(&mut self, task: &Task, point: &Point, count: bool) -> Result<String, NoSample> {
        let Taken { mut sample, complaints } = self.taking.take(point, &self.taking.program, task.seed)?;
        sample.round = task.round;
        sample.measure = point.measure;
        let headline = text::headline(&sample);
        for words in complaints {
            self.record
                .warn("no-clean-end", format!("A side did not end as it should after a sample was taken: {words}."));
        }
        let passes = self.passes(task, point, count, &mut sample);
        // What was measured is kept, interrupted or not.
        self.record.add(sample);
        passes.map(|()| headline)
    }

    /// The extra passes of a sample: what costs time to find out is not found out while time is measured.
    fn passes(&mut self, task: &Task, point: &Point, count: bool, sample: &mut Sample) -> Result<(), NoSample> {
        if let (Some(counting), true) = (&self.counting, count) {
            let taking = Taking { warmup: COUNTING_WARMUP, duration: COUNTING_DURATION, ..self.taking.clone() };
            match taking.take(point, counting, task.seed) {
                Ok(counted) => sample.allocations = counted.sample.allocations,
                Err(NoSample::Failed(words)) => self
                    .record
                    .warn("no-allocations", format!("The allocations of one point were not counted: {words}.")),
                Err(interrupted) => return Err(interrupted),
            }
        }
        if self.stages && point.kind.factory().is_some() {
            let timed = Setting { name: "ms_stage_histograms".into(), value: "true".into() };
            let point = Point { set: [point.set.clone(), vec![timed]].concat(), ..point.clone() };
            match self.taking.take(&point, &self.taking.program, task.seed) {
                Ok(Taken { sample: timed, .. }) => {
                    sample.stages = timed.stages.map(|stages| Stages { round_trip: timed.latency, ..stages });
                }
                Err(NoSample::Failed(words)) => {
                    self.record.warn("no-stages", format!("The stages of one point were not timed: {words}."));
                }
                Err(interrupted) => return Err(interrupted),
            }
        }
        Ok(())
    }

    /// Allocations are counted once a point, for messengers: the floor has none to speak of.
    fn counts(&self, task: &Task, settings: &Settings) -> bool {
        let last = task.round + 1 == settings.rounds;
        last && settings.points[task.point].kind.factory().is_some() && self.counting.is_some()
    }

    /// Writes the record and the page, whatever there is to show.
    fn end(self, out: &Path, interrupted: bool) -> anyhow::Result<Exit> {
        let Running { record, failures, .. } = self;
        let nothing = record.samples().is_empty();
        let page = record.finish(out, interrupted)?;
        if interrupted {
            output::note("interrupted: the record is partial");
        } else if nothing {
            let first = failures.first().map_or("", String::as_str);
            bail!("nothing could be measured; the first failure: {first}");
        }
        output::line(&page.display().to_string())?;
        Ok(if interrupted { Exit::Interrupted } else { Exit::Done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use msgr_reports::record::{Plan, Run};

    fn running(failures: &[&str]) -> Running {
        let zero = Duration::ZERO;
        Running {
            record: Record::new(Plan::default(), &Limits::read()).unwrap(),
            taking: Taking {
                program: PathBuf::new(),
                warmup: zero,
                duration: zero,
                pin: Pin::None,
                bind: Ipv4Addr::LOCALHOST.into(),
                verbs: None,
            },
            counting: None,
            stages: false,
            failures: failures.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_run_that_measured_nothing_is_an_error_with_the_first_reason_and_leaves_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let error = running(&["no ports", "no threads"]).end(dir.path(), false).expect_err("nothing was measured");
        assert!(error.to_string().ends_with("no ports"), "{error}");
        assert_eq!(Exit::of(&error), Exit::Error);
        assert!(!Run::load(&dir.path().join(record::FILE_NAME)).unwrap().partial);
    }

    #[test]
    fn a_run_that_is_interrupted_before_its_first_sample_is_partial_and_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(running(&[]).end(dir.path(), true).unwrap(), Exit::Interrupted);
        assert!(Run::load(&dir.path().join(record::FILE_NAME)).unwrap().partial);
    }
}
