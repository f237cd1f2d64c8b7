//! One measured point of one round: what ran, what it cost, how long each message took.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the load side does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Requests of the given size, each answered by a small reply; latency is the round trip.
    PingPong,
    /// Requests as in a ping-pong, sent at a fixed rate whatever becomes of them (an open loop); latency is from when a
    /// request was to be sent until its reply.
    UnderLoad,
    /// Messages one way; the receiver grants a window of [`crate::record::Plan::depth`] messages.
    Stream,
}

/// What else the side under test has to do while peers are measured: the load of a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbour {
    /// A peer that streams messages as fast as they are taken.
    Flood,
    /// A peer that asks for much and reads the answers slowly.
    SlowReader,
    /// Peers that connect, ask once and leave, one after another.
    Connects,
    /// Peers that stream large messages.
    Bulk,
}

/// What a neighbour got done while the sample was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// What it is.
    pub what: Neighbour,
    /// Its peers at a time.
    pub peers: u32,
    /// Payload bytes of its messages.
    pub size: u64,
    /// Messages that it sent, answers that it read, or peers that it connected, per second.
    pub per_s: f64,
    /// From a peer's dial until its first answer, for [`Neighbour::Connects`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// One point measured once, by a fresh pair of processes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Round, from 0.
    pub round: u32,
    /// Number of its measure in [`Plan::measures`](super::Plan::measures), from 0.
    #[serde(default)]
    pub measure: u32,
    /// Kind of the side under test: a messenger, or `tcp` for the bare-socket floor.
    pub messenger: String,
    /// Kind of the load side.
    pub load_messenger: String,
    /// Workload.
    pub workload: Workload,
    /// Payload bytes of a request (ping-pong) or message (stream).
    pub size: u64,
    /// Connected peers.
    pub peers: u32,
    /// Requests in flight in all (ping-pong) or window in messages (stream); 0 under load, where only the rate says how many.
    pub in_flight: u32,
    /// Measured time, nanoseconds.
    pub elapsed_ns: u64,
    /// Requests answered, or messages that arrived, in that time.
    pub messages: u64,
    /// Payload bytes of them.
    pub bytes: u64,
    /// Round-trip times of the requests (ping-pong, under load); none for a stream.
    pub latency: Option<Latency>,
    /// What only an open loop has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<OpenLoop>,
    /// What else the side under test had to do, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What counting and timing costs the load side per message, nanoseconds, measured without a messenger before the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness_ns: Option<f64>,
    /// Nanoseconds from the first dial until the last of the peers was open.
    pub connect_ns: u64,
    /// The process under test.
    pub server: Probe,
    /// The process that makes the load.
    pub load: Probe,
    /// Where the time of messages went inside the side under test, when its stages were timed (`ms_stage_histograms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Stages>,
    /// Allocations of the side under test per message, from the counting binary, when they were counted.
    pub allocations: Option<Allocations>,
}

/// What was offered under load, and how well the generator kept to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenLoop {
    /// Requests that were to be sent per second.
    pub offered_per_s: f64,
    /// Share of the ceiling that this is, in percent, when the run has found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// Requests that were due and not sent, since too many were unanswered.
    pub unsent: u64,
    /// Round-trip times from when the requests were sent.
    pub service: Option<Latency>,
    /// How late the requests were sent: what the generator and the sending thread add.
    pub late: Option<Latency>,
}

/// A latency histogram, and the percentiles read off it for those who only want figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// HdrHistogram V2, DEFLATE-compressed, base64; values are nanoseconds.
    pub hdr: String,
    /// Recorded values.
    pub count: u64,
    /// Mean, nanoseconds.
    pub mean_ns: f64,
    /// Median, nanoseconds.
    pub p50_ns: u64,
    /// 90th percentile, nanoseconds.
    pub p90_ns: u64,
    /// 99th percentile, nanoseconds.
    pub p99_ns: u64,
    /// 99.9th percentile, nanoseconds.
    pub p999_ns: u64,
    /// Largest, nanoseconds.
    pub max_ns: u64,
}

/// Where the time of messages went inside one process over the measured interval, one histogram for each stage that any
/// message went through; nanoseconds, in buckets of 3 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stages {
    /// From `send_message` until a thread took the message up to write it.
    pub queued: Option<Latency>,
    /// From the call that woke a sleeping thread until that ran, for each wake-up.
    pub woken: Option<Latency>,
    /// From the taking up until the write call had returned that took the last of the message's bytes.
    pub written: Option<Latency>,
    /// From when the socket was known to have input until the message was decoded.
    pub read: Option<Latency>,
    /// From the decoding until the dispatcher's callback had returned.
    pub dispatched: Option<Latency>,
    /// Round trips of the pass that timed the stages: against those of the sample they tell what timing costs.
    pub round_trip: Option<Latency>,
}

/// What one process cost while a sample was taken, as the kernel counts it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Threads with all peers connected and traffic flowing.
    pub threads: u64,
    /// Resident set with no peer connected, bytes.
    pub rss_before: u64,
    /// Resident set with all peers connected and traffic flowing, bytes.
    pub rss: u64,
    /// User CPU time over the measured interval, microseconds.
    pub cpu_user_us: u64,
    /// System CPU time over the measured interval, microseconds.
    pub cpu_sys_us: u64,
    /// Voluntary context switches over the measured interval, of all threads.
    pub ctx_voluntary: u64,
    /// Involuntary context switches over the measured interval, of all threads.
    pub ctx_involuntary: u64,
    /// Threads by name, as `top -H` shows them.
    pub threads_by_name: BTreeMap<String, u64>,
    /// The messenger's own counters at the end (`msgr_recv_messages`, ...); empty for the floor.
    pub counters: BTreeMap<String, u64>,
    /// By how much each of them grew over the measured interval; empty in records that do not say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}

/// Heap traffic of one process over the measured interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Allocations {
    /// Allocations (and reallocations) in the interval.
    pub count: u64,
    /// Bytes allocated in the interval.
    pub bytes: u64,
    /// Messages handled in the interval.
    pub messages: u64,
}
