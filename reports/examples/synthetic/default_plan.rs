//! What the run like that of the default scenario was asked to measure.

use std::collections::BTreeMap;

use msgr_reports::record::{Measure, Neighbour, Plan, Workload};

pub(crate) const SEED: u64 = 0x6465_6661;
pub(crate) const PEERS: [u32; 6] = [1, 4, 16, 64, 256, 1024];
pub(crate) const SHARES: [u32; 4] = [30, 50, 70, 90];
pub(crate) const ROUNDS: u32 = 7;
pub(crate) const SIZE: u64 = 4096;
/// Peers of the open loop and beside a neighbour.
pub(crate) const SOME: u32 = 16;

/// The measures, by number.
pub(crate) const PING_PONG: u32 = 0;
pub(crate) const CEILING: u32 = 1;
pub(crate) const UNDER_LOAD: u32 = 2;
pub(crate) const BESIDE: u32 = 3;

/// The plan, as `msgr-bench run` would have written it.
pub(crate) fn plan() -> Plan {
    let closed = |name: Option<&str>, peers: &[u32], depth, active| Measure {
        name: name.map(String::from),
        workload: Workload::PingPong,
        peers: peers.to_vec(),
        sizes: vec![SIZE],
        reply: 64,
        depth,
        active,
        rate: None,
        shares: Vec::new(),
        ceiling: None,
        beside: None,
        beside_peers: None,
        beside_size: None,
    };
    let measures = vec![
        closed(None, &PEERS, None, 16),
        closed(Some("The ceiling of the rates below"), &[SOME], Some(16), 16),
        Measure {
            workload: Workload::UnderLoad,
            shares: SHARES.to_vec(),
            ceiling: Some(CEILING),
            ..closed(None, &[SOME], None, 16)
        },
        Measure {
            beside: Some(Neighbour::Flood),
            beside_peers: Some(1),
            beside_size: Some(SIZE),
            ..closed(Some("Beside a peer that floods"), &[SOME], None, 4)
        },
    ];
    Plan {
        messengers: ["simple", "async", "zmq"].map(String::from).to_vec(),
        peers: PEERS.to_vec(),
        sizes: vec![SIZE],
        workloads: vec![Workload::PingPong, Workload::UnderLoad],
        depth: 1,
        active: 16,
        load_messenger: "async".to_string(),
        pin: "none".to_string(),
        duration_ms: 500,
        warmup_ms: 200,
        rounds: ROUNDS,
        seed: SEED,
        reply: Some(64),
        rate: None,
        stall: None,
        scenario: Some("default".to_string()),
        measures,
        options: BTreeMap::new(),
        load_options: BTreeMap::new(),
    }
}
