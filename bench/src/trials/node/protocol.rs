//! What a trial and its nodes say to each other: one JSON object a line, a node's specification first, then questions,
//! each with one answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use msgr::Policy;
use serde::{Deserialize, Serialize};

use super::inbound::Wrongs;

/// The policies of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pair {
    /// A lossy server of anonymous clients.
    Lossy,
    /// A server that remembers its clients' sessions.
    Stateful,
    /// Peers that do not notice a forgotten session.
    Peer,
    /// Peers that notice it.
    PeerReuse,
}

impl Pair {
    /// All of them.
    pub(crate) const ALL: [Pair; 4] = [Pair::Lossy, Pair::Stateful, Pair::Peer, Pair::PeerReuse];

    /// What the two sides are called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pair::Lossy => "stateless_server / lossy_client",
            Pair::Stateful => "stateful_server / lossless_client",
            Pair::Peer => "lossless_peer, both",
            Pair::PeerReuse => "lossless_peer_reuse, both",
        }
    }

    /// Whether either side may dial, so that the load side needs an address.
    pub(crate) fn both_dial(self) -> bool {
        matches!(self, Pair::Peer | Pair::PeerReuse)
    }

    pub(super) fn server(self) -> Policy {
        match self {
            Pair::Lossy => Policy::stateless_server(),
            Pair::Stateful => Policy::stateful_server(),
            Pair::Peer => Policy::lossless_peer(),
            Pair::PeerReuse => Policy::lossless_peer_reuse(),
        }
    }

    pub(super) fn client(self) -> Policy {
        match self {
            Pair::Lossy => Policy::lossy_client(),
            Pair::Stateful => Policy::lossless_client(),
            Pair::Peer => Policy::lossless_peer(),
            Pair::PeerReuse => Policy::lossless_peer_reuse(),
        }
    }
}

/// What a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Its messengers' kind.
    pub(crate) kind: String,
    /// Its policies.
    pub(crate) policies: Pair,
    /// Options of its messengers.
    pub(crate) options: Vec<(String, String)>,
    /// Seeds the payloads; both sides have the same.
    pub(crate) seed: u64,
    /// Least and most payload bytes; both sides have the same.
    pub(crate) bytes: (u64, u64),
    /// Numbers the processes of one side: greater than those before.
    pub(crate) incarnation: u64,
    /// Peers of this load side, or that the serving side knows.
    pub(crate) peers: u32,
    /// Soft limit on open files, when it is to be lower than the host's.
    pub(crate) files: Option<u64>,
    /// What it does.
    pub(crate) role: Role,
}

/// What a node does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Binds and echoes.
    Serve {
        /// Where; port 0 takes a free one.
        at: SocketAddr,
    },
    /// A messenger for each peer, which sends and checks the echoes.
    Load(Load),
}

/// A load side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Where the other side serves.
    pub(crate) server: SocketAddr,
    /// Where its messengers bind, one address each; none for clients that only dial.
    pub(crate) at: Vec<SocketAddr>,
    /// Number of the first peer, among all that the server knows; the others follow.
    pub(crate) first: u32,
    /// Nonce of the first messenger; the others follow.
    pub(crate) nonce: u32,
    /// Requests in flight for each peer.
    pub(crate) depth: u32,
    /// Requests of each peer; without an end when none.
    pub(crate) messages: Option<u64>,
    /// A peer that hears nothing sends one more: a session in standby wakes up with the next send.
    pub(crate) nudge: bool,
}

/// What a node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Dial, if that was not done yet, and send.
    Go,
    /// Send nothing new.
    Pause,
    /// Record round trips from now on, and forget those before.
    Measure,
    /// Tell what was seen.
    Report,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is what it was to be, and bound here.
    Ready(Vec<SocketAddr>),
    /// Done.
    Done,
    /// What it saw.
    Report(Box<Report>),
}

/// Connection events, by callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Events {
    /// `ms_handle_connect`.
    pub(crate) connect: u64,
    /// `ms_handle_accept`.
    pub(crate) accept: u64,
    /// `ms_handle_reset`.
    pub(crate) reset: u64,
    /// `ms_handle_remote_reset`.
    pub(crate) remote_reset: u64,
    /// `ms_handle_refused`.
    pub(crate) refused: u64,
}

/// One peer, as the node saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerReport {
    /// Process of the other side that was heard last.
    pub(crate) incarnation: u64,
    /// Number of the first message from it.
    pub(crate) first: u64,
    /// Highest number from it.
    pub(crate) last: u64,
    /// Messages from it.
    pub(crate) received: u64,
    /// Last number sent.
    pub(crate) sent: u64,
    /// Requests without an answer.
    pub(crate) outstanding: u64,
    /// Answers to requests of an earlier process on this address.
    pub(crate) inherited: u64,
}

/// Round trips of all peers since [`Ask::Measure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoundTrips {
    /// How many.
    pub(crate) count: u64,
    /// Median, nanoseconds.
    pub(crate) p50_ns: u64,
    /// 99th percentile.
    pub(crate) p99_ns: u64,
    /// Longest.
    pub(crate) max_ns: u64,
}

/// What a node saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Connection events.
    pub(crate) events: Events,
    /// What arrived as it should not.
    pub(crate) wrongs: Wrongs,
    /// Its peers.
    pub(crate) peers: Vec<PeerReport>,
    /// Messages of strangers.
    pub(crate) strangers: u64,
    /// Messages that were not taken because the queue to their peer was full.
    pub(crate) queue_full: u64,
    /// The messengers' counters, summed up.
    pub(crate) counters: BTreeMap<String, u64>,
    /// Round trips, on the load side.
    pub(crate) round_trips: RoundTrips,
}

impl Report {
    /// A counter of the messengers.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Messages of all peers that arrived from the process heard last.
    pub(crate) fn received(&self) -> u64 {
        self.peers.iter().map(|peer| peer.received).sum()
    }
}
