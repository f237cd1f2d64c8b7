//! The input as a program: what peers say, what the node's application does, and what happens to the wires.

use std::time::Duration;

use msgr::wire::{ConnectReply, tag};
use msgr::{EntityType, Message, Messenger};

use super::ear::{Ear, Role};
use super::stage::{Stage, peer};
use super::{Source, build};
use crate::script::{addr, connect, greeting, hello, reply};

/// Acts of one input at most.
const ACTS_MAX: usize = 100;
/// Wires that an act can be about: the last ones.
const WIRES: usize = 4;
/// Asks of a peer that opens a session as it should.
const ASKS_MAX: usize = 10;
/// The protocol version that a node of type osd expects.
const VERSION: u32 = 24;

/// What an input is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// The handshake, with peers that dial.
    Acceptor,
    /// The handshake, with peers that are dialled.
    Connector,
    /// Sessions that open.
    Session,
}

pub(super) fn run(mut source: Source, scene: Scene) {
    let source = &mut source;
    let mut stage = Stage::new(source);
    match scene {
        Scene::Acceptor => drop(stage.dial(0)),
        Scene::Connector => send(&mut stage, 0, 1, 0),
        Scene::Session if source.flag() => {
            send(&mut stage, 0, 1, 0);
            open(&mut stage, 0, 0);
        }
        Scene::Session => {
            let ear = stage.dial(0);
            open(&mut stage, ear, 0);
        }
    }
    for _ in 0..ACTS_MAX {
        if source.is_empty() {
            break;
        }
        act(&mut stage, source, scene);
    }
    stage.finish();
}

fn act(stage: &mut Stage, source: &mut Source, scene: Scene) {
    let what = source.byte();
    let ear = stage.ears.len().saturating_sub(1 + usize::from(what >> 4) % WIRES);
    match what & 15 {
        0 => {
            let bytes = source.bytes(200);
            stage.say(ear, bytes);
        }
        1 => says_next(stage, source, ear),
        2 => handshake(stage, source, ear),
        3..=5 => frames(stage, source, ear),
        6 if scene == Scene::Acceptor => handshake(stage, source, ear),
        6 => {
            let connect_seq = source.word();
            open(stage, ear, connect_seq);
        }
        7 => {
            if let Some(ear) = stage.ears.get(ear) {
                stage.net.cut(ear.wire);
            }
            stage.settle();
        }
        8 if scene == Scene::Connector => send(stage, source.below(2), 1, 0),
        8 => drop(stage.dial(source.below(2))),
        9 => stage.pass(Duration::from_millis(source.byte().into())),
        10 => stage.pass(Duration::from_secs(source.below(40) as u64)),
        11 => {
            let (to, number, size) = (source.below(2), source.below(8), source.length());
            send(stage, to, number, size);
        }
        12 => {
            let at = source.byte();
            match stage.connection(usize::from(at >> 1)) {
                Some(connection) if at & 1 == 0 => connection.mark_down(),
                Some(connection) => connection.mark_disposable(),
                None => stage.node.mark_down(peer((at >> 1).into())),
            }
            stage.settle();
        }
        13 => stage.chat(),
        14 => {
            stage.watch.release();
            stage.settle();
        }
        _ => {
            if let Some(connection) = stage.connection(source.below(2)) {
                connection.send_keepalive();
            }
            stage.settle();
        }
    }
}

/// The node sends messages to a peer; one that must not be dialled is not.
fn send(stage: &mut Stage, to: usize, number: usize, size: usize) {
    for tid in 0..number as u64 {
        let message = Message::new(1).with_tid(tid).with_data(vec![7; size]);
        // Refused when the queue is full.
        drop(stage.node.send_message(message, EntityType::CLIENT, peer(to)));
    }
    stage.settle();
}

/// The peer says what a peer says next, with one choice of the input's.
fn says_next(stage: &mut Stage, source: &mut Source, at: usize) {
    let Some(ear) = stage.ears.get(at) else { return };
    let bytes = match (ear.role, ear.peer.is_some()) {
        _ if ear.is_open => source.number().to_le_bytes().to_vec(),
        (Role::Acceptor(mine), _) if ear.is_silent => greeting(&mine, &addr("10.0.0.1:6800", 0)),
        (Role::Acceptor(_), _) => accepting(ear.connect_seq, source.byte()),
        (Role::Connector, _) if ear.is_silent => {
            let mut mine = peer(source.below(2));
            if source.byte() > 0xc0 {
                // A client that never bound, or one that does not know its IP.
                mine.socket = mine.socket.filter(|_| source.flag()).map(|_| "0.0.0.0:6800".parse().unwrap());
                mine.nonce = source.word();
            }
            hello(&mine)
        }
        (Role::Connector, _) => connect(source.word(), source.word()).emit().to_vec(),
    };
    stage.say(at, &bytes);
}

/// A reply to the node's connect with this number.
fn accepting(connect_seq: u32, tag: u8) -> Vec<u8> {
    let tag = [tag::SEQ, tag::READY, tag::RETRY_GLOBAL, tag::RETRY_SESSION, tag::RESETSESSION, tag::WAIT]
        [usize::from(tag) % 6];
    let reply = ConnectReply { connect_seq: connect_seq.wrapping_add(1), ..reply(tag) };
    let seq: &[u8] = if tag == tag::SEQ { &[0; 8] } else { &[] };
    [&reply.emit()[..], seq].concat()
}

/// The peer says something of the handshake with fields of the input's.
fn handshake(stage: &mut Stage, source: &mut Source, at: usize) {
    let Some(ear) = stage.ears.get(at) else { return };
    let bytes = match ear.role {
        Role::Connector => build::connect(source, VERSION),
        Role::Acceptor(_) => build::reply(source, ear.connect_seq.wrapping_add(1)),
    };
    stage.say(at, &bytes);
}

/// What a peer that dialled must say before anything else, if the node waits for it: that it has received nothing.
fn owed(ear: &Ear) -> &'static [u8] {
    if ear.owes_in_seq { &[0; 8] } else { &[] }
}

/// Frames, all at once.
fn frames(stage: &mut Stage, source: &mut Source, at: usize) {
    let Some(ear) = stage.ears.get_mut(at) else { return };
    let features = ear.features();
    let mut honest = ear.is_open;
    let mut all = owed(ear).to_vec();
    for _ in 0..=source.below(6) {
        let (bytes, whole) = build::frame(source, ear.next_seq, features);
        ear.next_seq += u64::from(whole);
        honest &= whole;
        all.extend(bytes);
    }
    let next_seq = ear.next_seq;
    if honest {
        stage.say_honestly(at, &all);
        stage.must_have(at, next_seq);
    } else {
        stage.say(at, &all);
    }
}

/// The peer opens a session as a real one would, as opening number `connect_seq` if it dialled.
fn open(stage: &mut Stage, at: usize, connect_seq: u32) {
    let Some(ear) = stage.ears.get(at).filter(|ear| !ear.is_open) else { return };
    match ear.role {
        Role::Acceptor(mine) => {
            if ear.is_silent {
                stage.say_honestly(at, &greeting(&mine, &addr("10.0.0.1:6800", 0)));
            }
            let connect_seq = stage.ears[at].connect_seq;
            stage.say_honestly(at, &accepting(connect_seq, 0));
        }
        Role::Connector => {
            if ear.is_silent {
                stage.say_honestly(at, &hello(&peer(0)));
            }
            let (mut asked, mut repeated) = (connect(1, connect_seq), 0);
            for _ in 0..ASKS_MAX {
                let ear = &mut stage.ears[at];
                if ear.replies < ear.asks {
                    // The answer is held up, and another connect would be taken for something else.
                    return;
                }
                ear.asks += 1;
                stage.say_honestly(at, &asked.emit());
                // The node may want to be left alone for a while.
                stage.pass(Duration::from_millis(20));
                let ear = &stage.ears[at];
                if ear.is_open {
                    let received = owed(ear);
                    return stage.say_honestly(at, received);
                }
                repeated += usize::from(ear.is_honest && ear.replied == tag::RETRY_SESSION);
                assert!(repeated < 3, "the node wants another connect_seq again and again");
                (asked.global_seq, asked.connect_seq) = (ear.global_seq.saturating_add(1), ear.connect_seq);
            }
        }
    }
}
