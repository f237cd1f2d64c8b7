//! A run of older days: one ping-pong and one stream, three rounds; `reports/tests/fixtures/run.v1.json` was made this way, by a
//! program that did not yet number its measures.

use std::collections::BTreeMap;

use msgr_reports::record::{Plan, Run, SCHEMA, Sample, Warning, Workload};

use crate::machine::{self, Cost, noise};

const SEED: u64 = 0x6d73_6772;
/// Round trips drawn per sample; enough for a p99.9.
const DRAWN: u64 = 40_000;
const PEERS: [u32; 6] = [1, 4, 16, 64, 256, 1024];
const KINDS: [&str; 3] = ["simple", "async", "tcp"];
const ROUNDS: u32 = 3;

/// Ping-pong of 4 KiB and a stream of 64 KiB, both messengers and the floor, six peer counts, three rounds.
pub(crate) fn run() -> Run {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut samples = Vec::new();
    for round in 0..ROUNDS {
        // Each round runs on a machine that is a little faster or slower.
        let machine = 0.93 + 0.14 * random.f64();
        let mut points: Vec<(Workload, u64, u32, &str)> = Vec::new();
        for kind in KINDS {
            points.extend(PEERS.map(|peers| (Workload::PingPong, 4096, peers, kind)));
            points.push((Workload::Stream, 65_536, 1, kind));
        }
        random.shuffle(&mut points);
        for (workload, size, peers, kind) in points {
            let of = if workload == Workload::Stream { stream } else { ping_pong };
            samples.push(of(&mut random, machine, round, kind, size, peers));
        }
    }
    Run {
        schema: SCHEMA.to_string(),
        tool_version: "0.1.0".to_string(),
        started: "2026-11-22T15:42:10Z".to_string(),
        elapsed_s: 171.3,
        partial: false,
        command: ["msgr-bench", "run", "--peers", "1,4,16,64,256,1024", "--rounds", "3"].map(String::from).to_vec(),
        plan: plan(),
        environment: machine::environment(),
        warnings: vec![Warning {
            kind: "port-range".to_string(),
            text: "The local port range holds 28,232 ports; beyond that many connections from one address a dial \
                   fails. Widen net.ipv4.ip_local_port_range for larger sweeps."
                .to_string(),
        }],
        samples,
    }
}

fn plan() -> Plan {
    Plan {
        messengers: vec!["simple".to_string(), "async".to_string()],
        peers: PEERS.to_vec(),
        sizes: vec![4096],
        workloads: vec![Workload::PingPong],
        depth: 1,
        active: 16,
        load_messenger: "async".to_string(),
        pin: "none".to_string(),
        duration_ms: 2_000,
        warmup_ms: 500,
        rounds: ROUNDS,
        seed: SEED,
        reply: None,
        rate: None,
        stall: None,
        scenario: None,
        measures: Vec::new(),
        options: BTreeMap::from([("ms_async_op_threads".to_string(), "3".to_string())]),
        load_options: BTreeMap::new(),
    }
}

fn cost(kind: &str, peers: u32) -> Cost {
    let n = f64::from(peers);
    let busy = if peers == 1 { 1.0 } else { 5.2 };
    match kind {
        "simple" => Cost {
            threads: 2 * u64::from(peers) + 4,
            rss: 3.4e6 + 24_700.0 * n,
            median_ns: 61_000.0 * busy * (1.0 + 0.09 * n.ln()),
            sigma: 0.34 + 0.02 * n.ln(),
            cpu_us: 21.0 * (1.0 + 0.05 * n.ln()),
            switches: 4.1,
        },
        "async" => Cost {
            threads: 8,
            rss: 3.9e6 + 2_050.0 * n,
            median_ns: 33_000.0 * busy * (1.0 + 0.02 * n.ln()),
            sigma: 0.25,
            cpu_us: 12.5 * (1.0 + 0.01 * n.ln()),
            switches: if peers == 1 { 2.1 } else { 0.9 },
        },
        _ => Cost {
            threads: 1,
            rss: 2.2e6 + 180.0 * n,
            median_ns: 27_000.0 * busy.min(3.9) * (1.0 + 0.012 * n.ln()),
            sigma: 0.2,
            cpu_us: 8.4,
            switches: if peers == 1 { 1.0 } else { 0.4 },
        },
    }
}

fn ping_pong(random: &mut fastrand::Rng, machine: f64, round: u32, kind: &str, size: u64, peers: u32) -> Sample {
    let cost = cost(kind, peers);
    let median = cost.median_ns * machine * noise(random, 0.03);
    let histogram = machine::drawn(random, median, cost.sigma, DRAWN);
    let in_flight = if peers == 1 { 1 } else { 16 };
    let elapsed_ns = (histogram.mean() * DRAWN as f64 / f64::from(in_flight)) as u64;
    let load_messenger = if peers == 1 || kind == "tcp" { kind } else { "async" };
    let mut sample = machine::sample(random, round, kind, peers, DRAWN, &cost);
    sample.load_messenger = load_messenger.to_string();
    sample.in_flight = in_flight;
    sample.size = size;
    sample.elapsed_ns = elapsed_ns;
    sample.bytes = DRAWN * size;
    sample.latency = Some(machine::latency(&histogram));
    sample
}

fn stream(random: &mut fastrand::Rng, machine: f64, round: u32, kind: &str, size: u64, peers: u32) -> Sample {
    let rate = match kind {
        "simple" => 41_000.0,
        "async" => 46_500.0,
        _ => 52_000.0,
    };
    let rate = rate / machine * noise(random, 0.02);
    let messages = (2.0 * rate) as u64;
    let cost = Cost { cpu_us: 1.6e6 / rate / 2.0, switches: 0.07, ..cost(kind, peers) };
    let mut sample = machine::sample(random, round, kind, peers, messages, &cost);
    sample.workload = Workload::Stream;
    sample.size = size;
    sample.in_flight = 64;
    sample.bytes = messages * size;
    sample
}
