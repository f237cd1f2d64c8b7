//! Rows by our own hand on the wire: what the monitor does with clients and other daemons, however they behave.

use std::io;

use msgr::EntityType;
use msgr::wire::crc::crc32c;
use msgr::wire::features::{KEEPALIVE2, MSG_AUTH, NOSRCADDR, RECONNECT_SEQ};
use msgr::wire::{ADDRESS_LEN, Stamp, frame, tag};
use msgr::{Authorizer, EntityAddr};

use super::body::kind;
use super::mon::Mon;
use super::peer::{Outgoing, Peer};
use super::piece::Piece;
use super::table::Table;
use super::who::Who;

/// What opens the session of a new client, osd or mgr.
pub(super) const OPENS: &str = "SEQ, cseq 1, proto 15, lossy, in_seq 0";
/// What a monitor with a fresh map of OSDs asks for.
pub(super) const REQUIRED: &str = "FEATURES, of them missing 0x0401020002040000";

/// The header's crc stands behind the tag and the rest of the header.
const HEADER_CRC_AT: usize = 1 + 49;

/// All of them.
pub(super) fn rows(table: &mut Table, mon: &Mon) {
    handshakes(table, mon);
    frames(table, mon);
}

fn handshakes(table: &mut Table, mon: &Mon) {
    let at = mon.socket();
    let reply = |who: Who| Peer::open(at, &who).unwrap().1.to_string();
    table.row("connect as client", &format!("{OPENS}; its gseq counts up"), || {
        let replies = [(); 2].map(|()| Peer::open(at, &Who::client()).unwrap().1);
        let [first, second] = replies.map(|reply| reply.fixed.global_seq);
        format!("{}; its gseq {}", replies[0], if first < second { "counts up" } else { "does not count up" })
    });
    table.row("without bit 6 RECONNECT_SEQ", "READY, cseq 1, proto 15, lossy; then pong, seq 1", || {
        let (mut peer, reply) = Peer::open(at, &Who::client().without(RECONNECT_SEQ)).unwrap();
        peer.ping().unwrap();
        format!("{reply}; then {}", peer.message().unwrap())
    });
    table.row("without bit 23 MSG_AUTH", &format!("{OPENS}; pong, seq 1, footer of 13 bytes"), || {
        let (mut peer, reply) = Peer::open(at, &Who::client().without(MSG_AUTH)).unwrap();
        peer.ping().unwrap();
        let pong = peer.message().unwrap();
        format!("{reply}; {pong}, footer of {} bytes", pong.footer_len)
    });
    for (probe, features) in
        [("features 0", 0), ("features 1, 6, 23 and 42 only", NOSRCADDR | RECONNECT_SEQ | MSG_AUTH | KEEPALIVE2)]
    {
        table.row(probe, REQUIRED, || {
            let reply = Peer::open(at, &Who { features, ..Who::client() }).unwrap().1.fixed;
            let name = if reply.tag == tag::FEATURES { "FEATURES" } else { "another tag" };
            format!("{name}, of them missing {:#018x}", reply.features & !features)
        });
    }
    table.row("protocol 14", "BADPROTOVER, proto 15", || reply(Who { protocol: 14, ..Who::client() }));
    table.row("host_type 1 (mon), no authorizer", "BADAUTHORIZER", || {
        reply(Who { authorizer: Authorizer::default(), ..Who::mon() })
    });
    let lossless = "SEQ, cseq 1, proto 13, lossless, in_seq 0";
    table.row("host_type 1, auth-none authorizer, proto 13", lossless, || reply(Who::mon()));
    for (name, kind) in [("4 (osd)", EntityType::OSD), ("16 (mgr)", EntityType::MGR)] {
        let probe = format!("host_type {name}, no authorizer, proto 15");
        table.row(&probe, OPENS, || reply(Who::new(kind)));
    }
    table.row("client with connect_seq 5, unknown", "SEQ, cseq 6, proto 15, lossy, in_seq 0", || {
        Peer::dial(at, &Who::client()).unwrap().connect(1, 5).unwrap().to_string()
    });
    table.row("client with an auth-none authorizer", OPENS, || {
        let authorizer = msgr::wire::authorizer::auth_none(EntityType::CLIENT, "admin", 4107);
        reply(Who { authorizer, ..Who::client() })
    });
    table.row("own address with family 0", OPENS, || {
        let who = Who::client();
        reply(Who { addr: EntityAddr::blank(who.addr.nonce), ..who })
    });
}

fn frames(table: &mut Table, mon: &Mon) {
    let open = || Peer::open(mon.socket(), &Who::client()).unwrap().0;
    let ping = |peer: &mut Peer| peer.outgoing(kind::PING, Vec::new(), Vec::new());
    // What comes of one message that is a ping but for what `change` does to it or its frame.
    let changed = |change: fn(&mut Outgoing), garble: fn(&mut Vec<u8>)| {
        let mut peer = open();
        let mut message = ping(&mut peer);
        change(&mut message);
        let mut bytes = message.frame(peer.features());
        garble(&mut bytes);
        peer.say(&bytes).unwrap();
        next(&mut peer)
    };
    table.row("the usual (inverted) crc32c in the header", "closed", || {
        changed(
            |_| {},
            |bytes| {
                // That of most libraries is Ceph's from all ones, inverted.
                let usual = !crc32c(u32::MAX, &bytes[1..HEADER_CRC_AT]);
                bytes[HEADER_CRC_AT..HEADER_CRC_AT + 4].copy_from_slice(&usual.to_le_bytes());
            },
        )
    });
    table.row("flag NOCRC, with 3 bytes of data", "pong, seq 1", || {
        let no_crc = |message: &mut Outgoing| {
            message.data = b"abc".to_vec();
            message.header.data_len = 3;
            message.footer.no_data_crc = true;
        };
        changed(no_crc, |_| {})
    });
    table.row("flag COMPLETE clear", "closed", || changed(|message| message.footer.complete = false, |_| {}));
    table.row("seq jumps 0 -> 11", "pong, seq 1", || changed(|message| message.header.seq = 11, |_| {}));
    table.row("KEEPALIVE2", "KEEPALIVE2_ACK with the same 8 bytes", || {
        let mut peer = open();
        let stamp = Stamp { sec: 1_600_000_000, nsec: 500_000_000 };
        peer.say(&frame::keepalive2(stamp)).unwrap();
        match peer.read() {
            Ok(Piece::KeepaliveAck(echoed)) if echoed == stamp => "KEEPALIVE2_ACK with the same 8 bytes".to_owned(),
            other => told(other),
        }
    });
    for (probe, bytes) in [("CLOSE", tag::CLOSE), ("an unknown tag", 0x63)] {
        table.row(probe, "closed", || {
            let mut peer = open();
            peer.say(&[bytes]).unwrap();
            next(&mut peer)
        });
    }
    table.row("a wrong banner", "closed", || {
        let mut peer = Peer::hush(mon.socket(), &Who::client()).unwrap();
        // It reads the address before it judges.
        peer.say(&[&b"ceph v028"[..], &[0; ADDRESS_LEN]].concat()).unwrap();
        next(&mut peer)
    });
    table.row("a frame sent byte by byte", "pong, seq 1", || {
        let mut peer = open();
        let frame = ping(&mut peer).frame(peer.features());
        frame.chunks(1).for_each(|byte| peer.say(byte).unwrap());
        next(&mut peer)
    });
}

/// The monitor's next piece, in words.
fn next(peer: &mut Peer) -> String {
    told(peer.read())
}

fn told(piece: io::Result<Piece>) -> String {
    piece.map_or_else(|error| format!("{error}"), |piece| piece.to_string())
}
