//! Bytes that a peer says, from the fields that an input chooses.

use msgr::wire::{Connect, ConnectReply, Footer, Header, Stamp, crc::crc32c, features, frame, tag};
use msgr::{EntityName, EntityType};

use super::{Source, watch};

/// Types that a peer may say it has; policies differ by it.
const KINDS: [EntityType; 4] = [EntityType::CLIENT, EntityType::OSD, EntityType::MON, EntityType::MGR];

/// The bytes of every section: a pattern in which no part is taken for another.
static PATTERN: [u8; 40_000] = pattern();

const fn pattern() -> [u8; 40_000] {
    let mut bytes = [0; 40_000];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at * 31 + at / 251) as u8;
        at += 1;
    }
    bytes
}

fn section(seq: u64, len: usize) -> Vec<u8> {
    let mut bytes = PATTERN[..len].to_vec();
    if let Some(first) = bytes.first_mut() {
        *first = seq as u8;
    }
    bytes
}

/// A frame: its bytes, and whether it is a message with nothing wrong about it.
pub(super) fn frame(source: &mut Source, next_seq: u64, features: u64) -> (Vec<u8>, bool) {
    match source.byte() % 8 {
        0..=2 => (message(source, next_seq, features), true),
        3 => (message_with_any_header(source, next_seq, features), false),
        4 | 5 => (small(source), false),
        6 => {
            let mut bytes = message(source, next_seq, features);
            let at = source.word() as usize % bytes.len();
            bytes[at] ^= source.byte();
            (bytes, false)
        }
        _ => (source.bytes(64).to_vec(), false),
    }
}

/// A message as a peer sends it that has done nothing wrong.
pub(super) fn message(source: &mut Source, seq: u64, features: u64) -> Vec<u8> {
    let lens = [source.length(), source.below(8), source.length()];
    let kind = watch::kind(source.byte());
    let sections = lens.map(|len| section(seq, len));
    encode(header(seq, kind, lens.map(|len| len as u32)), &sections, features)
}

/// A message whose header says anything, with a crc that is right, and as much of a body as is there.
fn message_with_any_header(source: &mut Source, next_seq: u64, features: u64) -> Vec<u8> {
    let seq = if source.flag() { next_seq } else { source.number() };
    let lens = [source.word(), source.word(), source.word()];
    let mut header = header(seq, watch::kind(source.byte()), lens);
    header.priority = source.byte().into();
    header.source = EntityName { kind: EntityType(source.byte()), num: source.number() };
    let body = source.bytes(64).to_vec();
    if source.flag() {
        return [&[tag::MSG], &header.emit(true)[..], &body].concat();
    }
    // Lengths that are right, and a footer that may say something else than a footer should.
    header.front_len = body.len() as u32;
    header.middle_len = 0;
    header.data_len = 0;
    let (complete, no_data_crc) = (source.flag(), source.flag());
    let footer = Footer { front_crc: crc32c(0, &body), complete, no_data_crc, ..Footer::default() };
    let (footer, len) = footer.emit(features);
    [&[tag::MSG], &header.emit(true)[..], &body, &footer[..len]].concat()
}

fn small(source: &mut Source) -> Vec<u8> {
    let stamp = |source: &mut Source| Stamp { sec: source.word(), nsec: source.word() };
    match source.byte() % 6 {
        0 | 1 => frame::ack(source.number()).to_vec(),
        2 => frame::keepalive2(stamp(source)).to_vec(),
        3 => frame::keepalive2_ack(stamp(source)).to_vec(),
        4 => vec![tag::KEEPALIVE],
        _ => vec![tag::CLOSE],
    }
}

fn header(seq: u64, kind: u16, [front_len, middle_len, data_len]: [u32; 3]) -> Header {
    Header { kind, ..crate::script::header(seq, [front_len, middle_len, data_len]) }
}

fn encode(header: Header, sections: &[Vec<u8>; 3], features: u64) -> Vec<u8> {
    let [front_crc, middle_crc, data_crc] = [0, 1, 2].map(|at| crc32c(0, &sections[at]));
    let footer = Footer { front_crc, middle_crc, data_crc, complete: true, no_data_crc: false };
    let (footer, len) = footer.emit(features);
    [&[tag::MSG], &header.emit(true)[..], &sections.concat(), &footer[..len]].concat()
}

/// A connect with any fields, and its authorizer.
pub(super) fn connect(source: &mut Source, version: u32) -> Vec<u8> {
    let kind = source.byte();
    let authorizer = source.bytes(40);
    let connect = Connect {
        features: offered(source),
        host_type: if kind < 0xf0 { KINDS[usize::from(kind) % 4].0.into() } else { source.word() },
        global_seq: source.word(),
        connect_seq: source.word(),
        protocol_version: if source.byte() < 0xf0 { version } else { source.word() },
        authorizer_protocol: source.byte().into(),
        authorizer_len: length_of(source, authorizer),
        lossy: source.flag(),
    };
    [&connect.emit()[..], authorizer].concat()
}

/// A reply with any fields, its authorizer, and a sequence number behind SEQ.
pub(super) fn reply(source: &mut Source, expected_connect_seq: u32) -> Vec<u8> {
    let tag = source.byte() % 18;
    let authorizer = if tag == tag::CHALLENGE_AUTHORIZER || source.byte() > 0xf0 { source.bytes(40) } else { &[] };
    let reply = ConnectReply {
        tag,
        features: offered(source),
        global_seq: source.word(),
        connect_seq: if source.byte() < 0xc0 { expected_connect_seq } else { source.word() },
        protocol_version: source.byte().into(),
        authorizer_len: length_of(source, authorizer),
        lossy: source.flag(),
    };
    let seq = if tag == tag::SEQ { source.number().to_le_bytes().to_vec() } else { Vec::new() };
    [&reply.emit()[..], authorizer, &seq].concat()
}

fn offered(source: &mut Source) -> u64 {
    match source.byte() {
        0..0xe0 => features::SUPPORTED,
        byte if byte < 0xf0 => features::SUPPORTED & !(1 << source.below(64)),
        _ => source.number(),
    }
}

/// The length of an authorizer; rarely another one.
fn length_of(source: &mut Source, authorizer: &[u8]) -> u32 {
    if source.byte() < 0xf8 { authorizer.len() as u32 } else { source.word() }
}
