//! What becomes of a session when one side has forgotten it, and the other has not.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use msgr::{EntityName, EntityType, Messenger, Policy};
use msgr_sim::Net;
use msgr_sim::script::{Connector, addr, connect};

const NODE: &str = "10.0.0.5:6800";
/// Orders before [`NODE`], so that its links win races.
const PEER: &str = "10.0.0.4:6800";

#[test]
fn a_fresh_session_that_a_remembering_peer_takes_over_numbers_on_from_what_the_peer_has_received() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer());
    net.play(PEER);
    let connection = node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap();
    node.send_all(&connection, [1]);
    net.run();
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    peer.open(&mut net, connect(1, 2), 7);
    let sent = net.read(peer.wire, 0);
    assert_eq!((sent.len(), sent[1]), (75, 8), "the peer would drop what is numbered up to 7 as received before");
}
