//! The samples of one measure that belong into the same plots, by messenger and place.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use super::along::{Along, Place};
use super::interval::Interval;
use super::kind::Kind;
use super::metric::{Metric, quantile_of};
use crate::format;
use crate::record::{Run, Sample, Workload, merge};

/// Share of the offered rate that must be achieved. Below it a queue grows somewhere for as long as one measures, and a
/// latency says how long that was.
const ACHIEVED_MIN: f64 = 0.99;

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

/// Every round of one messenger at one place.
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

    /// The figure of each round, when it may be compared: a percentile of what was overloaded may not.
    pub(crate) fn comparable(&self, metric: Metric) -> impl Iterator<Item = (u32, f64)> {
        let may = metric.quantile().is_none() || !self.is_overloaded();
        self.per_round(metric).filter(move |_| may)
    }

    /// Whether more was offered than was answered, over all rounds: a stall at the end of a single one is no overload.
    pub(crate) fn is_overloaded(&self) -> bool {
        let open = self.rounds.iter().filter_map(|it| Some((it.sample, it.sample.open_loop.as_ref()?)));
        let (answered, offered) = open.fold((0.0, 0.0), |(answered, offered), (sample, open)| {
            let seconds = sample.elapsed_ns as f64 / 1e9;
            (answered + sample.messages as f64, offered + open.offered_per_s * seconds)
        });
        answered < offered * ACHIEVED_MIN
    }

    /// The median over rounds of whatever `read` finds in a sample, in its unit.
    pub(crate) fn median_of(&self, read: impl Fn(&Sample) -> f64) -> Option<f64> {
        let values = self.rounds.iter().map(|measured| read(measured.sample));
        Interval::over(values).map(|interval| interval.median)
    }

    /// The median over the rounds in which `read` finds something.
    pub(crate) fn median_of_known(&self, read: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values = self.rounds.iter().filter_map(|measured| read(measured.sample));
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

/// What all samples of a group have in common: measure, workload, and the size or peers where the group does not go along
/// them (0 where it does).
type Key = (u32, Workload, u64, u32);

/// The samples of one measure that differ in one thing beside messenger and round.
pub(crate) struct Group<'a> {
    /// Number of its measure.
    pub(crate) measure: u32,
    /// Heading of its measure, when it has one.
    pub(crate) name: Option<&'a str>,
    /// Workload.
    pub(crate) workload: Workload,
    /// Payload bytes, ascending: one value, unless the group goes along them.
    pub(crate) sizes: Vec<u64>,
    /// Connected peers, ascending: one value, unless the group goes along them.
    pub(crate) peers: Vec<u32>,
    /// What its places are.
    pub(crate) along: Along,
    /// Messengers with at least one sample, the floor last.
    pub(crate) kinds: Vec<Kind>,
    /// Places with at least one sample, ascending.
    pub(crate) places: Vec<Place>,
    cells: BTreeMap<(Kind, Place), Cell<'a>>,
}

impl<'a> Group<'a> {
    /// Every group of a record, in the order of its measures; ping-pong before stream, small before large.
    pub(crate) fn all(run: &'a Run) -> Vec<Group<'a>> {
        let mut sets: BTreeMap<(u32, Workload), Vec<&'a Sample>> = BTreeMap::new();
        for sample in &run.samples {
            sets.entry((sample.measure, sample.workload)).or_default().push(sample);
        }
        sets.into_values().flat_map(|samples| Group::of_measure(run, &samples)).collect()
    }

    /// The groups of the samples of one measure and workload.
    fn of_measure(run: &'a Run, samples: &[&'a Sample]) -> Vec<Group<'a>> {
        let along = along(samples);
        let mut groups: BTreeMap<Key, Vec<&'a Sample>> = BTreeMap::new();
        for sample in samples {
            let size = if along == Along::Size { 0 } else { sample.size };
            let peers = if along == Along::Peers { 0 } else { sample.peers };
            groups.entry((sample.measure, sample.workload, size, peers)).or_default().push(sample);
        }
        groups.into_iter().map(|(key, samples)| Group::new(run, key, along, &samples)).collect()
    }

    fn new(run: &'a Run, key: Key, along: Along, samples: &[&'a Sample]) -> Group<'a> {
        let mut rounds: BTreeMap<(Kind, Place), Vec<Measured<'a>>> = BTreeMap::new();
        for sample in samples {
            // A histogram that cannot be read is told of by a warning; its sample keeps its other figures.
            let histogram = sample
                .latency
                .as_ref()
                .and_then(|latency| latency.histogram().ok())
                .filter(|histogram| !histogram.is_empty());
            rounds
                .entry((Kind::new(&sample.messenger), along.place(sample)))
                .or_default()
                .push(Measured { sample, histogram });
        }
        let cells: BTreeMap<(Kind, Place), Cell<'a>> = rounds
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
        let places: BTreeSet<Place> = cells.keys().map(|(_, place)| *place).collect();
        let measure = run.plan.measures.get(key.0 as usize);
        Group {
            measure: key.0,
            name: measure.and_then(|measure| measure.name.as_deref()),
            workload: key.1,
            sizes: distinct(samples.iter().map(|sample| sample.size)),
            peers: distinct(samples.iter().map(|sample| sample.peers)),
            along,
            kinds: kinds.into_iter().collect(),
            places: places.into_iter().collect(),
            cells,
        }
    }

    /// The rounds of a messenger at a place, when there are any.
    pub(crate) fn cell(&self, kind: &Kind, place: Place) -> Option<&Cell<'a>> {
        self.cells.get(&(kind.clone(), place))
    }

    /// The point of a figure, when there is one.
    pub(crate) fn point(&self, kind: &Kind, place: Place, metric: Metric) -> Option<Point> {
        self.cell(kind, place)?.point(metric)
    }

    /// The points of a messenger over all places that have one.
    pub(crate) fn series(&self, kind: &Kind, metric: Metric) -> Vec<(Place, Point)> {
        let point = |place: &Place| Some((*place, self.point(kind, *place, metric)?));
        self.places.iter().filter_map(point).collect()
    }

    /// The share of the ceiling that a rate is, in percent, when the run has found one.
    pub(crate) fn share(&self, place: Place) -> Option<u32> {
        let samples = self.cells().filter(|(_, at, _)| *at == place).flat_map(|(_, _, cell)| &cell.rounds);
        samples.filter_map(|it| it.sample.open_loop.as_ref()?.share).next()
    }

    /// A place as the heading of a row: `64`, `4 KiB`, `61,234 (70 %)`.
    pub(crate) fn row(&self, place: Place) -> String {
        let row = self.along.row(place);
        self.share(place).map_or(row.clone(), |percent| format!("{row} ({percent} %)"))
    }

    /// Its heading: `Ping-pong of 4 KiB requests`.
    pub(crate) fn title(&self) -> String {
        let size = if self.along == Along::Size { String::new() } else { format!("{} ", format::size(self.sizes[0])) };
        let what = match self.workload {
            Workload::PingPong => format!("Ping-pong of {size}requests"),
            Workload::UnderLoad if self.along == Along::Rate => format!("{size}requests at fixed rates"),
            Workload::UnderLoad => format!("{size}requests at a fixed rate"),
            Workload::Stream => format!("Stream of {size}messages"),
        };
        let what = match self.along {
            Along::Peers => what,
            Along::Size | Along::Rate | Along::Beside(_) => format!("{what}, {}", format::peers(self.peers[0])),
        };
        self.name.map_or_else(|| format::capital(&what), |name| format!("{name}: {what}"))
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
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&Kind, Place, &Cell<'a>)> {
        self.cells.iter().map(|((kind, place), cell)| (kind, *place, cell))
    }
}

/// What the samples of one measure differ in. Where they differ in two things, the first of these is gone along and there is
/// a group for each value of the other: neighbours, rates, peers, sizes.
fn along(samples: &[&Sample]) -> Along {
    let differ = |along: Along| distinct(samples.iter().map(|sample| along.place(sample))).len() > 1;
    if let Some(beside) = samples.iter().find_map(|sample| sample.beside.as_ref()) {
        Along::Beside(beside.what)
    } else if differ(Along::Rate) {
        Along::Rate
    } else if differ(Along::Peers) || !differ(Along::Size) {
        Along::Peers
    } else {
        Along::Size
    }
}

/// Each value once, ascending.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<T>>().into_iter().collect()
}
