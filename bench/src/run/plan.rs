//! What a run measures, and in which order.

use std::time::Duration;

use msgr_reports::record::{Plan, Workload};

use super::pair::Point;
use crate::cli::RunArgs;
use crate::kinds::Kind;
use crate::record;
use crate::wire;

/// Measured and unmeasured time of a sample: by default, and with `--quick`.
const USUAL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(500));
const QUICK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(100));

/// Everything a run is asked for, with defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    pub(super) rounds: u32,
    pub(super) seed: u64,
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
    /// What `args` ask for, with bare verbs beside RDMA if they can be measured.
    pub(super) fn new(args: &RunArgs, verbs: bool) -> Settings {
        let (duration, warmup) = if args.quick { QUICK } else { USUAL };
        Settings {
            duration: args.duration.unwrap_or(duration),
            warmup: args.warmup.unwrap_or(warmup),
            rounds: args.rounds,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
            points: points(args, verbs),
        }
    }

    /// As it stands in a record.
    pub(super) fn plan(&self, args: &RunArgs) -> Plan {
        let sizes = unique(&args.sizes);
        let usual_depth = match args.workload.as_slice() {
            [Workload::Stream] => wire::window(sizes[0], 1, None),
            _ => 1,
        };
        Plan {
            messengers: messengers(args).map(|kind| kind.name().to_owned()).collect(),
            peers: unique(&args.peers),
            sizes,
            workloads: unique(&args.workload),
            depth: args.depth.unwrap_or(usual_depth),
            active: args.active,
            load_messenger: args.load_messenger.name().into(),
            pin: args.pin.name().into(),
            // Both are bounded by minutes.
            duration_ms: self.duration.as_millis() as u64,
            warmup_ms: self.warmup.as_millis() as u64,
            rounds: self.rounds,
            reply: Some(args.reply),
            rate: args.rate,
            stall: args.inject_stall.map(|stall| stall.to_string()),
            seed: self.seed,
            options: record::options(&args.set),
            load_options: record::options(&args.set_load),
        }
    }

    /// The samples in the order in which they are taken.
    pub(super) fn schedule(&self) -> Vec<Task> {
        schedule(self.points.len(), self.rounds, self.seed)
    }
}

/// Each point once a round, in an order of its own each round: what drifts on the machine meets every point alike. The
/// same seed gives the same order.
pub(crate) fn schedule(points: usize, rounds: u32, seed: u64) -> Vec<Task> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tasks = Vec::new();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..points).collect();
        random.shuffle(&mut order);
        tasks.extend(order.into_iter().map(|point| Task { round, point, seed: random.u64(..) }));
    }
    tasks
}

/// Every messenger and the floors at every number of peers; the floor's stream and bare verbs have one peer.
fn points(args: &RunArgs, verbs: bool) -> Vec<Point> {
    let mut points = Vec::new();
    for workload in unique(&args.workload) {
        for size in unique(&args.sizes) {
            for peers in unique(&args.peers) {
                let floor = (workload != Workload::Stream || peers == 1).then_some(Kind::FLOOR);
                // Bare verbs answer with as many bytes as they got.
                let alike = match workload {
                    Workload::PingPong => size == args.reply,
                    Workload::UnderLoad => false,
                    Workload::Stream => true,
                };
                let verbs = (peers == 1 && alike && verbs && messengers(args).any(|kind| kind == Kind::RDMA))
                    .then_some(Kind::VERBS);
                for kind in messengers(args).chain(verbs).chain(floor) {
                    points.push(Point {
                        kind,
                        load: if peers == 1 || kind == Kind::FLOOR { kind } else { load_of(kind, args) },
                        workload,
                        size,
                        peers,
                        depth: args.depth,
                        active: args.active,
                        reply: args.reply,
                        rate: args.rate.filter(|_| workload == Workload::UnderLoad),
                        stall: args.inject_stall.filter(|_| kind != Kind::FLOOR),
                        set: args.set.clone(),
                        set_load: args.set_load.clone(),
                    });
                }
            }
        }
    }
    points
}

/// What loads `kind` at more than one peer: the one asked for, where it speaks to it.
fn load_of(kind: Kind, args: &RunArgs) -> Kind {
    if kind.network() == args.load_messenger.network() { args.load_messenger } else { kind }
}

/// The messengers under test, without the floor, which is always measured.
fn messengers(args: &RunArgs) -> impl Iterator<Item = Kind> {
    unique(&args.messengers).into_iter().filter(|kind| *kind != Kind::FLOOR)
}

/// Each value once, in the order given.
fn unique<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let mut unique: Vec<T> = Vec::new();
    for value in values {
        if !unique.contains(value) {
            unique.push(value.clone());
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        run: RunArgs,
    }

    fn settings(text: &str) -> Settings {
        let args = std::iter::once("run").chain(text.split_whitespace());
        Settings::new(&Test::try_parse_from(args).unwrap().run, true)
    }

    fn names(settings: &Settings) -> Vec<String> {
        let name = |point: &Point| format!("{}<{}@{}", point.kind.name(), point.load.name(), point.peers);
        settings.points.iter().map(name).collect()
    }

    #[test]
    fn the_default_run_covers_both_messengers_and_the_floor_at_six_peer_counts() {
        let settings = settings("");
        assert_eq!(settings.points.len(), 3 * 6);
        assert_eq!((settings.duration, settings.rounds), (Duration::from_secs(2), 3));
    }

    #[test]
    fn one_peer_has_the_same_messenger_on_both_sides() {
        assert_eq!(
            names(&settings("--messengers simple --peers 1,4")),
            ["simple<simple@1", "tcp<tcp@1", "simple<async@4", "tcp<tcp@4"]
        );
    }

    #[test]
    fn the_stream_of_the_floor_has_one_peer() {
        assert_eq!(
            names(&settings("--messengers async --peers 1,4 --workload stream")),
            ["async<async@1", "tcp<tcp@1", "async<async@4"]
        );
    }

    #[test]
    fn rdma_is_loaded_by_rdma_and_stands_beside_bare_verbs_where_they_do_the_same() {
        assert_eq!(
            names(&settings("--messengers async,rdma --peers 1,4")),
            ["async<async@1", "rdma<rdma@1", "tcp<tcp@1", "async<async@4", "rdma<rdma@4", "tcp<tcp@4"]
        );
        assert_eq!(
            names(&settings("--messengers rdma --peers 1,4 --reply 4KiB")),
            ["rdma<rdma@1", "verbs<verbs@1", "tcp<tcp@1", "rdma<rdma@4", "tcp<tcp@4"]
        );
        assert_eq!(names(&settings("--messengers async --peers 1 --reply 4KiB")), ["async<async@1", "tcp<tcp@1"]);
    }

    #[test]
    fn the_floor_is_measured_once_whoever_names_it() {
        assert_eq!(names(&settings("--messengers tcp,tcp --peers 1,1")), ["tcp<tcp@1"]);
    }

    #[test]
    fn what_is_given_beats_what_quick_means() {
        let settings = settings("--quick --duration 1s");
        assert_eq!((settings.duration, settings.warmup), (Duration::from_secs(1), QUICK.1));
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        assert_eq!(schedule(18, 3, 7), schedule(18, 3, 7));
        assert_ne!(schedule(18, 3, 7), schedule(18, 3, 8));
    }

    #[test]
    fn each_round_takes_each_point_once_in_its_own_order() {
        let tasks = schedule(18, 2, 7);
        let order = |round| tasks.iter().filter(move |task| task.round == round).map(|task| task.point);
        for round in 0..2 {
            let mut points: Vec<_> = order(round).collect();
            points.sort_unstable();
            assert_eq!(points, (0..18).collect::<Vec<_>>());
        }
        assert!(!order(0).eq(order(1)));
    }
}
