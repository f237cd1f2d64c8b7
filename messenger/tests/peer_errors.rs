//! Each way in which a peer can break the protocol: the connection ends with that error, is counted, and no other is
//! touched.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::Arc;
use std::time::Duration;

use msgr::session::Cause;
use msgr::wire::{BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, HEADER_LEN, authorizer, crc::crc32c, tag};
use msgr::{
    AuthVerdict, Authorizer, Config, Dispatcher, EntityName, EntityType, Messenger, PeerError, Policy, Setup, Stats,
};
use msgr_sim::script::{Acceptor, Connector, addr, connect, greeting, header, hello, message_frame, reply};
use msgr_sim::{Net, Node};

const NODE: &str = "10.0.0.5:6800";
const PEER: &str = "10.0.0.6:6800";

fn server() -> (Net, Arc<Node>) {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::stateless_server());
    (net, node)
}

fn client() -> (Net, Arc<Node>, Acceptor) {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::lossless_client());
    let acceptor = Acceptor::dialled_by(&mut net, &node, addr(PEER, 0));
    (net, node, acceptor)
}

#[track_caller]
fn ends_with(net: &mut Net, error: PeerError) {
    net.run();
    assert_eq!(net.losses, [Cause::Peer(error)]);
}

/// What an accepted link makes of `bytes`, said instead of a hello.
#[track_caller]
fn accepted(bytes: &[u8], error: PeerError, counter: fn(&Stats) -> u64) {
    let (mut net, node) = server();
    let good = Connector::dial(&mut net, &node, addr("10.0.0.7:6800", 0));
    good.open(&mut net, connect(1, 0), 0);
    let wire = net.dial(&node, PEER);
    net.write(wire, 0, bytes);
    ends_with(&mut net, error);
    assert_eq!(counter(&node.stats()), 1);
    net.write(good.wire, 0, &message_frame(1, b"still here"));
    net.run();
    assert_eq!(node.tids(), [1]);
}

/// What a dialled link makes of `bytes`, said instead of a greeting.
#[track_caller]
fn greeted(bytes: &[u8], error: PeerError) {
    let (mut net, _node, acceptor) = client();
    net.write(acceptor.wire, 1, bytes);
    ends_with(&mut net, error);
}

/// What a dialled link makes of a reply.
#[track_caller]
fn replied(reply: ConnectReply, error: PeerError) {
    let (mut net, _node, acceptor) = client();
    acceptor.greet(&mut net);
    acceptor.say(&mut net, &reply, &[]);
    ends_with(&mut net, error);
}

/// What an open link makes of `bytes`.
#[track_caller]
fn received(bytes: &[u8], error: PeerError, counter: fn(&Stats) -> u64) {
    let (mut net, node) = server();
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    peer.open(&mut net, connect(1, 0), 0);
    net.write(peer.wire, 0, bytes);
    ends_with(&mut net, error);
    assert_eq!((counter(&node.stats()), node.stats().msgr_active_connections), (1, 0));
}

#[test]
fn a_wrong_banner() {
    accepted(b"GET / HTTP/1.1\r\n", PeerError::BadBanner, |stats| stats.msgr_drop_bad_banner);
    greeted(b"SSH-2.0-OpenSSH\r\n", PeerError::BadBanner);
}

#[test]
fn a_msgr_v2_port() {
    accepted(b"ceph v2\n\x10\0", PeerError::SpeaksV2, |stats| stats.msgr_drop_bad_banner);
    greeted(b"ceph v2\n\x10\0", PeerError::SpeaksV2);
}

#[test]
fn an_address_that_is_none() {
    let mut bad = hello(&addr(PEER, 0));
    bad[BANNER_LEN + 9] = 99;
    accepted(&bad, PeerError::BadAddress { family: 99 }, |stats| stats.msgr_drop_bad_banner);
    let mut bad = greeting(&addr(PEER, 0), &addr(NODE, 0));
    bad[BANNER_LEN + 8] = 1;
    greeted(&bad, PeerError::BadAddress { family: 258 });
}

#[test]
fn another_peer_than_the_one_dialled() {
    let (dialled, found) = (addr(PEER, 0), addr(PEER, 1));
    greeted(&greeting(&found, &addr(NODE, 0)), PeerError::WrongPeer { dialled, found });
    // One that does not know its own IP is recognised by port and nonce.
    let (mut net, _node, acceptor) = client();
    net.write(acceptor.wire, 1, &greeting(&addr("0.0.0.0:6800", 0), &addr(NODE, 0)));
    net.run();
    assert_eq!((net.losses.len(), net.is_cut(acceptor.wire)), (0, false));
}

#[test]
fn an_authorizer_that_is_too_long() {
    let error = PeerError::TooLong { section: "authorizer", length: 65_537, cap: 65_536, option: "fixed" };
    let connect = Connect { authorizer_len: 65_537, ..connect(1, 0) };
    accepted(&[&hello(&addr(PEER, 0))[..], &connect.emit()].concat(), error, |stats| stats.msgr_drop_bad_length);
    replied(ConnectReply { authorizer_len: 65_537, ..reply(tag::READY) }, error);
}

#[test]
fn a_silent_handshake() {
    let (mut net, node) = server();
    let wire = net.dial(&node, PEER);
    net.run();
    net.advance(Duration::from_millis(9_999));
    assert!(!net.is_cut(wire));
    // Bytes that lead nowhere do not buy time.
    net.write(wire, 0, b"ceph");
    net.run();
    net.advance(Duration::from_millis(1));
    assert_eq!(net.losses, [Cause::Peer(PeerError::HandshakeTimeout)]);
    assert_eq!(node.stats().msgr_drop_handshake_timeout, 1);

    let (mut net, _node, _acceptor) = client();
    net.advance(Duration::from_secs(10));
    assert_eq!(net.losses, [Cause::Peer(PeerError::HandshakeTimeout)]);
}

#[test]
fn a_connector_of_another_protocol_version_is_told_ours_and_may_try_again() {
    let (mut net, node) = server();
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    let (reply, _) = peer.ask(&mut net, &Connect { protocol_version: 14, ..connect(1, 0) });
    assert_eq!((reply.tag, reply.protocol_version), (tag::BADPROTOVER, 24));
    peer.open(&mut net, connect(1, 0), 0);
}

#[test]
fn an_acceptor_of_another_protocol_version() {
    let other = ConnectReply { protocol_version: 15, ..reply(tag::BADPROTOVER) };
    replied(other, PeerError::ProtocolVersion { ours: 0, theirs: 15 });
}

#[test]
fn a_connector_that_lacks_features_is_told_which() {
    let (mut net, node) = server();
    node.set_default_policy(Policy::stateless_server().requiring(1 << 59));
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    let (reply, _) = peer.ask(&mut net, &Connect { features: 1 << 6, ..connect(1, 0) });
    assert_eq!((reply.tag, reply.features), (tag::FEATURES, 1 << 59 | 1 << 6));
}

#[test]
fn an_acceptor_that_wants_more_features() {
    let more = ConnectReply { features: 1 << 62, ..reply(tag::FEATURES) };
    replied(more, PeerError::MissingFeatures { missing: 1 << 62 });
}

#[test]
fn an_acceptor_that_lacks_features() {
    let (mut net, node, _) = client();
    node.set_default_policy(Policy::lossless_client().requiring(1 << 59));
    let acceptor = Acceptor::dialled_by(&mut net, &node, addr("10.0.0.8:6800", 0));
    acceptor.greet(&mut net);
    acceptor.say(&mut net, &ConnectReply { features: 1 << 6, ..reply(tag::READY) }, &[]);
    ends_with(&mut net, PeerError::LacksFeatures { missing: 1 << 59 });
}

/// Shows "first", and after a challenge or a rejection what it was challenged with; accepts what begins with "good".
struct Credentials;

impl Dispatcher for Credentials {
    fn ms_get_authorizer(&self, _peer: EntityType, challenge: Option<&[u8]>) -> Option<Authorizer> {
        Some(Authorizer { protocol: 2, data: challenge.unwrap_or(b"first").to_vec() })
    }

    fn ms_verify_authorizer(&self, _peer: EntityType, shown: &Authorizer) -> Option<AuthVerdict> {
        Some(match &shown.data[..] {
            b"good" => AuthVerdict::Accept(b"welcome".to_vec()),
            b"first" => AuthVerdict::Challenge(b"good".to_vec()),
            _ => AuthVerdict::Reject,
        })
    }
}

#[test]
fn credentials_are_challenged_and_accepted() {
    let mut net = Net::recording();
    let server = net.node(EntityName::osd(1), NODE, Policy::stateless_server());
    let client = net.node(EntityName::client(1), PEER, Policy::lossy_client());
    server.add_dispatcher_head(Arc::new(Credentials));
    client.add_dispatcher_head(Arc::new(Credentials));
    let connection = client.connect(&server);
    net.run();
    assert!(connection.is_connected());
    let said = net.transcript(0, 1);
    assert!(said.windows(7).any(|window| window == b"welcome"));
}

#[test]
fn credentials_that_are_wrong_are_rejected() {
    let (mut net, node) = server();
    node.add_dispatcher_head(Arc::new(Credentials));
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    let wrong = authorizer::auth_none(EntityType::CLIENT, "admin", 0);
    let asked = Connect { authorizer_protocol: 1, authorizer_len: wrong.data.len() as u32, ..connect(1, 0) };
    net.write(peer.wire, 0, &[&asked.emit()[..], &wrong.data].concat());
    net.run();
    assert_eq!(peer.reply(&mut net).0.tag, tag::BADAUTHORIZER);
}

#[test]
fn a_rejected_authorizer_is_renewed_twice_and_then_given_up() {
    let (mut net, node, acceptor) = client();
    acceptor.greet(&mut net);
    // Without credentials there is nothing to renew.
    acceptor.say(&mut net, &reply(tag::BADAUTHORIZER), &[]);
    assert_eq!(net.losses, [Cause::Peer(PeerError::BadAuthorizer)]);
    node.add_dispatcher_head(Arc::new(Credentials));
    let acceptor = Acceptor::dialled_by(&mut net, &node, addr("10.0.0.8:6800", 0));
    let (_, first) = acceptor.greet(&mut net);
    assert_eq!((first.authorizer_protocol, first.authorizer_len), (2, 5));
    for _ in 0..2 {
        assert_eq!(acceptor.say(&mut net, &reply(tag::BADAUTHORIZER), &[]).len(), CONNECT_LEN + 5);
    }
    acceptor.say(&mut net, &reply(tag::BADAUTHORIZER), &[]);
    assert_eq!(net.losses, [Cause::Peer(PeerError::BadAuthorizer); 2]);
}

#[test]
fn replies_that_contradict_the_handshake() {
    for (reply, why) in [
        (reply(tag::RETRY_SESSION), None),
        (
            ConnectReply { connect_seq: 0, ..reply(tag::RETRY_SESSION) },
            Some("RETRY_SESSION with a connect_seq that is not greater"),
        ),
        (
            ConnectReply { connect_seq: 7, ..reply(tag::READY) },
            Some("the session opens with another connect_seq than asked for"),
        ),
    ] {
        let (mut net, _node, acceptor) = client();
        acceptor.greet(&mut net);
        acceptor.say(&mut net, &reply, &[]);
        let expected: Vec<Cause> = why.map(|why| Cause::Peer(PeerError::BadReply(why))).into_iter().collect();
        assert_eq!(net.losses, expected);
    }
    replied(reply(tag::MSG), PeerError::BadTag { tag: tag::MSG });
}

#[test]
fn an_acceptor_that_never_lets_the_connector_in() {
    let (mut net, _node, acceptor) = client();
    acceptor.greet(&mut net);
    let replies: Vec<u8> = (0..1000).flat_map(|_| reply(tag::RETRY_GLOBAL).emit()).collect();
    net.write(acceptor.wire, 1, &replies);
    ends_with(&mut net, PeerError::BadReply("it keeps asking to connect again"));
}

#[test]
fn a_connector_that_never_opens() {
    let (mut net, node) = server();
    node.set_default_policy(Policy::stateful_server());
    let wire = net.dial(&node, PEER);
    let connects: Vec<u8> = (0..1001).flat_map(|_| connect(1, 5).emit()).collect();
    net.write(wire, 0, &[hello(&addr(PEER, 0)), connects].concat());
    ends_with(&mut net, PeerError::BadReply("it keeps asking to connect"));
}

#[test]
fn an_unknown_tag() {
    received(&[77], PeerError::BadTag { tag: 77 }, |stats| stats.msgr_drop_bad_tag);
}

#[test]
fn a_header_with_a_wrong_crc() {
    let mut bad = message_frame(1, b"");
    bad[1 + HEADER_LEN - 1] ^= 1;
    let found = u32::from_le_bytes(bad[HEADER_LEN - 3..=HEADER_LEN].try_into().unwrap());
    let expected = found ^ 1 << 24;
    received(&bad, PeerError::HeaderCrc { expected, found }, |stats| stats.msgr_drop_bad_crc);
}

/// A frame of one section of one byte, with its crc inverted.
fn bad_section(section: usize) -> (Vec<u8>, PeerError) {
    let mut lens = [0; 3];
    lens[section] = 1;
    let header = header(1, lens);
    let (expected, mut footer) = (crc32c(0, b"x"), [0; 21]);
    footer[section * 4..section * 4 + 4].copy_from_slice(&(!expected).to_le_bytes());
    footer[20] = 1;
    let frame = [&[tag::MSG], &header.emit(true)[..], b"x", &footer].concat();
    let section = ["front", "middle", "data"][section];
    (frame, PeerError::PayloadCrc { section, expected, found: !expected })
}

#[test]
fn a_section_with_a_wrong_crc() {
    for section in 0..3 {
        let (frame, error) = bad_section(section);
        received(&frame, error, |stats| stats.msgr_drop_bad_crc);
    }
}

#[test]
fn a_section_over_its_cap() {
    for (section, option) in
        [("front", "ms_max_front_bytes"), ("middle", "ms_max_front_bytes"), ("data", "ms_max_data_bytes")]
    {
        let mut net = Net::new();
        let config = Config { ms_max_front_bytes: 100, ms_max_data_bytes: 100, ..Config::default() };
        let node = net.node_with(Setup::new(EntityName::osd(1)).with_config(config), NODE, Policy::stateless_server());
        let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
        peer.open(&mut net, connect(1, 0), 0);
        let len = |of| if of == section { 101 } else { 100 };
        let header = header(1, ["front", "middle", "data"].map(len));
        net.write(peer.wire, 0, &[&[tag::MSG], &header.emit(true)[..]].concat());
        ends_with(&mut net, PeerError::TooLong { section, length: 101, cap: 100, option });
        assert_eq!(node.stats().msgr_drop_bad_length, 1);
    }
}

#[test]
fn a_message_its_sender_gave_up() {
    let mut aborted = message_frame(1, b"x");
    *aborted.last_mut().unwrap() = 0;
    received(&aborted, PeerError::Incomplete, |stats| stats.msgr_drop_bad_peer);
}

#[test]
fn what_came_whole_before_the_breach_is_dispatched() {
    let (mut net, node) = server();
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    peer.open(&mut net, connect(1, 0), 0);
    net.write(peer.wire, 0, &[message_frame(1, b"a"), message_frame(2, b"b"), vec![77]].concat());
    ends_with(&mut net, PeerError::BadTag { tag: 77 });
    assert_eq!(node.tids(), [1, 2]);
}
