//! The made-up machine that both records ran on, and what a sample on it looks like.

use hdrhistogram::Histogram;
use msgr_reports::record::{Allocations, Environment, Latency, Limit, Probe, Sample, Workload};

/// Histograms of two digits keep a record with hundreds of samples small.
const DIGITS: u8 = 2;

/// The machine.
pub(crate) fn environment() -> Environment {
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
        ..Environment::default()
    }
}

/// What a messenger costs at a peer count on this made-up machine.
pub(crate) struct Cost {
    pub(crate) threads: u64,
    /// Resident set, bytes.
    pub(crate) rss: f64,
    /// Median round trip.
    pub(crate) median_ns: f64,
    /// Spread of the logarithm of the round trips.
    pub(crate) sigma: f64,
    /// CPU time of the side under test for each message.
    pub(crate) cpu_us: f64,
    /// Context switches for each message.
    pub(crate) switches: f64,
}

/// A factor around 1, off by `share` at most.
pub(crate) fn noise(random: &mut fastrand::Rng, share: f64) -> f64 {
    1.0 - share + 2.0 * share * random.f64()
}

/// A sample of a ping-pong without its latency: what it costs at `peers`.
pub(crate) fn sample(
    random: &mut fastrand::Rng,
    round: u32,
    kind: &str,
    peers: u32,
    messages: u64,
    cost: &Cost,
) -> Sample {
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

/// Round trips around a median, a few of them much slower.
pub(crate) fn drawn(random: &mut fastrand::Rng, median_ns: f64, sigma: f64, count: u64) -> Histogram<u64> {
    let mut histogram = Histogram::new(DIGITS).expect("two digits are allowed");
    for _ in 0..count {
        let slow = if random.u32(0..400) == 0 { 4.0 + 8.0 * random.f64() } else { 1.0 };
        let ns = median_ns * (sigma * normal(random)).exp() * slow;
        histogram.record(ns as u64).expect("the histogram resizes itself");
    }
    histogram
}

/// A histogram as a record keeps it.
pub(crate) fn latency(histogram: &Histogram<u64>) -> Latency {
    Latency::from_histogram(histogram).expect("the histogram is small")
}

/// A standard normal variate, as the sum of twelve uniform ones.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}
