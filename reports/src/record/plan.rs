//! What a run was asked to measure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Neighbour, Workload};

/// What a run was asked to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Messengers under test, by kind (`simple`, `async`).
    pub messengers: Vec<String>,
    /// Peer counts, of all measures together, as are sizes and workloads.
    pub peers: Vec<u32>,
    /// Payload sizes in bytes.
    pub sizes: Vec<u64>,
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// Requests in flight per connection at one peer (ping-pong), or the window in messages (stream).
    pub depth: u32,
    /// Requests in flight in all, at more than one peer.
    pub active: u32,
    /// Messenger of the load side at more than one peer.
    pub load_messenger: String,
    /// How the two sides were pinned: `none` or `split`.
    pub pin: String,
    /// Measured time of a sample, milliseconds, after the warm-up.
    pub duration_ms: u64,
    /// Unmeasured time before it, milliseconds.
    pub warmup_ms: u64,
    /// How often each point was measured, each time in fresh processes.
    pub rounds: u32,
    /// Name of the scenario, when the run followed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// What was measured in detail, by the number in [`Sample::measure`](super::Sample::measure); empty in records that
    /// have one measurement of each workload, which the members above describe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// Seed of the order in which the points of each round were taken.
    pub seed: u64,
    /// Payload bytes of replies; 64 in records that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<u64>,
    /// Requests a second under load, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// A stall of the side under test, injected: how long and how often, as on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<String>,
    /// Options set on both sides, by their `ms_*` names.
    pub options: BTreeMap<String, String>,
    /// Options set on the load side alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub load_options: BTreeMap<String, String>,
}

/// One kind of measurement: every messenger at every combination of its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// What it is about, as a heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Workload.
    pub workload: Workload,
    /// Peer counts.
    pub peers: Vec<u32>,
    /// Payload sizes of requests or messages, bytes.
    pub sizes: Vec<u64>,
    /// Payload bytes of replies.
    pub reply: u64,
    /// Requests in flight per connection at one peer, or the window of each stream in messages, when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Requests in flight in all, at more than one peer.
    pub active: u32,
    /// Requests a second under load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Rates under load as shares, in percent, of what the slowest messenger reaches in `ceiling`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<u32>,
    /// The measure, by its number, that finds what the shares are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<u32>,
    /// What else happens at the side under test in half of the samples; the other half is without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Neighbour>,
    /// Peers of the neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside_peers: Option<u32>,
    /// Payload bytes of the neighbour's messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside_size: Option<u64>,
}

impl Measure {
    /// Samples of one messenger in one round.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let paces = self.shares.len().max(1);
        let neighbours = if self.beside.is_some() { 2 } else { 1 };
        (self.peers.len() * self.sizes.len() * paces * neighbours) as u64
    }
}
