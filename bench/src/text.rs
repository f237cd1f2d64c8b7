//! Figures as people read them.

use std::time::Duration;

use msgr_reports::record::{Sample, Workload};

/// One sample in one line.
pub(crate) fn headline(sample: &Sample) -> String {
    let what = what(&sample.messenger, sample.workload, sample.size, sample.peers);
    let rate = rate(messages_per_second(sample));
    match &sample.latency {
        Some(latency) => {
            format!("{what}  RTT p50 {}  p99 {}  {rate}", micros(latency.p50_ns), micros(latency.p99_ns))
        }
        None => format!("{what}  {rate}  {}", bandwidth(sample.bytes as f64 / seconds(sample))),
    }
}

/// What a sample measures, in columns.
pub(crate) fn what(kind: &str, workload: Workload, size: u64, peers: u32) -> String {
    let peers = if peers == 1 { "1 peer".into() } else { format!("{peers} peers") };
    format!("{kind:<7} {:<9} {:>8}  {peers:>10}", crate::parse::workload_name(workload), bytes(size))
}

/// Messages a second.
pub(crate) fn messages_per_second(sample: &Sample) -> f64 {
    sample.messages as f64 / seconds(sample)
}

fn seconds(sample: &Sample) -> f64 {
    sample.elapsed_ns.max(1) as f64 / 1e9
}

/// Nanoseconds in microseconds.
pub(crate) fn micros(ns: u64) -> String {
    format!("{:.1} us", ns as f64 / 1000.0)
}

/// A rate of messages.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", thousands(per_second.round() as u64))
}

/// A rate of bytes.
pub(crate) fn bandwidth(per_second: f64) -> String {
    format!("{:.0} MB/s", per_second / 1e6)
}

/// A size in the largest unit that divides it.
pub(crate) fn bytes(size: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size >= unit && size.is_multiple_of(unit) {
            return format!("{} {name}", size / unit);
        }
    }
    format!("{size} B")
}

/// A duration in minutes and seconds.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{:02}s", seconds / 60, seconds % 60) }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(64), "64 B");
        assert_eq!(bytes(4096), "4 KiB");
        assert_eq!(bytes(4097), "4097 B");
        assert_eq!(duration(Duration::from_millis(59_400)), "59s");
        assert_eq!(duration(Duration::from_secs(61)), "1m01s");
        assert_eq!(micros(12_345), "12.3 us");
    }
}
