//! Rows by our own hand on the wire: sessions, as a monitor that talks to the monitor, and the connection race.

use std::io;

use msgr::wire::authorizer::parse_auth_none;
use msgr::wire::{Connect, Stamp, frame, tag};
use msgr::{Authorizer, EntityType};

use super::mon::Mon;
use super::peer::{Listening, Peer};
use super::piece::{Piece, Reply};
use super::table::Table;
use super::who::{CLUSTER_PROTOCOL, Who, nonce};

/// How the monitor dials a monitor of ours whose session was cut.
pub(super) const DIALS: &str = "connect: cseq 2, proto 13, authorizer 1 of 18 bytes (mon a, global_id 0)";

/// All of them.
pub(super) fn rows(table: &mut Table, mon: &Mon) {
    sessions(table, mon);
    it_dials(table, mon);
    race(table, mon);
}

/// The connect of a monitor, in words.
pub(super) fn connect_of(connect: &Connect, authorizer: &Authorizer) -> String {
    let claims = match parse_auth_none(authorizer) {
        Some((kind, id, global_id)) => format!("{kind} {id}, global_id {global_id}"),
        None => "not of auth none".to_owned(),
    };
    let (cseq, proto, len) = (connect.connect_seq, connect.protocol_version, authorizer.data.len());
    format!("connect: cseq {cseq}, proto {proto}, authorizer {} of {len} bytes ({claims})", authorizer.protocol)
}

/// Connects again until the session opens, as a connector does; all the replies.
fn insist(peer: &mut Peer, mut global_seq: u32, mut connect_seq: u32) -> io::Result<Vec<Reply>> {
    /// More are asked for by nobody.
    const CONNECTS_MAX: usize = 5;
    let mut replies = Vec::new();
    while replies.len() < CONNECTS_MAX {
        let reply = peer.connect(global_seq, connect_seq)?;
        replies.push(reply);
        match reply.fixed.tag {
            tag::RETRY_GLOBAL => global_seq = global_seq.max(reply.fixed.global_seq) + 1,
            tag::RETRY_SESSION => connect_seq = reply.fixed.connect_seq,
            tag::RESETSESSION => connect_seq = 0,
            _ => break,
        }
    }
    Ok(replies)
}

fn told(replies: &[Reply]) -> String {
    replies.iter().map(Reply::to_string).collect::<Vec<_>>().join("; ")
}

fn sessions(table: &mut Table, mon: &Mon) {
    let at = mon.socket();
    let resets = "RESETSESSION; SEQ, cseq 1, proto 13, lossless, in_seq 0";
    table.row("mon peer, unknown session, cseq 5", resets, || {
        told(&insist(&mut Peer::dial(at, &Who::mon()).unwrap(), 1, 5).unwrap())
    });
    let retries = "RETRY_SESSION 2; RETRY_GLOBAL 1; SEQ, cseq 3, proto 13, lossless, in_seq 0";
    table.row("mon peer in STANDBY there, same cseq", retries, || {
        let who = Who::mon();
        let (mut first, _) = Peer::open(at, &who).unwrap();
        // Its answer shows that it has opened the session, too.
        first.say(&frame::keepalive2(Stamp::default())).unwrap();
        first.read().unwrap();
        first.hang_up();
        told(&insist(&mut Peer::dial(at, &who).unwrap(), 2, 1).unwrap())
    });
    table.row("lower global_seq", "RETRY_GLOBAL 5", || {
        let who = Who::mon();
        let mut peer = Peer::dial(at, &who).unwrap();
        let reply = peer.connect(5, 0).unwrap();
        peer.settle(&reply, 0).unwrap();
        Peer::dial(at, &who).unwrap().connect(3, 1).unwrap().to_string()
    });
    let hard_reset = "RETRY_GLOBAL 1; READY, cseq 1, proto 13, lossless; the old socket: closed";
    table.row("cseq 0 while it has a session that is open", hard_reset, || {
        let who = Who::mon();
        let (mut old, _) = Peer::open(at, &who).unwrap();
        let mut new = Peer::dial(at, &who).unwrap();
        let replies = insist(&mut new, 2, 0).unwrap();
        format!("{}; the old socket: {}", told(&replies), old.read().unwrap())
    });
    table.row("lossless: ping", "pong, seq 1 and ACK 1", || {
        let (mut peer, _) = Peer::open(at, &Who::mon()).unwrap();
        pong_and_ack(&mut peer).unwrap()
    });
}

/// Pings and waits for both answers, which come in either order.
fn pong_and_ack(peer: &mut Peer) -> io::Result<String> {
    peer.ping()?;
    let mut both = [peer.read()?, peer.read()?].map(|piece| piece.to_string());
    both.sort_by_key(|text| text.starts_with("ACK"));
    Ok(both.join(" and "))
}

/// A session whose pong we have not acknowledged when we drop TCP, so that the monitor dials us.
fn dropped(mon: &Mon, nonce: u32) -> io::Result<(Listening, Peer)> {
    let listening = Listening::mon(nonce)?;
    let (mut peer, _) = Peer::open(mon.socket(), listening.who())?;
    pong_and_ack(&mut peer)?;
    peer.hang_up();
    let dialled = listening.next()?;
    Ok((listening, dialled))
}

fn it_dials(table: &mut Table, mon: &Mon) {
    let probe = "lossless: drop TCP without acking the pong";
    table.row(probe, &format!("it dials: banner, then nothing until it is greeted; {DIALS}"), || {
        let (_listening, mut dialled) = dropped(mon, nonce()).unwrap();
        let banner = dialled.read().unwrap();
        let silent = if dialled.is_silent().unwrap() { "nothing" } else { "something" };
        dialled.greet().unwrap();
        let Piece::Address(from) = dialled.read().unwrap() else { return "no address".to_owned() };
        assert_eq!(from, mon.address());
        let Piece::Connect(connect, authorizer) = dialled.read().unwrap() else { return "no connect".to_owned() };
        format!("it dials: {banner}, then {silent} until it is greeted; {}", connect_of(&connect, &authorizer))
    });
    let replays = "in_seq 1; empty pong, seq 1; after our next ping: pong, seq 2 and ACK 2";
    table.row("the same, we answer SEQ with in_seq 0", replays, || {
        let (_listening, mut dialled) = dropped(mon, nonce()).unwrap();
        dialled.greet().unwrap();
        let connect = loop {
            if let Piece::Connect(connect, _) = dialled.read().unwrap() {
                break connect;
            }
        };
        dialled.accept(&connect, 0).unwrap();
        let (in_seq, replayed) = (dialled.read().unwrap(), dialled.read().unwrap());
        dialled.skip(1);
        format!("{in_seq}; {replayed}; after our next ping: {}", pong_and_ack(&mut dialled).unwrap())
    });
}

fn race(table: &mut Table, mon: &Mon) {
    table.row("the same, we dial too, our address greater (memcmp)", "WAIT", || {
        let (listening, _dialled) = dropped(mon, nonce()).unwrap();
        assert!(listening.who().addr > mon.address());
        Peer::dial(mon.socket(), listening.who()).unwrap().connect(2, 2).unwrap().to_string()
    });
    let wins = format!(
        "RETRY_GLOBAL 1; SEQ, cseq 3, proto {CLUSTER_PROTOCOL}, lossless, in_seq 1; after our in_seq 0: empty pong, seq 1"
    );
    table.row("the same, our address smaller (nonce 0, lower port)", &wins, || {
        let (listening, _dialled) = dropped(mon, 0).unwrap();
        assert!(listening.who().addr < mon.address());
        assert_eq!(listening.who().name.kind, EntityType::MON);
        let mut peer = Peer::dial(mon.socket(), listening.who()).unwrap();
        let replies = insist(&mut peer, 2, 2).unwrap();
        peer.settle(replies.last().unwrap(), 0).unwrap();
        format!("{}; after our in_seq 0: {}", told(&replies), peer.message().unwrap())
    });
}
