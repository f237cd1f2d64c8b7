//! Cases: random workloads over many messengers.
//!
//! Servers and clients; connections that come and go; pings with random payloads, answered in kind; now and then a
//! command of high priority that jumps the queue. What is wrong in them is found by the `ledger`, which knows what was
//! sent and not answered. Numbers of messengers, operations and their mix are those of Ceph's `ceph_test_msgr`, and so
//! are the pauses, which are part of the load. Payloads have 32 B to 4 MiB as there, but every order of magnitude is as
//! likely as the others, so that the mean stays modest and small messages are not rare. [`SCALE_VARIABLE`] asks for less.

mod congestion;
mod ledger;
mod scale;
mod workload;

use std::time::Duration;

use msgr::{MessengerFactory, Policy};

pub use congestion::large_messages_pass_a_congested_network;
pub use scale::SCALE_VARIABLE;
use workload::{Mix, Workload};

const LONG_PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_micros(1500));
const SHORT_PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_micros(600));

/// 5000 operations of 32 clients on 8 servers with sessions; clients mark connections down and dial again.
pub fn clients_of_stateful_servers_lose_nothing_while_connections_come_and_go(factory: &dyn MessengerFactory) {
    Workload {
        name: "clients_of_stateful_servers_lose_nothing_while_connections_come_and_go",
        servers: (8, Policy::stateful_server()),
        clients: (32, Policy::lossless_client()),
        options: &[],
        connections: 100,
        operations: 5000,
        mix: Mix { connect_above: 90, drop_above: 80, send_above: 10 },
        pauses: LONG_PAUSES,
    }
    .run(factory);
}

/// 10000 operations among 48 peers that notice forgotten sessions; connections are dialled from either side and marked
/// down on both.
pub fn peers_lose_nothing_while_connections_come_and_go(factory: &dyn MessengerFactory) {
    Workload {
        name: "peers_lose_nothing_while_connections_come_and_go",
        servers: (16, Policy::lossless_peer_reuse()),
        clients: (32, Policy::lossless_peer_reuse()),
        options: &[],
        connections: 10,
        operations: 10_000,
        mix: Mix { connect_above: 80, drop_above: 60, send_above: 10 },
        pauses: LONG_PAUSES,
    }
    .run(factory);
}

/// 1000 operations of clients on servers with sessions, while one read or write in 30 breaks its socket, points where
/// races are likely are held up, and servers take 16 MiB at a time.
pub fn clients_of_stateful_servers_lose_nothing_over_failing_sockets(factory: &dyn MessengerFactory) {
    Workload {
        name: "clients_of_stateful_servers_lose_nothing_over_failing_sockets",
        servers: (8, Policy::stateful_server()),
        clients: (32, Policy::lossless_client()),
        options: &[
            ("ms_inject_socket_failures", "30"),
            ("ms_inject_internal_delays", "0.1"),
            ("ms_dispatch_throttle_bytes", "16MiB"),
        ],
        connections: 100,
        operations: 1000,
        mix: Mix { connect_above: 90, drop_above: 80, send_above: 10 },
        pauses: SHORT_PAUSES,
    }
    .run(factory);
}

/// The same among 24 peers that notice forgotten sessions.
pub fn peers_lose_nothing_over_failing_sockets(factory: &dyn MessengerFactory) {
    Workload {
        name: "peers_lose_nothing_over_failing_sockets",
        servers: (8, Policy::lossless_peer_reuse()),
        clients: (16, Policy::lossless_peer_reuse()),
        options: &[("ms_inject_socket_failures", "30"), ("ms_inject_internal_delays", "0.1")],
        connections: 100,
        operations: 1000,
        mix: Mix { connect_above: 90, drop_above: 80, send_above: 10 },
        pauses: SHORT_PAUSES,
    }
    .run(factory);
}

/// The same between lossy clients and servers, where sockets break more rarely: a connection delivers everything, in
/// order, up to the reset that ends it.
///
/// Upstream does not look at what lossy connections deliver.
pub fn lossy_clients_lose_nothing_before_a_reset(factory: &dyn MessengerFactory) {
    Workload {
        name: "lossy_clients_lose_nothing_before_a_reset",
        servers: (8, Policy::stateless_server()),
        clients: (16, Policy::lossy_client()),
        options: &[("ms_inject_socket_failures", "600"), ("ms_inject_internal_delays", "0.1")],
        connections: 100,
        operations: 1000,
        mix: Mix { connect_above: 90, drop_above: 80, send_above: 10 },
        pauses: SHORT_PAUSES,
    }
    .run(factory);
}

/// Among 48 peers that do not notice forgotten sessions, so nobody marks anything down; every message is late by up to
/// five seconds.
pub fn peers_lose_nothing_over_failing_sockets_and_late_messages(factory: &dyn MessengerFactory) {
    Workload {
        name: "peers_lose_nothing_over_failing_sockets_and_late_messages",
        servers: (16, Policy::lossless_peer()),
        clients: (32, Policy::lossless_peer()),
        options: &[
            ("ms_inject_socket_failures", "30"),
            ("ms_inject_internal_delays", "0.1"),
            ("ms_inject_delay_type", "client osd"),
            ("ms_inject_delay_probability", "1"),
            ("ms_inject_delay_max", "5"),
        ],
        connections: 100,
        operations: 1000,
        mix: Mix { connect_above: 95, drop_above: 95, send_above: 10 },
        pauses: SHORT_PAUSES,
    }
    .run(factory);
}
