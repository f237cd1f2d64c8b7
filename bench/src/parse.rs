//! Values of the command line. Each error says what the value should look like.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::bail;
use msgr::{Config, parse_size};
use msgr_reports::record::{Neighbour, Workload};

/// Longest measured time. The control connection outlives it (see [`crate::control`]).
const DURATION_MAX: Duration = Duration::from_secs(30 * 60);

/// Largest payload: what a messenger accepts by default (`ms_max_data_bytes`).
pub(crate) const SIZE_MAX: u64 = 256 << 20;

/// Most peers of one process: all ports there are. What the host allows is usually less, see [`crate::host`].
const PEERS_MAX: u32 = 65_535;

/// Most requests in flight, and the largest window: the latency table has one slot for each.
pub(crate) const IN_FLIGHT_MAX: u32 = 65_536;

/// Lowest rate under load: a sample of seconds has something to say.
const RATE_MIN: f64 = 1.0;
/// Highest: a request every 100 ns is more than one thread can send.
const RATE_MAX: f64 = 1e7;

/// Largest slow-down to inject, percent: ten times is beyond doubt.
const SLOWDOWN_MAX: f64 = 1000.0;

/// Largest share of the ceiling, percent: overload can be asked for, and twice is enough of it.
const SHARE_MAX: u32 = 200;

/// A duration such as `2s`, `500ms` or `1m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err("takes a number and a unit, such as 2s, 500ms or 1m".into()),
    };
    let seconds = number.parse::<f64>().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds * scale).ok());
    match duration {
        Some(duration) if duration <= DURATION_MAX => Ok(duration),
        Some(_) => Err(format!("is too long: at most {} minutes", DURATION_MAX.as_secs() / 60)),
        None => Err("takes a number and a unit, such as 2s, 500ms or 1m".into()),
    }
}

/// A duration that is not zero.
pub(crate) fn measured_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing, such as 2s".into()),
        duration => Ok(duration),
    }
}

/// A payload size such as `64`, `4KiB` or `1m`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(size @ 1..=SIZE_MAX) => Ok(size),
        Some(_) => Err(format!("payloads go from 1 byte to {} MiB", SIZE_MAX >> 20)),
        None => Err("takes a whole number of bytes, with an optional suffix KiB, MiB or GiB, such as 4KiB".into()),
    }
}

/// A number of peers.
pub(crate) fn peers(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(peers @ 1..=PEERS_MAX) => Ok(peers),
        _ => Err(format!("takes a number of peers from 1 to {PEERS_MAX}")),
    }
}

/// A number of requests in flight, or a window.
pub(crate) fn in_flight(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=IN_FLIGHT_MAX) => Ok(count),
        _ => Err(format!("takes a number from 1 to {IN_FLIGHT_MAX}")),
    }
}

/// An address and port, by number or by name.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "takes an address and a port, such as 127.0.0.1:6800, [::1]:6800 or host:6800";
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{wanted} ({error})"))?;
    addresses.next().ok_or_else(|| format!("{wanted}; this name has no address"))
}

/// A number of rounds.
pub(crate) fn rounds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(rounds @ 1..=1000) => Ok(rounds),
        _ => Err("takes a number from 1 to 1000".into()),
    }
}

/// A stall of the side under test, to see who notices: every so often it answers nothing for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// How long.
    pub(crate) length: Duration,
    /// From the beginning of one to that of the next.
    pub(crate) every: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us/{}us", self.length.as_micros(), self.every.as_micros())
    }
}

/// A workload by its name in records.
pub(crate) fn workload(text: &str) -> Result<Workload, String> {
    match text {
        "ping-pong" => Ok(Workload::PingPong),
        "under-load" => Ok(Workload::UnderLoad),
        "stream" => Ok(Workload::Stream),
        _ => Err("takes ping-pong, under-load or stream".into()),
    }
}

/// Requests a second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "takes requests a second, such as 5000")?;
    if (RATE_MIN..=RATE_MAX).contains(&rate) {
        Ok(rate)
    } else {
        Err(format!("takes {RATE_MIN} to {RATE_MAX} requests a second"))
    }
}

/// A share of the ceiling, in percent: beyond it a queue grows for as long as one measures, which is not compared.
pub(crate) fn share(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(percent @ 1..=SHARE_MAX) => Ok(percent),
        _ => Err(format!("takes percent of the ceiling from 1 to {SHARE_MAX}, such as 50")),
    }
}

/// A slow-down, such as `10%`.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match number {
        Some(percent) if percent > 0.0 && percent <= SLOWDOWN_MAX => Ok(percent),
        _ => Err(format!("takes percent above 0 and up to {SLOWDOWN_MAX}, such as 10%")),
    }
}

/// A neighbour by its name in records.
pub(crate) fn neighbour(text: &str) -> Result<Neighbour, String> {
    let all = [Neighbour::Flood, Neighbour::SlowReader, Neighbour::Connects, Neighbour::Bulk];
    let found = all.into_iter().find(|what| neighbour_name(*what) == text);
    found.ok_or_else(|| "takes flood, slow-reader, connects or bulk".into())
}

/// The name of a neighbour in records and scenarios.
pub(crate) fn neighbour_name(what: Neighbour) -> &'static str {
    match what {
        Neighbour::Flood => "flood",
        Neighbour::SlowReader => "slow-reader",
        Neighbour::Connects => "connects",
        Neighbour::Bulk => "bulk",
    }
}

/// Whether a rate is given with under-load, and with nothing else.
///
/// # Errors
///
/// When it is not; the message says what to do.
pub(crate) fn check_rate(workloads: &[Workload], rate: Option<f64>) -> anyhow::Result<()> {
    match (workloads.contains(&Workload::UnderLoad), rate.is_some()) {
        (true, false) => bail!(
            "--workload under-load sends at a fixed rate: give it with --rate, such as half of what a ping-pong reaches"
        ),
        (false, true) => bail!("--rate is for --workload under-load: the others send as fast as they are answered"),
        (true, true) | (false, false) => Ok(()),
    }
}

/// A stall: how long, and how often, such as `100ms/1s`.
pub(crate) fn stall(text: &str) -> Result<Stall, String> {
    let (length, every) = text.split_once('/').ok_or("takes a length and how often, such as 100ms/1s")?;
    let stall = Stall { length: measured_duration(length)?, every: measured_duration(every)? };
    if stall.length < stall.every { Ok(stall) } else { Err("a stall must be shorter than the time between two".into()) }
}

/// The name of a workload in records and on the command line.
pub(crate) fn workload_name(workload: Workload) -> &'static str {
    match workload {
        Workload::PingPong => "ping-pong",
        Workload::UnderLoad => "under-load",
        Workload::Stream => "stream",
    }
}

/// An option of the messengers, checked: the name exists and takes the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its `ms_*` name.
    pub(crate) name: String,
    /// Its value as given.
    pub(crate) value: String,
}

/// `ms_option=value`.
pub(crate) fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("takes an option and a value, such as ms_crc_data=false")?;
    Config::default().set(name, value).map_err(|error| error.to_string())?;
    Ok(Setting { name: name.trim().to_owned(), value: value.trim().to_owned() })
}

/// Default options with `settings` applied.
///
/// # Errors
///
/// Never for settings that [`setting`] has passed.
pub(crate) fn config(settings: &[Setting]) -> anyhow::Result<Config> {
    let mut config = Config::default();
    for Setting { name, value } in settings {
        config.set(name, value)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_a_unit() {
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0.5m"), Ok(Duration::from_secs(30)));
        for bad in ["", "2", "s", "2 s", "-1s", "1h", "1.2.3s", "2e9s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("31m").is_err_and(|error| error.contains("30 minutes")));
        assert!(measured_duration("0s").is_err());
    }

    #[test]
    fn sizes_are_bounded_by_what_a_messenger_accepts() {
        assert_eq!(size("4KiB"), Ok(4096));
        assert_eq!(size("256MiB"), Ok(SIZE_MAX));
        for bad in ["0", "257MiB", "4 parsecs", ""] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_option_names_the_nearest() {
        let error = setting("ms_crc_dta=1").expect_err("no such option");
        assert!(error.contains("did you mean ms_crc_data?"), "{error}");
        assert!(setting("ms_crc_data").is_err());
        assert!(setting("ms_crc_data=maybe").is_err());
    }
}
