//! The receive half under arbitrary input and arbitrary splits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use msgr::session::{Cause, Incoming, Link, Next, ReadAhead, ReadInto, RecvHalf, RecvParams};
use msgr::wire::{ADDRESS_LEN, BANNER, Connect, address, features};
use msgr::{
    Config, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, Messenger, PeerError, Policy, Setup,
};

use super::{Source, build, fields};
use crate::{Node, Told};

/// Bytes of a stream at most.
const STREAM_MAX: usize = 512 << 10;
/// Frames of a stream at most.
const FRAMES_MAX: usize = 64;
/// Pieces of a stream at most.
const PIECES_MAX: usize = 4 << 10;
/// What a receive half may hold besides twice what it was given: its first allocation for a large body, a read buffer of
/// full size, and the events.
const MEMORY_MAX: usize = (256 + 2 * 128 + 256) << 10;

/// What came out of a stream, comparable.
type Events = (Vec<Event>, Option<PeerError>);

/// A message by its number and sections; anything else by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Message(u64, u16, [Vec<u8>; 3]),
    Other(String),
}

pub(super) fn run(mut source: Source, live: &dyn Fn() -> usize) {
    fields::check(source.rest);
    let source = &mut source;
    let flags = source.byte();
    let features = if flags & 1 == 0 { features::SUPPORTED } else { features::SUPPORTED & !features::MSG_AUTH };
    let config = Config {
        ms_crc_header: flags & 2 == 0,
        ms_crc_data: flags & 4 == 0,
        ms_max_front_bytes: if flags & 8 == 0 { 64 << 20 } else { 3000 },
        ms_max_data_bytes: if flags & 16 == 0 { 256 << 20 } else { 30_000 },
        ms_tcp_prefetch_max_size: [4 << 10, 0, 200, 1 << 20][usize::from(flags >> 6)],
        ..Config::default()
    };
    let pieces: Vec<usize> = (0..=source.below(16)).map(|_| source.length().max(1)).collect();
    let mut stream = Vec::new();
    let mut next_seq = 1;
    for _ in 0..FRAMES_MAX {
        if source.is_empty() || stream.len() > STREAM_MAX {
            break;
        }
        let (bytes, whole) = build::frame(source, next_seq, features);
        stream.extend(bytes);
        next_seq += u64::from(whole);
    }

    let at_once = push(&stream, &[usize::MAX], features, &config, live);
    let number = |event: &Event| if let Event::Message(seq, ..) = event { *seq } else { 0 };
    assert!(messages(&at_once).map(number).is_sorted_by(|a, b| a < b), "out of order: {at_once:?}");
    for event in messages(&at_once) {
        let Event::Message(_, _, [front, middle, data]) = event else { unreachable!() };
        let front_max = config.ms_max_front_bytes as usize;
        assert!(front.len().max(middle.len()) <= front_max && data.len() <= config.ms_max_data_bytes as usize);
    }
    assert_eq!(push(&stream, &pieces, features, &config, live), at_once, "pushed in pieces of {pieces:?}");
    if stream.len() <= PIECES_MAX {
        assert_eq!(push(&stream, &[1], features, &config, live), at_once, "pushed byte by byte");
    }
    let (read, error) = read(&stream, &pieces, features, &config, live);
    assert!(read.iter().eq(messages(&at_once)), "read in pieces of {pieces:?}: {read:?}");
    let closed = at_once.0.contains(&Event::Other("Close".into()));
    let expected = if closed { Some(Cause::Closed) } else { at_once.1.map(Cause::Peer) };
    assert_eq!(error, expected, "read in pieces of {pieces:?}");
}

fn messages(events: &Events) -> impl Iterator<Item = &Event> {
    events.0.iter().filter(|event| matches!(event, Event::Message(..)))
}

fn event(message: Message) -> Event {
    let sections = [message.front, message.middle, message.data].map(|section| section.to_vec());
    Event::Message(message.seq, message.kind, sections)
}

/// Cuts a stream into pieces of these lengths, round and round, and leaves the rest in one after very many.
fn cut<'a>(mut stream: &'a [u8], pieces: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    pieces.iter().cycle().take(PIECES_MAX).chain([&usize::MAX]).map_while(move |len| {
        let (piece, rest) = stream.split_at(stream.len().min(*len));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Fails when more is allocated than what was given explains.
struct Bound<'a> {
    live: &'a dyn Fn() -> usize,
    before: usize,
}

impl Bound<'_> {
    fn check(&self, given: usize, got: usize) {
        let held = (self.live)().saturating_sub(self.before);
        assert!(held <= 2 * given + 2 * got + MEMORY_MAX, "{held} bytes held after {given}, of which {got} came out");
    }
}

/// Gives a receive half the stream in pieces, and polls after each.
fn push(stream: &[u8], pieces: &[usize], features: u64, config: &Config, live: &dyn Fn() -> usize) -> Events {
    let bound = Bound { live, before: live() };
    let params = RecvParams { features, in_seq: 0, throttles: [None, None, None] };
    let mut half = RecvHalf::new(params, config);
    let (mut events, mut given, mut got) = (Vec::new(), 0, 0);
    for piece in cut(stream, pieces) {
        half.push(piece.to_vec().into());
        given += piece.len();
        loop {
            match half.poll() {
                Ok(Next::Bytes) => break,
                Ok(Next::Permit) => panic!("there is no throttle"),
                // What follows the end is nobody's concern.
                Ok(Next::Item(Incoming::Close)) => {
                    events.push(Event::Other("Close".into()));
                    return (events, None);
                }
                Ok(Next::Item(Incoming::Message(message))) => {
                    got += message.payload_len() as usize;
                    events.push(event(message));
                }
                Ok(Next::Item(other)) => events.push(Event::Other(format!("{other:?}"))),
                Err(error) => return (events, Some(error)),
            }
        }
        // Events are small beside their frames, but for those of nine bytes and less.
        bound.check(given, got + 100 * events.len());
    }
    (events, None)
}

/// The dispatcher that keeps what comes, in order. A node that is its own dispatcher would never be dropped.
#[derive(Default)]
struct Received(Mutex<Vec<Event>>);

impl Dispatcher for Received {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }

    fn ms_fast_dispatch(&self, _: &Connection, message: Message) {
        self.0.lock().unwrap().push(event(message));
    }
}

/// Lets an open link read the stream in pieces, as a stack does.
fn read(
    stream: &[u8],
    pieces: &[usize],
    features: u64,
    config: &Config,
    live: &dyn Fn() -> usize,
) -> (Vec<Event>, Option<Cause>) {
    let (node, received, mut link) = open(features, config);
    let bound = Bound { live, before: live() };
    let (mut ahead, now, mut given) = (ReadAhead::new(), Instant::now(), 0);
    let mut error = None;
    'stream: for mut piece in cut(stream, pieces) {
        given += piece.len();
        while !piece.is_empty() {
            let mut n = 0;
            let Ok(outcome) = link.read_with(&mut ahead, |into| {
                match into {
                    ReadInto::Slice(room) => {
                        n = piece.len().min(room.len());
                        room[..n].copy_from_slice(&piece[..n]);
                    }
                    ReadInto::Append(body) => {
                        n = piece.len().min(body.capacity() - body.len());
                        body.extend_from_slice(&piece[..n]);
                    }
                }
                Ok::<_, Infallible>(n)
            });
            assert!(outcome.is_some() && n > 0, "a link that has no room to read into");
            piece = &piece[n..];
            if let Err(cause) = link.process(now) {
                error = Some(cause);
                break 'stream;
            }
        }
        if given % 3 == 0 {
            link.settle();
        }
        bound.check(given, given);
    }
    link.lost(Cause::Closed, now);
    node.shutdown();
    node.wait().unwrap();
    let received = std::mem::take(&mut *received.0.lock().unwrap());
    (received, error)
}

/// A link that a peer with these features has opened, and what is dispatched from it.
fn open(features: u64, config: &Config) -> (Arc<Node>, Arc<Received>, Link) {
    let (here, there): (SocketAddr, SocketAddr) = ("10.0.0.1:6800".parse().unwrap(), "10.0.0.2:6800".parse().unwrap());
    let setup = Setup { seed: 1, ..Setup::new(EntityName::osd(1)) }.with_config(config.clone());
    let node = Node::without_dispatcher(setup, here, Policy::stateful_server());
    let received = Arc::new(Received::default());
    node.add_dispatcher_head(Arc::clone(&received) as _);
    node.start().unwrap();
    let (id, told, now) = (1, Arc::<Told>::default(), Instant::now());
    let mut link = Link::accept(Arc::clone(node.core()), id, told, here, there, now);
    let hello: [u8; ADDRESS_LEN] = address::emit(&EntityAddr::new(there, 0));
    let connect = Connect {
        features,
        host_type: EntityType::CLIENT.0.into(),
        global_seq: 1,
        protocol_version: 24,
        ..Connect::default()
    };
    // The last is what the peer has received.
    link.chunk([&BANNER[..], &hello, &connect.emit(), &[0; 8]].concat().into());
    assert!(link.process(now).unwrap().opened);
    (node, received, link)
}
