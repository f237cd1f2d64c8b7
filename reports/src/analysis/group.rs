//! The samples of one workload and size, by messenger and peer count.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use super::interval::Interval;
use super::kind::Kind;
use super::metric::{Metric, quantile_of};
use crate::record::{Run, Sample, Workload, merge};

/// One figure of one cell: the point to draw and its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// The point: the median over the rounds, or for a percentile its value in the merged histogram.
    pub(crate) value: f64,
    /// The spread of the per-round figures.
    pub(crate) interval: Interval,
}

/// One sample with its histogram decoded.
pub(crate) struct Measured<'a> {
    /// The sample.
    pub(crate) sample: &'a Sample,
    /// Its histogram, when it has one that can be read and is not empty.
    pub(crate) histogram: Option<Histogram<u64>>,
}

/// Every round of one messenger at one peer count.
pub(crate) struct Cell<'a> {
    /// The rounds, in order.
    pub(crate) rounds: Vec<Measured<'a>>,
    /// The histograms of all rounds added up.
    pub(crate) merged: Option<Histogram<u64>>,
}

impl Cell<'_> {
    /// The point of a figure, when any round has it.
    pub(crate) fn point(&self, metric: Metric) -> Option<Point> {
        let interval = Interval::over(self.per_round(metric).map(|(_, value)| value))?;
        let value = match metric.quantile() {
            Some(quantile) => quantile_of(self.merged.as_ref()?, quantile)?,
            None => interval.median,
        };
        Some(Point { value, interval })
    }

    /// The figure of each round that has it, with the round's number.
    pub(crate) fn per_round(&self, metric: Metric) -> impl Iterator<Item = (u32, f64)> {
        self.rounds.iter().filter_map(move |measured| {
            let value = metric.of_sample(measured.sample, measured.histogram.as_ref())?;
            Some((measured.sample.round, value))
        })
    }

    /// The figure of each round that may be compared: a percentile of one that was overloaded may not.
    pub(crate) fn comparable(&self, metric: Metric) -> impl Iterator<Item = (u32, f64)> {
        let overloaded = |round| self.rounds.iter().any(|it| it.sample.round == round && it.sample.is_overloaded());
        self.per_round(metric).filter(move |(round, _)| metric.quantile().is_none() || !overloaded(*round))
    }

    /// Whether any round was offered more than was answered.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.rounds.iter().any(|it| it.sample.is_overloaded())
    }

    /// The median over rounds of whatever `read` finds in a sample, in its unit.
    pub(crate) fn median_of(&self, read: impl Fn(&Sample) -> f64) -> Option<f64> {
        let values = self.rounds.iter().map(|measured| read(measured.sample));
        Interval::over(values).map(|interval| interval.median)
    }

    /// Round trips recorded in all rounds.
    pub(crate) fn recorded(&self) -> u64 {
        self.merged.as_ref().map_or(0, Histogram::len)
    }

    /// The conditions that must agree before a line may join two points: requests in flight, and the load side.
    pub(crate) fn load(&self) -> Option<(u32, &str)> {
        let sample = self.rounds.first()?.sample;
        Some((sample.in_flight, sample.load_messenger.as_str()))
    }
}

/// The samples of one workload and size.
pub(crate) struct Group<'a> {
    /// Workload.
    pub(crate) workload: Workload,
    /// Payload bytes.
    pub(crate) size: u64,
    /// Messengers with at least one sample, the floor last.
    pub(crate) kinds: Vec<Kind>,
    /// Peer counts with at least one sample, ascending.
    pub(crate) peers: Vec<u32>,
    cells: BTreeMap<(Kind, u32), Cell<'a>>,
}

impl<'a> Group<'a> {
    /// Every workload and size of a record, ping-pong before stream, small before large.
    pub(crate) fn all(run: &'a Run) -> Vec<Group<'a>> {
        let keys: BTreeSet<(Workload, u64)> = run.samples.iter().map(|sample| (sample.workload, sample.size)).collect();
        keys.into_iter().map(|(workload, size)| Group::new(run, workload, size)).collect()
    }

    fn new(run: &'a Run, workload: Workload, size: u64) -> Group<'a> {
        let mut rounds: BTreeMap<(Kind, u32), Vec<Measured<'a>>> = BTreeMap::new();
        let here = |sample: &&Sample| sample.workload == workload && sample.size == size;
        for sample in run.samples.iter().filter(here) {
            // A histogram that cannot be read is told of by a warning; its sample keeps its other figures.
            let histogram = sample
                .latency
                .as_ref()
                .and_then(|latency| latency.histogram().ok())
                .filter(|histogram| !histogram.is_empty());
            rounds
                .entry((Kind::new(&sample.messenger), sample.peers))
                .or_default()
                .push(Measured { sample, histogram });
        }
        let cells: BTreeMap<(Kind, u32), Cell<'a>> = rounds
            .into_iter()
            .map(|(key, mut rounds)| {
                rounds.sort_by_key(|measured| measured.sample.round);
                let histograms = rounds.iter().filter_map(|measured| measured.histogram.as_ref());
                // Auto-resizing histograms of one unit always add up.
                let merged = merge(histograms).ok().flatten();
                (key, Cell { rounds, merged })
            })
            .collect();
        let kinds: BTreeSet<Kind> = cells.keys().map(|(kind, _)| kind.clone()).collect();
        let peers: BTreeSet<u32> = cells.keys().map(|(_, peers)| *peers).collect();
        let (kinds, peers) = (kinds.into_iter().collect(), peers.into_iter().collect());
        Group { workload, size, kinds, peers, cells }
    }

    /// The rounds of a messenger at a peer count, when there are any.
    pub(crate) fn cell(&self, kind: &Kind, peers: u32) -> Option<&Cell<'a>> {
        self.cells.get(&(kind.clone(), peers))
    }

    /// The point of a figure, when there is one.
    pub(crate) fn point(&self, kind: &Kind, peers: u32, metric: Metric) -> Option<Point> {
        self.cell(kind, peers)?.point(metric)
    }

    /// The points of a messenger over all peer counts that have one.
    pub(crate) fn series(&self, kind: &Kind, metric: Metric) -> Vec<(u32, Point)> {
        let point = |peers: &u32| Some((*peers, self.point(kind, *peers, metric)?));
        self.peers.iter().filter_map(point).collect()
    }

    /// The messengers without the floor.
    pub(crate) fn messengers(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kind.is_messenger())
    }

    /// The floor, when it was measured.
    pub(crate) fn floor(&self) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.is_floor())
    }

    /// The most rounds that any cell has.
    pub(crate) fn rounds(&self) -> usize {
        self.cells.values().map(|cell| cell.rounds.len()).max().unwrap_or(0)
    }

    /// All cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&Kind, u32, &Cell<'a>)> {
        self.cells.iter().map(|((kind, peers), cell)| (kind, *peers, cell))
    }
}
