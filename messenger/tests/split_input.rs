//! However input is split, the same comes out; and whatever comes in, nothing panics.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::{Arc, Mutex};

use msgr::session::{Incoming, Next, RecvHalf, RecvParams};
use msgr::wire::{Stamp, features, frame as small, tag};
use msgr::{Config, EntityName, Message, Messenger, PeerError, Policy, Setup};
use msgr_sim::script::{Acceptor, Connector, addr, connect, frame, greeting, hello, reply};
use msgr_sim::{Net, Node};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const NODE: &str = "10.0.0.5:6800";
const PEER: &str = "10.0.0.6:6800";
const OTHER: &str = "10.0.0.7:6800";
/// Longest section. Well over every threshold of the receive half: the shared chunk, the first step of a body's own
/// buffer, and its doubling.
const SECTION_MAX: usize = 200 << 10;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(27), failure_persistence: None, ..ProptestConfig::default() }
}

/// One frame of a stream. A message is given by the lengths of its sections.
#[derive(Clone, Debug)]
enum Item {
    Message([usize; 3]),
    Ack(u64),
    Keepalive,
    Keepalive2(u32),
    Keepalive2Ack(u32),
}

/// What came out, comparable.
type Event = (u8, u64, [Vec<u8>; 3]);

fn section() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 6 => 1..100usize, 3 => 1000..9000usize, 1 => 9000..SECTION_MAX]
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        6 => [section(), section(), section()].prop_map(Item::Message),
        1 => any::<u64>().prop_map(Item::Ack),
        1 => Just(Item::Keepalive),
        1 => any::<u32>().prop_map(Item::Keepalive2),
        1 => any::<u32>().prop_map(Item::Keepalive2Ack),
    ]
}

/// Lengths of pieces, used round and round.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1..80usize, 2 => 80..5000usize, 1 => 5000..100_000usize], 1..20)
}

/// The bytes of a stream, and what should come out of it.
fn stream(items: &[Item]) -> (Vec<u8>, Vec<Event>) {
    let (mut bytes, mut events, mut seq) = (Vec::new(), Vec::new(), 0);
    let none = || [const { Vec::new() }; 3];
    for item in items {
        match item {
            Item::Message(lens) => {
                seq += 1;
                let sections = lens.map(|len| (0..len).map(|at| (at as u64 * 31 + seq) as u8).collect::<Vec<u8>>());
                bytes.extend(frame(seq, [&sections[0], &sections[1], &sections[2]]));
                events.push((tag::MSG, seq, sections));
            }
            Item::Ack(seq) => {
                bytes.extend(small::ack(*seq));
                events.push((tag::ACK, *seq, none()));
            }
            Item::Keepalive => {
                bytes.push(tag::KEEPALIVE);
                events.push((tag::KEEPALIVE, 0, none()));
            }
            Item::Keepalive2(sec) => {
                bytes.extend(small::keepalive2(Stamp { sec: *sec, nsec: 7 }));
                events.push((tag::KEEPALIVE2, u64::from(*sec), none()));
            }
            Item::Keepalive2Ack(sec) => {
                bytes.extend(small::keepalive2_ack(Stamp { sec: *sec, nsec: 7 }));
                events.push((tag::KEEPALIVE2_ACK, u64::from(*sec), none()));
            }
        }
    }
    (bytes, events)
}

fn event(item: Incoming) -> Event {
    let none = [const { Vec::new() }; 3];
    match item {
        Incoming::Message(m) => (tag::MSG, m.seq, [m.front, m.middle, m.data].map(|section| section.to_vec())),
        Incoming::Ack(seq) => (tag::ACK, seq, none),
        Incoming::Keepalive => (tag::KEEPALIVE, 0, none),
        Incoming::Keepalive2(stamp) => (tag::KEEPALIVE2, stamp.sec.into(), none),
        Incoming::Keepalive2Ack(stamp) => (tag::KEEPALIVE2_ACK, stamp.sec.into(), none),
        Incoming::Close => (tag::CLOSE, 0, none),
    }
}

fn half() -> RecvHalf {
    let params = RecvParams { features: features::MSG_AUTH, in_seq: 0, throttles: [None, None, None] };
    RecvHalf::new(params, &Config::default())
}

/// Pushes `bytes` in pieces of these lengths, and polls after each.
fn receive(bytes: &[u8], pieces: &[usize]) -> Result<Vec<Event>, PeerError> {
    let (mut half, mut events, mut rest) = (half(), Vec::new(), bytes);
    for len in pieces.iter().cycle() {
        let (piece, behind) = rest.split_at(rest.len().min(*len));
        half.push(piece.to_vec().into());
        while let Next::Item(item) = half.poll()? {
            events.push(event(item));
        }
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    Ok(events)
}

/// A node that keeps what it receives, and a peer with an open session.
fn session(read_max: usize) -> (Net, Arc<Node>, Connector, Arc<Mutex<Vec<Event>>>) {
    let mut net = Net::new();
    net.read_max = read_max;
    let node = net.node(EntityName::osd(1), NODE, Policy::stateful_server());
    let received = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&received);
    node.on_message(move |_, _, message| keep.lock().unwrap().push(event(Incoming::Message(message))));
    let peer = Connector::dial(&mut net, &node, addr(PEER, 0));
    peer.open(&mut net, connect(1, 0), 0);
    (net, node, peer, received)
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn any_split_of_pushed_chunks_gives_the_same_events(items in vec(item(), 1..12), pieces in pieces()) {
        let (bytes, events) = stream(&items);
        prop_assert_eq!(&receive(&bytes, &[usize::MAX]).unwrap(), &events);
        prop_assert_eq!(&receive(&bytes, &pieces).unwrap(), &events);
    }

    /// Through the read-ahead buffer and bodies read in place, as a stack reads.
    #[test]
    fn any_length_of_reads_gives_the_same_messages(items in vec(item(), 1..12), read_max in 40..100_000usize) {
        let (bytes, mut events) = stream(&items);
        events.retain(|event| event.0 == tag::MSG);
        let (mut net, node, peer, received) = session(read_max);
        net.write(peer.wire, 0, &bytes);
        net.run();
        prop_assert_eq!(&*received.lock().unwrap(), &events);
        prop_assert_eq!(node.stats().msgr_recv_messages, events.len() as u64);
    }

    #[test]
    fn a_stream_with_a_damaged_byte_ends_or_goes_on_but_never_panics(
        items in vec(item(), 1..6), at in any::<prop::sample::Index>(), flip in 1..=255u8, pieces in pieces()
    ) {
        let (mut bytes, events) = stream(&items);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // What was damaged is noticed, or it was no message.
        if let Ok(damaged) = receive(&bytes, &pieces) {
            prop_assert!(damaged.iter().filter(|event| event.0 == tag::MSG).all(|event| events.contains(event)));
        }
    }

    #[test]
    fn garbage_in_an_open_session_never_panics(bytes in vec(any::<u8>(), 0..400), tag in 0..20u8) {
        let bytes = [vec![tag], bytes].concat();
        drop(receive(&bytes, &[1]));
        drop(receive(&bytes, &[usize::MAX]));
    }

    #[test]
    fn garbage_at_any_point_of_either_handshake_never_panics(
        bytes in vec(any::<u8>(), 0..600), good in 0..=3usize, read_max in 1..700usize
    ) {
        let said = [hello(&addr(PEER, 0)), connect(1, 0).emit().to_vec(), vec![0; 8]];
        let mut net = Net::new();
        net.read_max = read_max;
        let node = net.node(EntityName::osd(1), NODE, Policy::lossless_peer_reuse());
        let wire = net.dial(&node, PEER);
        net.write(wire, 0, &[said[..good].concat(), bytes.clone()].concat());
        net.run();

        let said = [greeting(&addr(OTHER, 0), &addr(NODE, 0)), reply(tag::SEQ).emit().to_vec(), vec![0; 8]];
        let acceptor = Acceptor::dialled_by(&mut net, &node, addr(OTHER, 0));
        net.write(acceptor.wire, 1, &[said[..good].concat(), bytes].concat());
        net.run();
    }
}

#[test]
fn options_without_measure_are_survived() {
    for prefetch in [0, u64::MAX] {
        let mut net = Net::new();
        let config = Config { ms_tcp_prefetch_max_size: prefetch, ..Config::default() };
        let setup = Setup::new(EntityName::osd(1)).with_config(config);
        let server = net.node_with(setup, NODE, Policy::stateless_server());
        let client = net.node(EntityName::client(1), PEER, Policy::lossy_client());
        let connection = client.connect(&server);
        for tid in [1, 2] {
            connection.send_message(Message::new(1).with_tid(tid).with_data(vec![0; SECTION_MAX])).unwrap();
        }
        net.run();
        assert_eq!(server.tids(), [1, 2]);
    }
}

#[test]
fn both_handshakes_and_a_message_pass_byte_by_byte() {
    let mut net = Net::new();
    net.read_max = 1;
    let server = net.node(EntityName::osd(1), NODE, Policy::stateful_server());
    let client = net.node(EntityName::client(1), PEER, Policy::lossless_client());
    let connection = client.connect(&server);
    client.send_all(&connection, [1, 2]);
    net.run();
    assert_eq!((server.tids(), connection.queued_bytes()), (vec![1, 2], 0));
}

#[test]
fn a_whole_conversation_in_one_read_is_understood() {
    let mut net = Net::new();
    let node = net.node(EntityName::osd(1), NODE, Policy::stateful_server());
    let wire = net.dial(&node, PEER);
    let all = [hello(&addr(PEER, 0)), connect(1, 0).emit().to_vec(), vec![0; 8], frame(1, [b"f", b"m", b"d"])];
    net.write(wire, 0, &all.concat());
    net.run();
    assert_eq!(node.tids(), [1]);
}
