//! What a schedule is played on: who is there, under which policies and options, and how rough the net is.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fastrand::Rng;
use msgr::wire::features;
use msgr::{Config, EntityName, EntityType, Policy, Throttle};

use crate::weather::{Climate, Lag};

/// Which policies meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// `lossless_peer` on all sides.
    Peers,
    /// `lossless_peer_reuse` on all sides.
    PeersReuse,
    /// The default policy on all sides.
    Default,
    /// `stateful_server` and `lossless_client`.
    Stateful,
    /// `stateless_server` and `lossy_client`.
    Stateless,
    /// `stateless_registered_server` and `lossy_client`.
    Registered,
    /// `stateless_server` and `lossless_client`, which turns lossy.
    TurnsLossy,
    /// `stateless_registered_server` and `lossless_client`, which turns lossy.
    TurnsLossyRegistered,
}

impl Pairing {
    fn choose(rng: &mut Rng) -> Pairing {
        match rng.u32(..100) {
            0..20 => Pairing::Peers,
            20..42 => Pairing::PeersReuse,
            42..55 => Pairing::Default,
            55..77 => Pairing::Stateful,
            77..83 => Pairing::Stateless,
            83..91 => Pairing::Registered,
            91..95 => Pairing::TurnsLossy,
            _ => Pairing::TurnsLossyRegistered,
        }
    }

    /// Whether the first place is the server of the others.
    pub(crate) fn has_server(self) -> bool {
        !matches!(self, Pairing::Peers | Pairing::PeersReuse | Pairing::Default)
    }

    /// Whether a fault may lose messages.
    pub(crate) fn is_lossy(self) -> bool {
        !matches!(self, Pairing::Peers | Pairing::PeersReuse | Pairing::Default | Pairing::Stateful)
    }

    fn policies(self) -> [Policy; 2] {
        match self {
            Pairing::Peers => [Policy::lossless_peer(), Policy::lossless_peer()],
            Pairing::PeersReuse => [Policy::lossless_peer_reuse(), Policy::lossless_peer_reuse()],
            Pairing::Default => [Policy::default(), Policy::default()],
            Pairing::Stateful => [Policy::stateful_server(), Policy::lossless_client()],
            Pairing::Stateless => [Policy::stateless_server(), Policy::lossy_client()],
            Pairing::Registered => [Policy::stateless_registered_server(), Policy::lossy_client()],
            Pairing::TurnsLossy => [Policy::stateless_server(), Policy::lossless_client()],
            Pairing::TurnsLossyRegistered => [Policy::stateless_registered_server(), Policy::lossless_client()],
        }
    }
}

/// What a place demands or lacks until it is restarted, so that it cannot open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It requires a feature that nobody has.
    Requires,
    /// Its protocol version is its own.
    Version,
}

/// Budgets of a policy's throttles.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budgets {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// One messenger.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: EntityName,
    pub(crate) address: SocketAddr,
    pub(crate) nonce: u32,
    pub(crate) policy: Policy,
    pub(crate) config: Config,
    pub(crate) misfit: Option<Misfit>,
    pub(crate) budgets: Budgets,
}

/// How an application behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Of a thousand messages, how many are answered from the callback.
    pub(crate) replies: u32,
    /// How many are kept for a while.
    pub(crate) keeps: u32,
    /// How many make the receiver mark the connection down from the callback.
    pub(crate) marks_down: u32,
    /// How many connection events make it send a message from the callback.
    pub(crate) eager: u32,
    /// Credentials are challenged.
    pub(crate) challenges: bool,
    /// How many of a thousand credentials are rejected.
    pub(crate) rejects: u32,
    /// Some messages are large.
    pub(crate) bulky: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) pairing: Pairing,
    pub(crate) places: Vec<Place>,
    /// Applications and machines do things that may lose messages: marking down, restarting.
    pub(crate) resets: bool,
    pub(crate) manners: Manners,
    pub(crate) climate: Climate,
}

/// A feature bit that no messenger here has.
pub(crate) const UNKNOWN_FEATURE: u64 = 1 << 62;

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

fn millis(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}

impl Setting {
    pub(crate) fn choose(rng: &mut Rng) -> Setting {
        let pairing = Pairing::choose(rng);
        let resets = chance(rng, 50);
        let count = if chance(rng, 80) { 2 } else { 3 };
        let policies = pairing.policies();
        let unbound = pairing.has_server() && chance(rng, 50);
        let mut config = config(rng);
        let mut places: Vec<Place> = (0..count)
            .map(|at| {
                let serves = pairing.has_server() && at == 0;
                let policy = policies[usize::from(!serves)].clone();
                let port = if unbound && !serves { 0 } else { 6800 };
                let kind = if pairing.has_server() && !serves { EntityType::CLIENT } else { EntityType::OSD };
                Place {
                    name: EntityName { kind, num: at as u64 },
                    address: SocketAddr::from((Ipv4Addr::new(10, 0, 0, at as u8 + 1), port)),
                    nonce: if port == 0 || chance(rng, 40) { rng.u32(..) } else { 0 },
                    policy,
                    config: config.clone(),
                    misfit: None,
                    budgets: Budgets::default(),
                }
            })
            .collect();
        features_of(rng, &mut places);
        throttles_of(rng, &mut places);
        if chance(rng, 4) {
            config.ms_crc_data = false;
            let at = rng.usize(..places.len());
            places[at].config.ms_crc_data = false;
        }
        if resets && chance(rng, 6) {
            let at = rng.usize(..places.len());
            places[at].misfit = Some(if rng.bool() { Misfit::Requires } else { Misfit::Version });
        }
        let manners = manners(rng, resets);
        let climate = climate(rng, manners.bulky);
        Setting { pairing, places, resets, manners, climate }
    }
}

/// Drops features the messenger acts on from one side or all.
fn features_of(rng: &mut Rng, places: &mut [Place]) {
    for bit in [features::RECONNECT_SEQ, features::MSG_AUTH, features::KEEPALIVE2] {
        let lacking = match rng.u32(..20) {
            0 => 0..places.len(),
            1 => 0..1,
            2 => 1..places.len(),
            _ => 0..0,
        };
        for place in &mut places[lacking] {
            place.policy.features_supported &= !bit;
        }
    }
}

fn throttles_of(rng: &mut Rng, places: &mut [Place]) {
    for place in places {
        if chance(rng, 10) {
            place.budgets.messages = rng.u64(1..=4);
        }
        if chance(rng, 10) {
            place.budgets.bytes = rng.u64(64..=8192);
        }
        if chance(rng, 10) {
            place.config.ms_dispatch_throttle_bytes = rng.u64(256..=8192);
        }
    }
}

fn config(rng: &mut Rng) -> Config {
    let mut config = Config { ms_inject_delay_max: Duration::ZERO, ..Config::default() };
    if chance(rng, 50) {
        config.ms_initial_backoff = millis(rng, 1, 500);
        config.ms_max_backoff = millis(rng, 100, 15_000);
    }
    if chance(rng, 30) {
        config.ms_connection_ready_timeout = millis(rng, 500, 10_000);
    }
    if chance(rng, 10) {
        config.ms_connection_idle_timeout = millis(rng, 2_000, 20_000);
    }
    if chance(rng, 5) {
        config.ms_inject_socket_failures = rng.u64(30..=500);
    }
    if chance(rng, 6) {
        config.ms_inject_delay_type = "osd client".into();
        config.ms_inject_delay_probability = 0.2;
        config.ms_inject_delay_max = millis(rng, 1, 2_000);
    }
    if chance(rng, 5) {
        // A handshake has several steps, and each is held up.
        let longest = config.ms_connection_ready_timeout.as_millis() as u64 / 40;
        config.ms_inject_internal_delays = millis(rng, 1, longest);
    }
    config
}

fn manners(rng: &mut Rng, resets: bool) -> Manners {
    Manners {
        replies: if chance(rng, 70) { 300 } else { 0 },
        keeps: if chance(rng, 30) { 200 } else { 0 },
        marks_down: if resets && chance(rng, 20) { 20 } else { 0 },
        eager: if chance(rng, 40) { 200 } else { 0 },
        challenges: chance(rng, 8),
        rejects: if chance(rng, 8) { 400 } else { 0 },
        bulky: chance(rng, 8),
    }
}

fn lag(rng: &mut Rng, percent: u32, most: u32, longest_ms: u64) -> Lag {
    if !chance(rng, percent) {
        return Lag::default();
    }
    Lag { chance: rng.u32(1..=most), longest: millis(rng, 1, longest_ms) }
}

fn climate(rng: &mut Rng, bulky: bool) -> Climate {
    let split = |rng: &mut Rng| match rng.u32(..100) {
        0..50 => usize::MAX,
        50..97 => rng.usize(60..=4000),
        _ if bulky => 2000,
        _ => rng.usize(1..=60),
    };
    Climate {
        read_max: split(rng),
        write_max: split(rng),
        window: if chance(rng, 15) { rng.usize(200..=20_000) } else { usize::MAX },
        latency: match rng.u32(..100) {
            0..30 => Duration::ZERO,
            30..80 => Duration::from_micros(rng.u64(50..=2_000)),
            _ => millis(rng, 2, 100),
        },
        slow: lag(rng, 15, 200, 15_000),
        stall: lag(rng, 35, 60, 2_000),
        dispatch: lag(rng, 20, 200, 1_000),
        half_open: lag(rng, 40, 500, 8_000),
        backlog: lag(rng, 15, 200, 8_000),
        lost_dials: if chance(rng, 10) { rng.u32(1..=100) } else { 0 },
        interludes: if chance(rng, 30) { 500 } else { 0 },
    }
}

impl Place {
    /// Its policy as the messenger gets it: with fresh throttles, and as a misfit if it is one.
    pub(crate) fn policy(&self, fits: bool) -> Policy {
        let mut policy = self.policy.clone();
        policy.throttler_messages = (self.budgets.messages > 0).then(|| Throttle::new(self.budgets.messages));
        policy.throttler_bytes = (self.budgets.bytes > 0).then(|| Throttle::new(self.budgets.bytes));
        if !fits && self.misfit == Some(Misfit::Requires) {
            policy.features_required = UNKNOWN_FEATURE;
        }
        policy
    }
}
