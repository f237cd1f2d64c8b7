//! Pairs: both programs back to back, each with a fresh pair of processes of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use msgr_reports::gate::{Order, Pair, Stage, Values};
use msgr_reports::record::{Sample, Workload};

use super::plan;
use crate::cli::GateArgs;
use crate::host;
use crate::kinds::Kind;
use crate::run::{NoSample, Pace, Point, Taking};
use crate::speed::median;
use crate::wire::REPLY_BYTES;

/// Samples of the baseline that a slow-down is calibrated on.
const CALIBRATION: u32 = 3;

/// Measures pairs of the cells of a plan.
pub(super) struct Pairs {
    points: Vec<(Point, bool)>,
    baseline: Taking,
    /// The baseline again, by another name: what the A/A cell compares it with.
    copy: Taking,
    candidate: Taking,
    /// Percent by which the candidate is slowed down.
    slower: Option<f64>,
    /// CPUs that the processes may use.
    cpus: u32,
    /// How long the candidate spins for each message, by cell, as far as that is known.
    spins: Vec<Option<Duration>>,
    random: fastrand::Rng,
    /// Holds the copy.
    _scratch: tempfile::TempDir,
}

impl Pairs {
    /// Prepares the programs.
    ///
    /// # Errors
    ///
    /// When the baseline cannot be copied.
    pub(super) fn new(args: &GateArgs, candidate: PathBuf, seed: u64) -> anyhow::Result<Pairs> {
        let scratch = tempfile::tempdir().context("cannot make a temporary directory: free some space")?;
        let copy = scratch.path().join("msgr-bench");
        std::fs::copy(&args.baseline, &copy).with_context(|| {
            format!(
                "cannot copy {} to {}: free some space there, or let TMPDIR name another directory",
                args.baseline.display(),
                copy.display()
            )
        })?;
        let taking = |program: PathBuf| Taking {
            program,
            warmup: args.warmup,
            duration: args.duration,
            pin: args.pin,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            verbs: None,
        };
        let cells = plan(args);
        let point = |cell: &msgr_reports::gate::Cell| {
            let kind = Kind::parse(&cell.messenger).map_err(anyhow::Error::msg)?;
            let point = Point {
                measure: 0,
                kind,
                // Both sides are the messenger's, so that both can be slower.
                load: kind,
                workload: Workload::PingPong,
                size: cell.size,
                peers: cell.peers,
                depth: Some(1),
                active: cell.in_flight,
                reply: REPLY_BYTES,
                pace: Pace::AsAnswered,
                beside: None,
                stall: None,
                spin: None,
                set: Vec::new(),
                set_load: Vec::new(),
            };
            Ok((point, cell.control))
        };
        Ok(Pairs {
            points: cells.iter().map(point).collect::<anyhow::Result<_>>()?,
            baseline: taking(args.baseline.clone()),
            copy: taking(copy),
            candidate: taking(candidate),
            slower: args.inject_latency,
            cpus: host::allowed_count()?,
            spins: vec![None; cells.len()],
            random: fastrand::Rng::with_seed(seed),
            _scratch: scratch,
        })
    }

    /// What a cell measures, in words.
    pub(super) fn describe(&self, cell: usize) -> String {
        let (point, control) = &self.points[cell];
        let what: Vec<_> = point.what().split_whitespace().map(str::to_owned).collect();
        if *control { format!("{}, the baseline against itself", what.join(" ")) } else { what.join(" ") }
    }

    /// Measures one pair of a cell.
    ///
    /// # Errors
    ///
    /// When one of the programs fails, or Ctrl-C is pressed.
    pub(super) fn take(&mut self, cell: usize, stage: Stage, order: Order) -> Result<Pair, NoSample> {
        let spin = self.spin(cell)?;
        let (point, control) = &self.points[cell];
        let slowed = Point { spin, ..point.clone() };
        let b = if *control { &self.copy } else { &self.candidate };
        let seed = self.random.u64(..);
        let first = |taking: &Taking, point: &Point| values(&taking.take(point, &taking.program, seed)?.sample);
        let (a, b) = match order {
            Order::AFirst => {
                let a = first(&self.baseline, point)?;
                (a, first(b, &slowed)?)
            }
            Order::BFirst => {
                let b = first(b, &slowed)?;
                (first(&self.baseline, point)?, b)
            }
        };
        Ok(Pair { order, stage, a, b })
    }

    /// How long the candidate spins for each message of a cell, so that a round trip takes longer by a share of the baseline's
    /// median there. With more requests in flight than CPUs to spin on, a request also waits for the spins of others,
    /// so that each is shorter.
    fn spin(&mut self, cell: usize) -> Result<Option<Duration>, NoSample> {
        let (point, control) = &self.points[cell];
        let Some(percent) = self.slower.filter(|_| !control) else { return Ok(None) };
        if self.spins[cell].is_none() {
            let mut medians = Vec::new();
            for _ in 0..CALIBRATION {
                let seed = self.random.u64(..);
                let taken = self.baseline.take(point, &self.baseline.program, seed)?;
                medians.push(values(&taken.sample)?.p50_ns);
            }
            let at_once = (f64::from(point.active) / f64::from(self.cpus)).max(1.0);
            let spin = |ns: f64| Duration::from_nanos((ns * percent / 100.0 / at_once) as u64);
            self.spins[cell] = median(&mut medians).map(spin);
        }
        Ok(self.spins[cell])
    }
}

/// What the gate compares of a sample.
fn values(sample: &Sample) -> Result<Values, NoSample> {
    let latency = sample.latency.clone().ok_or_else(|| NoSample::Failed("no round trip was recorded".into()))?;
    let cpu_us = sample.server.cpu_user_us + sample.server.cpu_sys_us;
    Ok(Values {
        p50_ns: latency.p50_ns as f64,
        p99_ns: latency.p99_ns as f64,
        cpu_ns: cpu_us as f64 * 1e3 / sample.messages.max(1) as f64,
        latency: Some(latency),
    })
}
