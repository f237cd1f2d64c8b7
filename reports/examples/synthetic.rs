//! Writes a made-up run and its page, to look at the page without measuring:
//! `cargo run -p msgr-reports --example synthetic -- DIR` writes DIR/run.json and DIR/index.html.
//!
//! The same seed gives the same record, byte for byte; `reports/tests/fixtures/run.v1.json` was made this way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hdrhistogram::Histogram;
use msgr_reports::record::{
    Allocations, Environment, Latency, Limit, Plan, Probe, Run, SCHEMA, Sample, Warning, Workload,
};

const SEED: u64 = 0x6d73_6772;
/// Histograms of two digits keep a record with dozens of samples small.
const DIGITS: u8 = 2;
/// Round trips drawn per sample; enough for a p99.9.
const DRAWN: u64 = 40_000;
const PEERS: [u32; 6] = [1, 4, 16, 64, 256, 1024];
const KINDS: [&str; 3] = ["simple", "async", "tcp"];
const ROUNDS: u32 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: synthetic DIR")?;
    std::fs::create_dir_all(&dir)?;
    let run = run();
    run.save(&dir.join("run.json"))?;
    let page = msgr_reports::page::write_page(&run, &dir)?;
    println!("{}", page.display());
    Ok(())
}

/// Ping-pong of 4 KiB and a stream of 64 KiB, both messengers and the floor, six peer counts, three rounds.
fn run() -> Run {
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
        environment: environment(),
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

fn environment() -> Environment {
    let limit = |name: &str, value, source: &str| Limit { name: name.to_string(), value, source: source.to_string() };
    Environment {
        cpu_model: "AMD EPYC 7763 64-Core Processor".to_string(),
        cpus: 2,
        memory: 8_322_547_712,
        kernel: "Linux 6.12.48".to_string(),
        virtualised: true,
        governor: None,
        load_before: 0.31,
        load_after: 1.92,
        steal: 0.006,
        rustc: "rustc 1.95.0".to_string(),
        git: Some("4f0c2d9".to_string()),
        release: true,
        limits: vec![
            limit("nofile", 1_048_576, "RLIMIT_NOFILE, hard; raise it in /etc/security/limits.conf"),
            limit("pid_max", 32_768, "kernel.pid_max; raise it with sysctl"),
        ],
    }
}

/// What a messenger costs at a peer count on this made-up machine.
struct Cost {
    threads: u64,
    rss: f64,
    median_ns: f64,
    /// Spread of the logarithm of the round trips.
    sigma: f64,
    cpu_us: f64,
    switches: f64,
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

fn noise(random: &mut fastrand::Rng, share: f64) -> f64 {
    1.0 - share + 2.0 * share * random.f64()
}

fn ping_pong(random: &mut fastrand::Rng, machine: f64, round: u32, kind: &str, size: u64, peers: u32) -> Sample {
    let cost = cost(kind, peers);
    let median = cost.median_ns * machine * noise(random, 0.03);
    let mut histogram = Histogram::new(DIGITS).expect("two digits are allowed");
    for _ in 0..DRAWN {
        let slow = if random.u32(0..400) == 0 { 4.0 + 8.0 * random.f64() } else { 1.0 };
        let ns = median * (cost.sigma * normal(random)).exp() * slow;
        histogram.record(ns as u64).expect("the histogram resizes itself");
    }
    let in_flight = if peers == 1 { 1 } else { 16 };
    let elapsed_ns = (histogram.mean() * DRAWN as f64 / f64::from(in_flight)) as u64;
    let load_messenger = if peers == 1 || kind == "tcp" { kind } else { "async" };
    let mut sample = sample(random, round, kind, peers, DRAWN, &cost);
    sample.load_messenger = load_messenger.to_string();
    sample.in_flight = in_flight;
    sample.size = size;
    sample.elapsed_ns = elapsed_ns;
    sample.bytes = DRAWN * size;
    sample.latency = Some(Latency::from_histogram(&histogram).expect("the histogram is small"));
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
    let mut sample = sample(random, round, kind, peers, messages, &cost);
    sample.workload = Workload::Stream;
    sample.size = size;
    sample.in_flight = 64;
    sample.bytes = messages * size;
    sample
}

fn sample(random: &mut fastrand::Rng, round: u32, kind: &str, peers: u32, messages: u64, cost: &Cost) -> Sample {
    let n = messages as f64;
    let cpu = cost.cpu_us * n * noise(random, 0.04);
    let switches = cost.switches * n * noise(random, 0.03);
    let names: &[(&str, u64)] = match kind {
        "simple" => &[("ms_pipe_read", 1), ("ms_pipe_write", 1), ("ms_accepter", 0), ("ms_reaper", 0)],
        "async" => &[("msgr-worker-0", 0), ("msgr-worker-1", 0), ("msgr-worker-2", 0)],
        _ => &[],
    };
    let named = |(name, a_peer): &(&str, u64)| ((*name).to_string(), (a_peer * u64::from(peers)).max(1));
    let allocations = match kind {
        "simple" => Some(Allocations { count: messages * 3, bytes: messages * 4_300, messages }),
        "async" => Some(Allocations { count: messages / 40, bytes: messages * 110, messages }),
        _ => None,
    };
    Sample {
        round,
        measure: 0,
        messenger: kind.to_string(),
        load_messenger: kind.to_string(),
        workload: Workload::PingPong,
        size: 0,
        peers,
        in_flight: 1,
        elapsed_ns: 2_000_000_000,
        messages,
        bytes: 0,
        latency: None,
        open_loop: None,
        beside: None,
        harness_ns: None,
        connect_ns: (120_000.0 * f64::from(peers).powf(0.97) * noise(random, 0.1)) as u64,
        server: Probe {
            threads: cost.threads,
            rss_before: 3_000_000,
            rss: (cost.rss * noise(random, 0.004)) as u64,
            cpu_user_us: (cpu * 0.35) as u64,
            cpu_sys_us: (cpu * 0.65) as u64,
            ctx_voluntary: switches as u64,
            ctx_involuntary: (switches * 0.03) as u64,
            threads_by_name: names.iter().map(named).collect(),
            ..Probe::default()
        },
        load: Probe {
            threads: 6,
            rss_before: 3_000_000,
            rss: 6_000_000,
            cpu_user_us: (cpu * 0.5) as u64,
            cpu_sys_us: (cpu * 0.6) as u64,
            ..Probe::default()
        },
        stages: None,
        allocations,
    }
}

/// A standard normal variate, as the sum of twelve uniform ones.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}
