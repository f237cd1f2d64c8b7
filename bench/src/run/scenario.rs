//! Scenarios: what to measure, as a file. Names, units and values are those of the command line's options.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use msgr_reports::record::{Measure, Neighbour, Workload};
use serde::Deserialize;

use super::measures::{self, ACTIVE};
use crate::kinds::Kind;
use crate::parse::{self, Setting};
use crate::wire::REPLY_BYTES;

/// The scenario of a run that is told nothing else.
pub(super) const DEFAULT: &str = "default";

/// The scenarios of this program, by name.
const SHIPPED: [(&str, &str); 9] = [
    (DEFAULT, include_str!("../../scenarios/default.toml")),
    ("latency", include_str!("../../scenarios/latency.toml")),
    ("peers", include_str!("../../scenarios/peers.toml")),
    ("sizes", include_str!("../../scenarios/sizes.toml")),
    ("fan-in", include_str!("../../scenarios/fan-in.toml")),
    ("noisy-neighbour", include_str!("../../scenarios/noisy-neighbour.toml")),
    ("slow-reader", include_str!("../../scenarios/slow-reader.toml")),
    ("connect-storm", include_str!("../../scenarios/connect-storm.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
];

/// Longest scenario file: some thousand lines, more than anybody writes.
const FILE_MAX: u64 = 256 << 10;

/// Most measures of one scenario: the page has a section for each.
const MEASURES_MAX: usize = 64;

/// What to measure.
#[derive(Debug)]
pub(super) struct Scenario {
    /// Its name: that of a shipped one, or of its file.
    pub(super) name: String,
    pub(super) messengers: Vec<Kind>,
    /// What is measured beside them, such as further floors.
    pub(super) references: Vec<Kind>,
    pub(super) rounds: Option<u32>,
    pub(super) duration: Option<Duration>,
    pub(super) warmup: Option<Duration>,
    pub(super) set: Vec<Setting>,
    pub(super) measures: Vec<Measure>,
}

/// A value as it would stand on the command line: TOML's strings and numbers alike.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    about: String,
    #[serde(default)]
    messengers: Vec<Value>,
    #[serde(default)]
    references: Vec<Value>,
    rounds: Option<Value>,
    duration: Option<Value>,
    warmup: Option<Value>,
    #[serde(default)]
    set: Vec<Value>,
    measure: Vec<Table>,
}

/// One `[[measure]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    name: Option<String>,
    workload: Value,
    peers: Vec<Value>,
    sizes: Vec<Value>,
    reply: Option<Value>,
    depth: Option<Value>,
    active: Option<Value>,
    rate: Option<Value>,
    #[serde(default)]
    share: Vec<Value>,
    beside: Option<Value>,
    beside_peers: Option<Value>,
    beside_size: Option<Value>,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Whole(number) => number.fmt(f),
            Value::Number(number) => number.fmt(f),
        }
    }
}

impl Scenario {
    /// The scenario called `name`, or in the file of that path.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be understood; the message says where, and what would be right.
    pub(super) fn find(name: &str) -> anyhow::Result<Scenario> {
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Scenario::parse(name, text);
        }
        let path = Path::new(name);
        if !name.contains('/') && path.extension().is_none_or(|extension| extension != "toml") {
            bail!("there is no scenario {name:?}; take one of these, or the path of a file like them:\n{}", list()?);
        }
        let length = std::fs::metadata(path).with_context(|| format!("cannot read the scenario {name}"))?.len();
        if length > FILE_MAX {
            bail!("{name} has {length} bytes: a scenario has at most {FILE_MAX}");
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the scenario {name}"))?;
        let stem = path.file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
        Scenario::parse(&stem, &text).with_context(|| format!("the scenario {name} cannot be understood"))
    }

    fn parse(name: &str, text: &str) -> anyhow::Result<Scenario> {
        let file: File = toml::from_str(text)?;
        let count = file.measure.len();
        if !(1..=MEASURES_MAX).contains(&count) {
            bail!("it has {count} [[measure]] tables; a scenario has 1 to {MEASURES_MAX}");
        }
        let mut measures = Vec::new();
        for (number, table) in file.measure.iter().enumerate() {
            measures.push(table.measure().with_context(|| format!("[[measure]] {}", number + 1))?);
        }
        Ok(Scenario {
            name: name.into(),
            messengers: all("messengers", &file.messengers, Kind::parse)?,
            references: all("references", &file.references, Kind::parse)?,
            rounds: one("rounds", file.rounds.as_ref(), parse::rounds)?,
            duration: one("duration", file.duration.as_ref(), parse::measured_duration)?,
            warmup: one("warmup", file.warmup.as_ref(), parse::duration)?,
            set: all("set", &file.set, parse::setting)?,
            measures: measures::with_ceilings(measures),
        })
    }
}

impl Table {
    fn measure(&self) -> anyhow::Result<Measure> {
        let workload = parse::workload(&self.workload.to_string()).map_err(|error| anyhow!("workload: {error}"))?;
        let rate = one("rate", self.rate.as_ref(), parse::rate)?;
        let open = workload == Workload::UnderLoad;
        match (open, rate.is_some(), !self.share.is_empty()) {
            (true, true, false) | (true, false, true) | (false, false, false) => {}
            (true, ..) => bail!("an open loop (under-load) takes either a rate or shares of the ceiling"),
            (false, ..) => bail!("rate and share are for the workload under-load"),
        }
        let beside = one("beside", self.beside.as_ref(), parse::neighbour)?;
        if beside.is_none() && (self.beside_peers.is_some() || self.beside_size.is_some()) {
            bail!("beside-peers and beside-size say more of a neighbour: name it with beside");
        }
        let measure = Measure {
            name: self.name.clone(),
            workload,
            peers: all("peers", &self.peers, parse::peers)?,
            sizes: all("sizes", &self.sizes, parse::size)?,
            reply: one("reply", self.reply.as_ref(), parse::size)?.unwrap_or(REPLY_BYTES),
            depth: one("depth", self.depth.as_ref(), parse::in_flight)?,
            active: one("active", self.active.as_ref(), parse::in_flight)?.unwrap_or(ACTIVE),
            rate,
            shares: all("share", &self.share, parse::share)?,
            ceiling: None,
            beside,
            beside_peers: one("beside-peers", self.beside_peers.as_ref(), parse::peers)?.or(beside.map(|_| 1)),
            beside_size: one("beside-size", self.beside_size.as_ref(), parse::size)?.or_else(|| beside.map(usual_size)),
        };
        if measure.peers.is_empty() || measure.sizes.is_empty() {
            bail!("peers and sizes name at least one value each, such as peers = [1, 16] and sizes = [\"4KiB\"]");
        }
        Ok(measure)
    }
}

/// Payload bytes of a neighbour's messages, unless told otherwise.
fn usual_size(what: Neighbour) -> u64 {
    match what {
        Neighbour::Flood => 4 << 10,
        Neighbour::SlowReader | Neighbour::Connects => 64,
        Neighbour::Bulk => 64 << 10,
    }
}

/// Every value of a list, each once.
fn all<T: Clone + PartialEq>(
    name: &str,
    values: &[Value],
    parse: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<Vec<T>> {
    let one = |value: &Value| parse(&value.to_string()).map_err(|error| anyhow!("{name}: {value} {error}"));
    let values: Vec<T> = values.iter().map(one).collect::<Result<_, _>>()?;
    Ok(measures::unique(&values))
}

/// A value that may be missing.
fn one<T>(name: &str, value: Option<&Value>, parse: impl Fn(&str) -> Result<T, String>) -> anyhow::Result<Option<T>> {
    let one = |value: &Value| parse(&value.to_string()).map_err(|error| anyhow!("{name}: {value} {error}"));
    value.map(one).transpose()
}

/// The shipped scenarios and what each is about, a line each.
///
/// # Errors
///
/// Never: a test parses them all.
fn list() -> anyhow::Result<String> {
    let line = |(name, text): &(&str, &str)| Ok(format!("  {name:<16} {}", toml::from_str::<File>(text)?.about));
    let lines: anyhow::Result<Vec<String>> = SHIPPED.iter().map(line).collect();
    Ok(lines?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Scenario::parse("test", text).expect_err("it is wrong"))
    }

    #[test]
    fn every_shipped_scenario_is_understood_and_says_what_it_is_about() {
        for (name, _) in SHIPPED {
            let scenario = Scenario::find(name).unwrap();
            assert!(!scenario.measures.is_empty(), "{name}");
        }
        assert_eq!(list().unwrap().lines().count(), SHIPPED.len());
    }

    #[test]
    fn shares_are_measured_after_their_ceiling() {
        let text =
            "about = \"\"\n[[measure]]\nworkload = \"under-load\"\npeers = [16]\nsizes = [64]\nshare = [50, \"90\"]";
        let measures = Scenario::parse("test", text).unwrap().measures;
        assert_eq!((measures[0].workload, measures[0].depth), (Workload::PingPong, Some(ACTIVE)));
        assert_eq!((measures[1].ceiling, measures[1].shares.as_slice()), (Some(0), [50, 90].as_slice()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let measure = "about = \"\"\n[[measure]]\nworkload = \"ping-pong\"\npeers = [1]\n";
        assert!(
            error(&format!("{measure}sizes = [\"4 parsecs\"]"))
                .contains("[[measure]] 1: sizes: 4 parsecs takes a whole")
        );
        assert!(error(&format!("{measure}sizes = [64]\npeer = 3")).contains("unknown field `peer`"));
        assert!(error(&format!("{measure}sizes = [64]\nrate = 5000")).contains("rate and share are for"));
        assert!(error(&format!("{measure}sizes = [64]\nbeside-size = 64")).contains("name it with beside"));
        assert!(error(&format!("{measure}sizes = []")).contains("at least one value"));
        assert!(error("about = \"\"\nmeasure = []").contains("0 [[measure]] tables"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = Scenario::find("latencies").expect_err("no such scenario").to_string();
        assert!(error.contains("noisy-neighbour") && error.contains("path of a file"), "{error}");
        assert!(Scenario::find("no/such.toml").is_err());
    }
}
