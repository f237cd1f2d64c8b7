//! What needs no messenger of the interop with a real monitor.

#[test]
fn a_monitor_treats_peers_as_it_was_seen_to() {
    msgr_conformance::ceph::bare();
}
