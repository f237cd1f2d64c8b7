//! The command lines of the trials.

use std::time::Duration;

use clap::Args;

use super::abuse::Abuse;
use crate::kinds::Kind;
use crate::parse::{self, Setting};

/// Most messages of a soak: some hours.
const MESSAGES_MAX: u64 = 1_000_000_000;

/// Most peers that bind: their ports follow one another.
const BOUND_PEERS_MAX: u32 = 1_000;

/// Most kills: a day.
const KILLS_MAX: u32 = 100_000;

/// What every trial takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Messengers to try
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', default_value = "simple,async", value_parser = Kind::parse_on_tcp)]
    pub(crate) messengers: Vec<Kind>,
    /// Seed of everything that is drawn at random [default: random, printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Option of the messengers on both sides; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
}

impl Common {
    /// The seed given, or one to print.
    pub(crate) fn seed(&self) -> u64 {
        // Short enough to be typed again.
        self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32))
    }

    /// The trial's own options, and after them those given, which win.
    pub(crate) fn options(&self, own: &[(&str, String)]) -> Vec<(String, String)> {
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        own.chain(self.set.iter().map(|set| (set.name.clone(), set.value.clone()))).collect()
    }
}

/// `msgr-bench soak`.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Requests that are sent while sockets fail, and as many echoes
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = messages)]
    pub(crate) messages: u64,
    /// Peers, each a messenger of its own with one connection
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = parse::peers)]
    pub(crate) peers: u32,
    /// Requests in flight for each peer: with fewer, more reads and writes are made, and more of them fail
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = parse::in_flight)]
    pub(crate) depth: u32,
    /// One in so many reads and writes of either side shuts its socket down
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) fail_one_in: u64,
    /// Failures that both sides together must have met for the trial to count
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) failures: u64,
    /// Parts that the messages are sent in, each in fresh processes, with as many without failures in between
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = parse::rounds)]
    pub(crate) rounds: u32,
}

fn messages(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ 1..=MESSAGES_MAX) => Ok(count),
        _ => Err(format!("takes a number of messages from 1 to {MESSAGES_MAX}")),
    }
}

/// `msgr-bench kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Kills for each messenger, of the server and of the clients in equal parts, over all policies
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = kills)]
    pub(crate) kills: u32,
    /// Peers, each a messenger of its own with one connection, all in the process of the clients
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = few_peers)]
    pub(crate) peers: u32,
}

fn few_peers(text: &str) -> Result<u32, String> {
    parse::peers(text)
        .ok()
        .filter(|peers| *peers <= BOUND_PEERS_MAX)
        .ok_or_else(|| format!("takes a number of peers from 1 to {BOUND_PEERS_MAX}, each with a port of its own"))
}

fn kills(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=KILLS_MAX) => Ok(count),
        _ => Err(format!("takes a number of kills from 1 to {KILLS_MAX}")),
    }
}

/// `msgr-bench abuse`.
#[derive(Debug, Args)]
pub(crate) struct AbuseArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Kinds of abuse [default: all of them]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = Abuse::parse)]
    pub(crate) abuse: Vec<Abuse>,
    /// Connections of strangers in each phase
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = parse::peers)]
    pub(crate) connections: u32,
    /// How long each phase lasts: strangers come in the first half of it, and a handshake may take 5/8 of it
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = parse::measured_duration)]
    pub(crate) duration: Duration,
    /// Runs of each phase, with as many runs of its control in between
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = parse::rounds)]
    pub(crate) rounds: u32,
    /// How many times the p99 of the control that of the good peers may be, in the median round
    #[arg(long, value_name = "RATIO", default_value_t = 2.0)]
    pub(crate) p99_at_most: f64,
}

/// `msgr-bench leaks`.
#[derive(Debug, Args)]
pub(crate) struct LeaksArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections that are made and end, after some that are not counted
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = messages)]
    pub(crate) connects: u64,
    /// How far the server's memory may have grown at the end
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse::size)]
    pub(crate) growth: u64,
}
