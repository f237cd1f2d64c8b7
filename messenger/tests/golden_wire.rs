//! The wire formats against worked bytes, both ways: emitting gives the bytes, parsing them gives the value.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use msgr::session::{Incoming, Next, RecvHalf, RecvParams};
use msgr::wire::{
    CONNECT_LEN, Connect, ConnectReply, REPLY_LEN, Stamp, address, authorizer, crc::crc32c, features, frame,
};
use msgr::{Config, EntityAddr, EntityName, EntityType, Message, Messenger, Policy};
use msgr_sim::script::{GREETING_LEN, HELLO_LEN};
use msgr_sim::{Net, Seen};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";

/// Bytes from hexadecimal digits, spaces and line ends ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn addr(text: &str, nonce: u32) -> EntityAddr {
    EntityAddr::new(text.parse().unwrap(), nonce)
}

#[track_caller]
fn check_address(addr: EntityAddr, head: &str) {
    let mut bytes = hex(head);
    bytes.resize(136, 0);
    assert_eq!(address::emit(&addr)[..], bytes);
    assert_eq!(address::parse(&bytes.try_into().unwrap()), Ok(addr));
}

#[test]
fn legacy_addresses() {
    check_address(addr("192.168.1.10:6789", 0), "0000000000000000 00021a85c0a8010a");
    check_address(addr("192.168.1.20:0", 0x1234_5678), "0000000078563412 00020000c0a80114");
    check_address(EntityAddr::blank(7), "0000000007000000");
    let v6 = "0000000001000000 000a1a8500000000 20010db8000000000000000000000001";
    check_address(addr("[2001:db8::1]:6789", 1), v6);
}

#[test]
fn addresses_that_are_none_are_refused() {
    let good = address::emit(&addr("192.168.1.10:6789", 0));
    for (at, value) in [(0, 1), (9, 3)] {
        let mut bad = good;
        bad[at] = value;
        assert!(address::parse(&bad).is_err());
    }
}

#[test]
fn tagged_addresses() {
    let v4 = "010101 1c000000 01000000 00000000 10000000 02001a85c0a8010a 0000000000000000";
    let v6 = "010101 28000000 01000000 05000000 1c000000 0a001a8500000000 20010db8000000000000000000000001 00000000";
    let none = "010101 0c000000 01000000 05000000 00000000";
    let cases = [
        (addr("192.168.1.10:6789", 0), v4, 35),
        (addr("[2001:db8::1]:6789", 5), v6, 47),
        (EntityAddr::blank(5), none, 19),
    ];
    for (addr, text, len) in cases {
        let bytes = hex(text);
        assert_eq!((address::emit_tagged(&addr), bytes.len()), (bytes.clone(), len));
        assert_eq!(address::parse_tagged(&bytes), Ok(addr));
        for cut in 0..len {
            assert!(address::parse_tagged(&bytes[..cut]).is_err(), "{cut} of {len} bytes");
        }
    }
    // Lengths that lie.
    for (at, value) in [(3, 0xff), (15, 0xff), (0, 2), (7, 2)] {
        let mut bytes = hex(v4);
        bytes[at] = value;
        assert!(address::parse_tagged(&bytes).is_err());
    }
}

/// A connect from client.? to a monitor.
fn connect() -> Connect {
    Connect {
        features: 0x3f01_cfb9_fffd_ffff,
        host_type: 8,
        global_seq: 1,
        connect_seq: 0,
        protocol_version: 15,
        authorizer_protocol: 0,
        authorizer_len: 0,
        lossy: true,
    }
}

#[test]
fn a_connect() {
    let bytes = hex("fffffdffb9cf013f 08000000 01000000 00000000 0f000000 00000000 00000000 01");
    assert_eq!(connect().emit()[..], bytes);
    assert_eq!(Connect::parse(&bytes.try_into().unwrap()), connect());
}

#[test]
fn a_seq_reply() {
    let bytes = hex("0d fffffdffb9cf013f 07000000 01000000 0f000000 00000000 01");
    let reply = ConnectReply {
        tag: 13,
        features: 0x3f01_cfb9_fffd_ffff,
        global_seq: 7,
        connect_seq: 1,
        protocol_version: 15,
        authorizer_len: 0,
        lossy: true,
    };
    assert_eq!(reply.emit()[..], bytes);
    assert_eq!(ConnectReply::parse(&bytes.try_into().unwrap()), reply);
}

/// The connect and the SEQ reply as two sessions exchange them, with the sequence numbers behind.
#[test]
fn an_opening_between_a_client_and_a_monitor() {
    let mut net = Net::recording();
    let monitor = net.node(EntityName::mon(0), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(EntityName::NEW), CLIENT, Policy::lossy_client());
    client.connect(&monitor);
    net.run();
    let said = net.transcript(0, 0);
    assert_eq!(said[..9], hex("63 65 70 68 20 76 30 32 37"));
    assert_eq!(said[HELLO_LEN..HELLO_LEN + CONNECT_LEN], connect().emit());
    assert_eq!(said[HELLO_LEN + CONNECT_LEN..], [0; 8]);
    let answered = net.transcript(0, 1);
    let seq = "0d fffffdffb9cf013f 01000000 01000000 0f000000 00000000 01 0000000000000000";
    assert_eq!(answered[GREETING_LEN..], hex(seq));
    assert_eq!(client.events(), [Seen::Connect]);
}

#[test]
fn a_features_reply() {
    // What a monitor with a fresh map demands, said to a client that offers nothing.
    let bytes = hex("0c 0000040200020104 00000000 00000000 0f000000 00000000 00");
    let mut net = Net::recording();
    let policy = Policy::stateful_server().requiring(0x0401_0200_0204_0000);
    net.node(EntityName::mon(0), SERVER, policy);
    let client = net.node(
        EntityName::client(EntityName::NEW),
        CLIENT,
        Policy { features_supported: 0, ..Policy::lossless_client() },
    );
    client.connect_to(EntityType::MON, addr(SERVER, 0)).unwrap();
    net.run();
    assert_eq!(net.transcript(0, 1)[GREETING_LEN..], bytes);
    let reply = ConnectReply::parse(&bytes[..REPLY_LEN].try_into().unwrap());
    assert_eq!((reply.tag, reply.features), (12, 0x0401_0200_0204_0000));
}

#[test]
fn authorizers_of_auth_none() {
    let cases = [
        (EntityType::CLIENT, "admin", 4107, "01 08000000 05000000 61646d696e 0b10000000000000", 22),
        (EntityType::MON, "a", 0, "01 01000000 01000000 61 0000000000000000", 18),
    ];
    for (kind, id, global_id, text, len) in cases {
        let shown = authorizer::auth_none(kind, id, global_id);
        assert_eq!((&shown.data, shown.data.len(), shown.protocol), (&hex(text), len, 1));
        assert_eq!(authorizer::parse_auth_none(&shown), Some((kind, id, global_id)));
        for cut in 0..len {
            let mut short = shown.clone();
            short.data.truncate(cut);
            assert_eq!(authorizer::parse_auth_none(&short), None);
        }
    }
}

#[test]
fn crcs() {
    let cases: [(&[u8], u32, u32); 13] = [
        (b"", 0, 0),
        (b"", 1234, 1234),
        (b"123456789", 0, 0x58e3_fa20),
        (b"a", 0, 0x93ad_1061),
        (b"foo bar baz", 0, 4_119_623_852),
        (b"foo bar baz", 1234, 881_700_046),
        (b"whiz bang boom", 0, 2_360_230_088),
        (b"whiz bang boom", 5678, 3_743_019_208),
        (&[1; 5], 0, 2_715_569_182),
        (&[1; 35], 0, 440_531_800),
        (&[1; 4_096_000], 0, 31_583_199),
        (&[1; 4_096_000], 1234, 1_400_919_119),
        (&[0; 4096], 0, 0),
    ];
    for (data, seed, crc) in cases {
        assert_eq!(crc32c(seed, data), crc, "{} bytes from seed {seed}", data.len());
        let (head, tail) = data.split_at(data.len() / 3);
        assert_eq!(crc32c(crc32c(seed, head), tail), crc, "in two parts");
    }
}

/// What a receive half makes of `bytes`.
fn decode(bytes: &[u8], features: u64) -> Vec<Incoming> {
    let params = RecvParams { features, in_seq: 0, throttles: [None, None, None] };
    let mut half = RecvHalf::new(params, &Config::default());
    half.push(bytes.to_vec().into());
    let mut items = Vec::new();
    while let Next::Item(item) = half.poll().unwrap() {
        items.push(item);
    }
    items
}

#[test]
fn small_frames() {
    assert_eq!(frame::ack(5)[..], hex("08 0500000000000000"));
    let stamp = Stamp { sec: 1_600_000_000, nsec: 500_000_000 };
    assert_eq!(frame::keepalive2(stamp)[..], hex("0e 00105e5f 0065cd1d"));
    assert_eq!(frame::keepalive2_ack(stamp)[..], hex("0f 00105e5f 0065cd1d"));
    let all = hex("08 0500000000000000 0e 00105e5f 0065cd1d 0f 00105e5f 0065cd1d 09 06");
    let items = decode(&all, 0);
    let [Incoming::Ack(5), Incoming::Keepalive2(asked), Incoming::Keepalive2Ack(echoed), rest @ ..] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!((*asked, *echoed), (stamp, stamp));
    assert!(matches!(rest, [Incoming::Keepalive, Incoming::Close]));
}

/// The frames that `messages` become on their way from client.? to a monitor, one string of bytes.
fn encode(messages: Vec<Message>, features: u64) -> Vec<u8> {
    let mut net = Net::recording();
    let monitor = net.node(EntityName::mon(0), SERVER, Policy::stateless_server());
    let policy = Policy { features_supported: features, ..Policy::lossy_client() };
    let client = net.node(EntityName::client(EntityName::NEW), CLIENT, policy);
    let connection = client.connect(&monitor);
    for message in messages {
        connection.send_message(message).unwrap();
    }
    net.run();
    net.transcript(0, 0)[HELLO_LEN + CONNECT_LEN + 8..].to_vec()
}

/// The only message among `items`.
fn only(items: Vec<Incoming>) -> Message {
    let mut items = items.into_iter();
    let (Some(Incoming::Message(message)), None) = (items.next(), items.next()) else { panic!("not one message") };
    message
}

#[test]
fn a_ping_of_75_bytes() {
    let bytes = hex("07
        0100000000000000 0000000000000000 0200 7f00 0100 00000000 00000000 00000000 0000
        08 ffffffffffffffff 0100 0000 e092242d
        00000000 00000000 00000000 0000000000000000 01");
    assert_eq!(bytes.len(), 75);
    assert_eq!(encode(vec![Message::new(2)], features::SUPPORTED), bytes);
    let ping = only(decode(&bytes, features::SUPPORTED));
    assert_eq!((ping.seq, ping.kind, ping.priority, ping.payload_len()), (1, 2, 127, 0));
    assert_eq!(ping.source, Some(EntityName::client(EntityName::NEW)));
}

#[test]
fn a_ping_of_78_bytes_with_the_old_footer() {
    let bytes = hex("07 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        00 02 00 7f 00 01 00 00 00 00 00 00 00 00 00 0b
        00 00 00 00 00 08 ff ff ff ff ff ff ff ff 01 00
        00 00 c2 4f 65 75 66 6f 6f 20 62 61 72 20 62 61
        7a 00 00 00 00 00 00 00 00 ac 78 8c f5 01");
    assert_eq!(bytes.len(), 78);
    let old = features::SUPPORTED & !features::MSG_AUTH;
    let ping = Message::new(2).with_data(&b"foo bar baz"[..]);
    let both = encode(vec![Message::new(2), ping], old);
    assert_eq!(both[both.len() - 78..], bytes);
    assert_eq!(only(decode(&bytes, old)).data, "foo bar baz");
}

#[test]
fn an_auth_request_of_135_bytes() {
    let front = hex("0000000000000000 ffff 0000000000000000 00000000 1e000000
        01 01000000 01000000 08000000 05000000 61646d696e 0000000000000000 00000000");
    assert_eq!((front.len(), crc32c(0, &front)), (60, 0x35a7_635b));
    let bytes = encode(vec![Message::new(17).with_front(front.clone())], features::SUPPORTED);
    assert_eq!((bytes.len(), &bytes[50..54]), (135, &hex("694babe2")[..]));
    assert_eq!(bytes[54..114], front);
    assert_eq!(bytes[114..], hex("5b63a735 00000000 00000000 0000000000000000 01"));
    assert_eq!(only(decode(&bytes, features::SUPPORTED)).front, front);
}

#[test]
fn an_auth_reply_and_the_map_behind_it() {
    // The monitor's answer comes with a map right behind it, and a header whose compat version is 0.
    let reply = hex("01000000 00000000 0110000000000000 00000000 00000000");
    let map = vec![9; 170];
    let messages =
        [Message::new(18).with_front(reply.clone()), Message::new(4).with_priority(196).with_front(map.clone())];
    let bytes: Vec<u8> = encode(messages.to_vec(), features::SUPPORTED);
    let items = decode(&bytes, features::SUPPORTED);
    let fronts: Vec<_> = items
        .into_iter()
        .map(|item| match item {
            Incoming::Message(message) => (message.kind, message.front.to_vec()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(fronts, [(4, map), (18, reply)], "the higher priority leaves first");
}

#[test]
fn crcs_that_are_not_computed_are_marked_or_zero() {
    let frame = |crc_data, crc_header| {
        let mut net = Net::recording();
        let config = Config { ms_crc_data: crc_data, ms_crc_header: crc_header, ..Config::default() };
        let setup = |name| msgr::Setup::new(name).with_config(config.clone());
        let server = net.node_with(setup(EntityName::osd(0)), SERVER, Policy::stateless_server());
        let client = net.node_with(setup(EntityName::client(1)), CLIENT, Policy::lossy_client());
        let connection = client.connect(&server);
        connection.send_message(Message::new(2).with_front(&b"f"[..]).with_data(&b"d"[..])).unwrap();
        net.run();
        assert_eq!(server.tids(), [0]);
        net.transcript(0, 0)[HELLO_LEN + CONNECT_LEN + 8..].to_vec()
    };
    let (all, no_data, none) = (frame(true, true), frame(false, true), frame(false, false));
    let footer = all.len() - 21;
    assert_eq!((all[all.len() - 1], no_data[no_data.len() - 1], none[none.len() - 1]), (1, 3, 3));
    assert_eq!(no_data[footer + 8..footer + 12], [0; 4]);
    assert_ne!(no_data[footer..footer + 4], [0; 4]);
    assert_eq!((&none[50..54], &none[footer..footer + 12]), (&[0; 4][..], &[0; 12][..]));
}
