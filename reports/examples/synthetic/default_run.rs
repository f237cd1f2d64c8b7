//! A run like that of the default scenario (`bench/scenarios/default.toml`), and one measure beside a neighbour: simple is
//! overtaken as peers grow, needs less CPU time throughout, and cannot bear the highest rate in every round.

use msgr_reports::record::{Beside, Neighbour, OpenLoop, Run, SCHEMA, Sample, Stages, Workload};

use crate::default_plan::{BESIDE, CEILING, PEERS, PING_PONG, ROUNDS, SEED, SHARES, SIZE, SOME, UNDER_LOAD, plan};
use crate::machine::{self, Cost, drawn, latency, noise};

/// Round trips drawn per sample: over seven rounds enough for a p99, and a record of a few hundred samples stays small.
const DRAWN: u64 = 3_000;
/// Values drawn for everything else that has a histogram.
const DRAWN_BESIDE: u64 = 300;
const KINDS: [&str; 4] = ["simple", "async", "zmq", "tcp"];

/// One point: measure, messenger, peers, share of the ceiling in percent (0 in a closed loop), whether there is a neighbour.
type Point = (u32, &'static str, u32, u32, bool);

/// The ceiling first, since the rates are shares of it; then everything else, round by round.
pub(crate) fn run() -> Run {
    let mut random = fastrand::Rng::with_seed(SEED);
    let ceilings: Vec<Point> = KINDS.map(|kind| (CEILING, kind, SOME, 0, false)).to_vec();
    let mut samples = rounds(&mut random, &ceilings, 0.0);
    let ceiling = ceiling(&samples);
    let mut points: Vec<Point> = Vec::new();
    for kind in KINDS {
        points.extend(PEERS.map(|peers| (PING_PONG, kind, peers, 0, false)));
        points.extend(SHARES.map(|share| (UNDER_LOAD, kind, SOME, share, false)));
        points.push((BESIDE, kind, SOME, 0, false));
        // A floor has no other peers that a neighbour could hold up.
        if kind != "tcp" {
            points.push((BESIDE, kind, SOME, 0, true));
        }
    }
    samples.extend(rounds(&mut random, &points, ceiling));
    Run {
        schema: SCHEMA.to_string(),
        tool_version: "0.1.0".to_string(),
        started: "2026-11-25T09:12:40Z".to_string(),
        elapsed_s: 318.4,
        partial: false,
        command: ["msgr-bench", "run", "--scenario", "default"].map(String::from).to_vec(),
        plan: plan(),
        environment: machine::environment(),
        warnings: Vec::new(),
        samples,
    }
}

/// Every point once a round, in an order of its own each round, on a machine that is a little faster or slower.
fn rounds(random: &mut fastrand::Rng, points: &[Point], ceiling: f64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for round in 0..ROUNDS {
        let machine = 0.93 + 0.14 * random.f64();
        let mut order = points.to_vec();
        random.shuffle(&mut order);
        samples.extend(order.into_iter().map(|point| sample(random, machine, round, point, ceiling)));
    }
    samples
}

/// What the slowest messenger reached, requests a second: the median over the rounds of each.
fn ceiling(samples: &[Sample]) -> f64 {
    let messengers = KINDS.into_iter().filter(|kind| *kind != "tcp");
    let medians = messengers.map(|kind| {
        let of_kind = samples.iter().filter(|sample| sample.messenger == kind);
        let mut rates: Vec<f64> = of_kind.map(|it| it.messages as f64 * 1e9 / it.elapsed_ns as f64).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    medians.fold(f64::INFINITY, f64::min)
}

fn cost(kind: &str, peers: u32) -> Cost {
    let n = f64::from(peers);
    let busy = if peers == 1 { 1.0 } else { 5.2 };
    let shared = Cost {
        threads: 8,
        rss: 3.9e6 + 2_050.0 * n,
        median_ns: 36_000.0 * busy * (1.0 + 0.02 * n.ln()),
        sigma: 0.25,
        cpu_us: 12.5 * (1.0 + 0.01 * n.ln()),
        switches: if peers == 1 { 2.1 } else { 0.9 },
    };
    match kind {
        "simple" => Cost {
            // The dispatch thread starts with its first work, which a single peer does not bring.
            threads: 2 * u64::from(peers) + if peers == 1 { 3 } else { 4 },
            rss: 3.4e6 + 24_700.0 * n,
            median_ns: 30_000.0 * busy * (1.0 + 0.12 * n.ln()),
            sigma: 0.22 + 0.03 * n.ln(),
            cpu_us: 10.0 * (1.0 + 0.01 * n.ln()),
            switches: 4.1,
        },
        // What a connection needs is lost in the noise of its pools.
        "zmq" => Cost { threads: 4, rss: 5.1e6, median_ns: shared.median_ns * 1.15, cpu_us: 13.0, ..shared },
        "tcp" => Cost {
            threads: 2,
            rss: 2.2e6 + 180.0 * n,
            median_ns: 27_000.0 * busy.min(3.9),
            sigma: 0.2,
            cpu_us: 8.4,
            switches: if peers == 1 { 1.0 } else { 0.4 },
        },
        _ => shared,
    }
}

fn sample(random: &mut fastrand::Rng, machine: f64, round: u32, point: Point, ceiling: f64) -> Sample {
    let (measure, kind, peers, share, beside) = point;
    let mut cost = cost(kind, peers);
    // A flood takes turns with the others; threads of their own hold it off better.
    let crowd = match (beside, kind) {
        (false, _) => 1.0,
        (true, "simple") => 1.0 + 0.02 * (f64::from(round) - 3.0),
        (true, _) => 3.4,
    };
    let queueing = 0.3 + 0.1 / (1.0 - 0.009 * f64::from(share));
    let median = cost.median_ns * machine * crowd * noise(random, 0.02) * if share > 0 { queueing } else { 1.0 };
    cost.cpu_us *= crowd;
    let overloaded = share == 90 && kind == "simple" && round % 2 == 1;
    let histogram = drawn(random, if overloaded { 40.0 * median } else { median }, cost.sigma, DRAWN);

    let mut sample = machine::sample(random, round, kind, peers, DRAWN, &cost);
    sample.measure = measure;
    if peers > 1 && kind != "tcp" && kind != "zmq" {
        sample.load_messenger = "async".to_string();
    }
    let in_flight = match measure {
        PING_PONG if peers == 1 => 1,
        BESIDE => 4,
        _ => 16,
    };
    sample.size = SIZE;
    sample.bytes = DRAWN * SIZE;
    sample.in_flight = in_flight;
    sample.elapsed_ns = (histogram.mean() * DRAWN as f64 / f64::from(in_flight)) as u64;
    if share > 0 {
        let offered = ceiling * f64::from(share) / 100.0;
        let answered = if overloaded { 0.93 * offered } else { offered };
        sample.workload = Workload::UnderLoad;
        sample.in_flight = 0;
        sample.elapsed_ns = (DRAWN as f64 / answered * 1e9) as u64;
        sample.open_loop = Some(OpenLoop {
            offered_per_s: offered,
            share: Some(share),
            unsent: if overloaded { DRAWN / 20 } else { 0 },
            service: Some(latency(&drawn(random, 0.9 * median, cost.sigma, DRAWN_BESIDE))),
            late: Some(latency(&drawn(random, 0.03 * median, 0.3, DRAWN_BESIDE))),
        });
    }
    sample.latency = Some(latency(&histogram));
    sample.beside = beside.then(|| Beside {
        what: Neighbour::Flood,
        peers: 1,
        size: SIZE,
        per_s: 52_000.0 / machine,
        latency: None,
    });
    sample.harness_ns = Some(38.0 * noise(random, 0.05));
    let dials = if kind == "zmq" && (4..=64).contains(&peers) {
        1.6
    } else if kind == "zmq" {
        0.6
    } else {
        1.0
    };
    sample.connect_ns = (sample.connect_ns as f64 * dials) as u64;
    inside(random, &mut sample, median);
    sample
}

/// What only the messengers of the suite tell of themselves. Allocations and stages are extra passes of the last round.
fn inside(random: &mut fastrand::Rng, sample: &mut Sample, median_ns: f64) {
    if !matches!(sample.messenger.as_str(), "simple" | "async") {
        sample.allocations = None;
        return;
    }
    let (reads, waits, wakes) = if sample.messenger == "simple" { (1.0, 0.0, 1.0) } else { (0.8, 0.6, 0.1) };
    let of = |times: f64| (sample.messages as f64 * times) as u64;
    let counts = [
        ("msgr_recv_messages", of(1.0)),
        ("msgr_send_messages", of(1.0)),
        ("msgr_recv_bytes", of(4_150.0)),
        ("msgr_send_bytes", of(118.0)),
        ("msgr_read_calls", of(reads)),
        ("msgr_write_calls", of(reads)),
        ("msgr_wait_calls", of(waits)),
        ("msgr_wake_calls", of(wakes)),
    ];
    sample.server.counts = counts.map(|(name, count)| (name.to_string(), count)).into();
    if sample.round + 1 < ROUNDS {
        sample.allocations = None;
        return;
    }
    if let (Some(heap), true) = (&mut sample.allocations, sample.beside.is_some()) {
        // Those for the neighbour's messages are among them.
        heap.count *= 30;
        heap.bytes *= 30;
    }
    let mut stage = |part: f64| Some(latency(&drawn(random, part * median_ns, 0.3, DRAWN_BESIDE)));
    let read = stage(0.05);
    let simple = sample.messenger == "simple";
    sample.stages = Some(Stages {
        read,
        dispatched: stage(0.03),
        queued: stage(0.02),
        woken: if simple { stage(0.2) } else { None },
        written: stage(0.1),
        round_trip: stage(1.01),
    });
}
