//! The samples of a record by section of the page, and the figures of each messenger at each place.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use msgr_reports::record::{Run, Sample, Workload};

use super::arithmetic::{Spread, median, of_figures, of_ratios};
use super::words;

/// The one neighbour of the records here.
const NEIGHBOUR: &str = "beside a flood";

/// Share of what was offered that must be answered.
const ANSWERED_MIN: f64 = 0.99;

/// Values beyond a percentile that a sentence needs.
const BEYOND_MIN: f64 = 100.0;

/// Rounds without which no difference is claimed.
pub(crate) const ROUNDS_MIN: usize = 3;

/// What sentences compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Median,
    P99,
    Throughput,
    Cpu,
    Connect,
}

impl Figure {
    pub(crate) const ALL: [Figure; 5] = [Figure::Median, Figure::P99, Figure::Throughput, Figure::Cpu, Figure::Connect];

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Figure::Median => "median round trip",
            Figure::P99 => "p99 round trip",
            Figure::Throughput => "throughput",
            Figure::Cpu => "CPU time per message",
            Figure::Connect => "connect time",
        }
    }

    pub(crate) fn show(self, value: f64) -> String {
        if self == Figure::Throughput { format!("{} msg/s", words::number(value)) } else { words::time(value) }
    }

    fn percentile(self) -> Option<f64> {
        match self {
            Figure::Median => Some(0.5),
            Figure::P99 => Some(0.99),
            _ => None,
        }
    }
}

/// What the places of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Peers,
    Rates,
    /// 0 alone, 1 beside the neighbour.
    Neighbour,
}

/// All rounds of one messenger at one place.
pub(crate) struct Cell<'a> {
    pub(crate) samples: Vec<&'a Sample>,
    /// By figure: that of each round, in nanoseconds or messages a second.
    rounds: [BTreeMap<u32, f64>; Figure::ALL.len()],
    /// By figure: what the page shows for all rounds together.
    together: [f64; Figure::ALL.len()],
    /// Round trips of all rounds.
    recorded: u64,
}

impl<'a> Cell<'a> {
    fn new(mut samples: Vec<&'a Sample>) -> Cell<'a> {
        samples.sort_by_key(|sample| sample.round);
        let timed = samples.iter().filter_map(|sample| Some((sample.round, sample.latency.as_ref()?)));
        let whole = "the histograms of the records here are whole";
        let histograms: BTreeMap<u32, Histogram<u64>> =
            timed.map(|(round, latency)| (round, latency.histogram().expect(whole))).collect();
        // As many digits as the finest has.
        let digits = histograms.values().map(Histogram::sigfig).max().unwrap_or(1);
        let mut merged = Histogram::<u64>::new(digits).expect("a number of digits that is allowed");
        for histogram in histograms.values() {
            merged.add(histogram).expect("histograms of one unit add up");
        }
        let of_sample = |sample: &Sample, figure: Figure| {
            let (messages, server) = (sample.messages as f64, &sample.server);
            Some(match figure.percentile() {
                Some(part) => histograms.get(&sample.round)?.value_at_quantile(part) as f64,
                None if figure == Figure::Throughput => messages * 1e9 / sample.elapsed_ns as f64,
                None if figure == Figure::Connect => sample.connect_ns as f64,
                None => (server.cpu_user_us + server.cpu_sys_us) as f64 * 1e3 / messages,
            })
        };
        let rounds = Figure::ALL.map(|figure| {
            let each = samples.iter().filter_map(|sample| Some((sample.round, of_sample(sample, figure)?)));
            each.collect::<BTreeMap<u32, f64>>()
        });
        let together = Figure::ALL.map(|figure| match figure.percentile() {
            Some(part) => merged.value_at_quantile(part) as f64,
            None => median(&rounds[figure as usize].values().copied().collect::<Vec<f64>>()),
        });
        Cell { samples, rounds, together, recorded: merged.len() }
    }

    /// What the page shows for all rounds together.
    pub(crate) fn together(&self, figure: Figure) -> f64 {
        self.together[figure as usize]
    }

    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        of_figures(&self.rounds[figure as usize].values().copied().collect::<Vec<f64>>())
    }

    /// Whether a sentence may be built on a figure: percentiles need values beyond them, and rounds that were not overloaded.
    pub(crate) fn is_fit(&self, figure: Figure) -> bool {
        let Some(part) = figure.percentile() else { return true };
        let open = self.samples.iter().filter(|sample| sample.open_loop.is_some());
        let answered: f64 = open.clone().map(|sample| sample.messages as f64).sum();
        let offered = open.map(|sample| {
            sample.open_loop.as_ref().map_or(0.0, |open| open.offered_per_s * sample.elapsed_ns as f64 / 1e9)
        });
        let overloaded = answered < ANSWERED_MIN * offered.sum::<f64>();
        self.recorded as f64 * (1.0 - part) >= BEYOND_MIN && !overloaded
    }

    /// Requests in flight and who makes the load.
    pub(crate) fn load(&self) -> (u32, &str) {
        (self.samples[0].in_flight, &self.samples[0].load_messenger)
    }
}

/// One section of the page.
pub(crate) struct Section<'a> {
    pub(crate) id: String,
    pub(crate) workload: Workload,
    pub(crate) axis: Axis,
    pub(crate) places: Vec<u64>,
    /// Messengers in the order of the page, without the floor.
    pub(crate) messengers: Vec<&'a str>,
    /// By place, then by messenger.
    cells: BTreeMap<u64, BTreeMap<&'a str, Cell<'a>>>,
}

/// The messengers that the records here have, in the order of the page.
const MESSENGERS: [&str; 3] = ["simple", "async", "zmq"];

/// The floor.
pub(crate) const FLOOR: &str = "tcp";

impl<'a> Section<'a> {
    /// The sections of a record. Its measures have one size, and one peer count where they do not go along peers.
    pub(crate) fn all(run: &'a Run) -> Vec<Section<'a>> {
        let mut sections: BTreeMap<(u32, Workload), Vec<&Sample>> = BTreeMap::new();
        for sample in &run.samples {
            sections.entry((sample.measure, sample.workload)).or_default().push(sample);
        }
        sections.into_values().map(|samples| Section::new(&samples)).collect()
    }

    fn new(samples: &[&'a Sample]) -> Section<'a> {
        let first = samples[0];
        let axis = if samples.iter().any(|sample| sample.beside.is_some()) {
            Axis::Neighbour
        } else if first.workload == Workload::UnderLoad {
            Axis::Rates
        } else {
            Axis::Peers
        };
        let place = |sample: &Sample| match axis {
            Axis::Peers => u64::from(sample.peers),
            Axis::Rates => sample.open_loop.as_ref().map_or(0, |open| open.offered_per_s.round() as u64),
            Axis::Neighbour => u64::from(sample.beside.is_some()),
        };
        let mut cells: BTreeMap<u64, BTreeMap<&str, Vec<&Sample>>> = BTreeMap::new();
        for sample in samples {
            cells.entry(place(sample)).or_default().entry(&sample.messenger).or_default().push(sample);
        }
        let measured = |kind: &&str| samples.iter().any(|sample| sample.messenger == *kind);
        let cells = cells.into_iter().map(|(place, kinds)| {
            let kinds = kinds.into_iter().map(|(kind, samples)| (kind, Cell::new(samples)));
            (place, kinds.collect::<BTreeMap<&str, Cell<'_>>>())
        });
        let cells: BTreeMap<u64, BTreeMap<&str, Cell<'_>>> = cells.collect();
        let workload = match first.workload {
            Workload::PingPong => "ping-pong",
            Workload::UnderLoad => "under-load",
            Workload::Stream => "stream",
        };
        let peers = if axis == Axis::Peers { String::new() } else { format!("-{}", first.peers) };
        let measure = if first.measure == 0 { String::new() } else { format!("-{}", first.measure + 1) };
        Section {
            id: format!("{workload}-{}{peers}{measure}", first.size),
            workload: first.workload,
            axis,
            places: cells.keys().copied().collect(),
            messengers: MESSENGERS.into_iter().filter(measured).collect(),
            cells,
        }
    }

    pub(crate) fn cell(&self, kind: &str, place: u64) -> Option<&Cell<'a>> {
        self.cells.get(&place)?.get(kind)
    }

    pub(crate) fn cells(&self, kind: &str) -> impl Iterator<Item = (u64, &Cell<'a>)> {
        self.places.iter().filter_map(move |place| Some((*place, self.cell(kind, *place)?)))
    }

    /// The ratio of a figure to another one of the same round.
    pub(crate) fn ratio(&self, of: (&str, u64), to: (&str, u64), figure: Figure) -> Option<Spread> {
        let [of, to] = [of, to].map(|(kind, place)| Some(&self.cell(kind, place)?.rounds[figure as usize]));
        let (of, to) = (of?, to?);
        let ratios: Vec<f64> = of.iter().filter_map(|(round, value)| Some(value / to.get(round)?)).collect();
        of_ratios(&ratios)
    }

    /// `at 1, 4 and 16 peers`.
    pub(crate) fn at(&self, places: &[u64]) -> String {
        let counts = || words::list(&places.iter().map(|place| words::count(*place)).collect::<Vec<String>>());
        match self.axis {
            Axis::Peers => format!("at {} {}", counts(), if places == [1] { "peer" } else { "peers" }),
            Axis::Rates => format!("at {} requests/s", counts()),
            Axis::Neighbour => {
                let name = |place: &u64| if *place == 0 { "alone".to_string() } else { NEIGHBOUR.to_string() };
                words::list(&places.iter().map(name).collect::<Vec<String>>())
            }
        }
    }

    /// `between 4 and 64 peers`.
    pub(crate) fn between(&self, one: u64, two: u64) -> String {
        match self.axis {
            Axis::Neighbour => NEIGHBOUR.to_string(),
            _ => self.at(&[one, two]).replacen("at ", "between ", 1),
        }
    }
}

/// What the page calls a messenger.
pub(crate) fn label(kind: &str) -> &str {
    match kind {
        "zmq" => "ZeroMQ",
        FLOOR => "bare TCP",
        _ => kind,
    }
}
