//! What a run measures, and in which order.

use std::time::Duration;

use anyhow::bail;
use msgr_reports::record::{Measure, Plan, Workload};

use super::measures::{self, unique};
use super::pair::{Beside, Pace, Point};
use super::scenario::{self, Scenario};
use crate::cli::RunArgs;
use crate::kinds::{Kind, Network};
use crate::parse::Setting;
use crate::{record, wire};

/// Measured and unmeasured time of a sample, and rounds: by default, and with `--quick`. Many short samples rather than few
/// long ones: what differs between two samples differs by process, and more time in one tells nothing of the next.
const USUAL: (Duration, Duration, u32) = (Duration::from_millis(250), Duration::from_millis(100), 12);
const QUICK: (Duration, Duration, u32) = (Duration::from_millis(200), Duration::from_millis(100), 3);

/// Everything a run is asked for, with defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) scenario: Option<String>,
    pub(super) messengers: Vec<Kind>,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    pub(super) rounds: u32,
    pub(super) seed: u64,
    pub(super) set: Vec<Setting>,
    pub(super) measures: Vec<Measure>,
    pub(super) points: Vec<Point>,
}

/// One sample to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its round, from 0.
    pub(crate) round: u32,
    /// Index of its point.
    pub(crate) point: usize,
    /// Seeds the load side's choice of peers.
    pub(crate) seed: u64,
}

impl Settings {
    /// What `args` and their scenario ask for.
    ///
    /// # Errors
    ///
    /// When the scenario is unknown or wrong, or the options do not fit together.
    pub(super) fn new(args: &RunArgs) -> anyhow::Result<Settings> {
        let shape = &args.shape;
        let shaped = !shape.workload.is_empty()
            || !shape.peers.is_empty()
            || !shape.sizes.is_empty()
            || !shape.share.is_empty()
            || shape.reply.is_some()
            || shape.depth.is_some()
            || shape.active.is_some()
            || shape.rate.is_some();
        let scenario = match &args.scenario {
            Some(name) => Some(Scenario::find(name)?),
            None if shaped => None,
            None => Some(Scenario::find(scenario::DEFAULT)?),
        };
        let (duration, warmup, rounds) = if args.quick { QUICK } else { USUAL };
        let mut settings = Settings {
            scenario: None,
            messengers: unique(&args.messengers),
            duration,
            warmup,
            rounds,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
            set: args.set.clone(),
            measures: Vec::new(),
            points: Vec::new(),
        };
        let mut references = Vec::new();
        match scenario {
            Some(scenario) => {
                if !args.quick {
                    settings.duration = scenario.duration.unwrap_or(duration);
                    settings.warmup = scenario.warmup.unwrap_or(warmup);
                    settings.rounds = scenario.rounds.unwrap_or(rounds);
                }
                if settings.messengers.is_empty() {
                    settings.messengers = scenario.messengers;
                }
                references = scenario.references;
                // What is given on the command line is set last, and wins.
                settings.set = [scenario.set, settings.set].concat();
                settings.measures = scenario.measures;
                settings.scenario = Some(scenario.name);
            }
            None => settings.measures = measures::of_args(shape)?,
        }
        if settings.messengers.is_empty() {
            settings.messengers = Kind::usual();
        }
        settings.messengers = unique(&[settings.messengers, references].concat());
        settings.duration = args.duration.unwrap_or(settings.duration);
        settings.warmup = args.warmup.unwrap_or(settings.warmup);
        settings.rounds = args.rounds.unwrap_or(settings.rounds);
        if settings.measures.iter().any(|it| it.ceiling.is_some()) && settings.under_test().next().is_none() {
            bail!("shares are of what messengers reach: name one beside the floor, such as --messengers async,tcp");
        }
        Ok(settings)
    }

    /// Lists the points, with bare verbs beside RDMA if they can be measured.
    pub(super) fn with_points(mut self, args: &RunArgs, verbs: bool) -> Settings {
        let all = self.measures.iter().zip(0..);
        self.points = all.flat_map(|(measure, number)| points(&self, args, measure, number, verbs)).collect();
        self
    }

    /// As it stands in a record.
    pub(super) fn plan(&self, args: &RunArgs) -> Plan {
        let sizes = unique(&self.measures.iter().flat_map(|it| it.sizes.clone()).collect::<Vec<_>>());
        let workloads = unique(&self.measures.iter().map(|it| it.workload).collect::<Vec<_>>());
        let first = &self.measures[0];
        let usual_depth = match workloads.as_slice() {
            [Workload::Stream] => wire::window(sizes[0], 1, None),
            _ => 1,
        };
        Plan {
            messengers: self.under_test().map(|kind| kind.name().to_owned()).collect(),
            peers: unique(&self.measures.iter().flat_map(|it| it.peers.clone()).collect::<Vec<_>>()),
            sizes,
            workloads,
            depth: first.depth.unwrap_or(usual_depth),
            active: first.active,
            load_messenger: args.load_messenger.name().into(),
            pin: args.pin.name().into(),
            // Both are bounded by minutes.
            duration_ms: self.duration.as_millis() as u64,
            warmup_ms: self.warmup.as_millis() as u64,
            rounds: self.rounds,
            reply: Some(first.reply),
            rate: self.measures.iter().find_map(|it| it.rate),
            stall: args.inject_stall.map(|stall| stall.to_string()),
            scenario: self.scenario.clone(),
            measures: self.measures.clone(),
            seed: self.seed,
            options: record::options(&self.set),
            load_options: record::options(&args.set_load),
        }
    }

    /// The samples in the order in which they are taken: first those that find ceilings, then all others.
    pub(super) fn phases(&self) -> [Vec<Task>; 2] {
        let finds = |point: &Point| self.measures.iter().any(|it| it.ceiling == Some(point.measure));
        let of = |first: bool| -> Vec<usize> {
            let all = self.points.iter().enumerate();
            all.filter(|(_, point)| finds(point) == first).map(|(number, _)| number).collect()
        };
        [schedule(&of(true), self.rounds, self.seed), schedule(&of(false), self.rounds, self.seed)]
    }

    /// The messengers under test, without the floor, which is always measured.
    fn under_test(&self) -> impl Iterator<Item = Kind> {
        self.messengers.iter().copied().filter(|kind| *kind != Kind::FLOOR)
    }
}

/// Each of `points` once a round, in an order of its own each round: what drifts on the machine meets every point alike.
/// The same seed gives the same order.
pub(crate) fn schedule(points: &[usize], rounds: u32, seed: u64) -> Vec<Task> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tasks = Vec::new();
    for round in 0..rounds {
        let mut order = points.to_vec();
        random.shuffle(&mut order);
        tasks.extend(order.into_iter().map(|point| Task { round, point, seed: random.u64(..) }));
    }
    tasks
}

/// Every messenger and the floors at every combination of a measure's values.
fn points(settings: &Settings, args: &RunArgs, measure: &Measure, number: u32, verbs: bool) -> Vec<Point> {
    let paces: Vec<Pace> = match (measure.rate, measure.ceiling) {
        (_, Some(ceiling)) => measure.shares.iter().map(|percent| Pace::Share { percent: *percent, ceiling }).collect(),
        (Some(rate), None) => vec![Pace::Rate(rate)],
        (None, None) => vec![Pace::AsAnswered],
    };
    let beside = measure.beside.map(|what| Beside {
        what,
        peers: measure.beside_peers.unwrap_or(1),
        size: measure.beside_size.unwrap_or(measure.sizes[0]),
    });
    let mut points = Vec::new();
    for size in measure.sizes.iter().copied() {
        for peers in measure.peers.iter().copied() {
            for kind in kinds(settings, measure, size, peers, verbs) {
                for pace in paces.iter().copied() {
                    let alone = Point {
                        measure: number,
                        kind,
                        load: if peers == 1 || !kind.is_messenger() { kind } else { load_of(kind, args) },
                        workload: measure.workload,
                        size,
                        peers,
                        depth: measure.depth,
                        active: measure.active,
                        reply: measure.reply,
                        pace,
                        beside: None,
                        stall: args.inject_stall.filter(|_| kind.is_messenger()),
                        spin: None,
                        set: settings.set.clone(),
                        set_load: args.set_load.clone(),
                    };
                    // A floor has no other peers that a neighbour could hold up.
                    if let Some(beside) = beside
                        && kind.is_messenger()
                    {
                        points.push(Point { beside: Some(beside), ..alone.clone() });
                    }
                    points.push(alone);
                }
            }
        }
    }
    points
}

/// The messengers and floors of a point; the stream of the floor and bare verbs have one peer.
fn kinds(settings: &Settings, measure: &Measure, size: u64, peers: u32, verbs: bool) -> Vec<Kind> {
    let stream = measure.workload == Workload::Stream;
    let floor = (!stream || peers == 1).then_some(Kind::FLOOR);
    // Bare verbs answer with as many bytes as they got.
    let alike = match measure.workload {
        Workload::PingPong => size == measure.reply,
        Workload::UnderLoad => false,
        Workload::Stream => true,
    };
    let rdma = settings.under_test().any(|kind| kind.network() == Network::Rdma);
    let verbs = (peers == 1 && alike && verbs && rdma).then_some(Kind::VERBS);
    settings.under_test().chain(verbs).chain(floor).collect()
}

/// What loads `kind` at more than one peer: the one asked for, where it speaks to it.
fn load_of(kind: Kind, args: &RunArgs) -> Kind {
    if kind.network() == args.load_messenger.network() { args.load_messenger } else { kind }
}

#[cfg(test)]
mod tests;
