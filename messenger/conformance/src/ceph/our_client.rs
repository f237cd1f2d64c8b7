//! Rows with one of our messengers as a client or a daemon that the monitor serves.

use std::thread;
use std::time::Instant;

use msgr::wire::features::{KEEPALIVE2, MSG_AUTH, NOSRCADDR, RECONNECT_SEQ, SUPPORTED};
use msgr::wire::{Stamp, authorizer, tag};
use msgr::{EntityType, Message, MessengerFactory};

use super::bare_client::{OPENS, REQUIRED};
use super::body::{self, kind};
use super::mon;
use super::piece::Piece;
use super::table::Table;
use super::tap::{Party, Tap};
use super::us::{self, client, connect, connected, ping, plain_client, pong};
use super::who::nonce;
use crate::{Node, PATIENCE};

/// All of them.
pub(super) fn rows(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    conversation(table, mon, factory);
    handshakes(table, mon, factory);
}

/// What a client says to a monitor, dialled without anything in between.
fn conversation(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    let facts = "pong of mon.0: seq 1, tid 0, priority 196, version 1, compat 0; a text in JSON, in which mon a leads \
                 quorum [0] of the cluster and tells the address dialled";
    table.row("MPing", facts, || {
        let node = plain_client(factory, nonce());
        ping(&connect(&node, mon.address()));
        let pong = node.message();
        let Message { seq, tid, priority, version, compat_version, .. } = pong;
        let source = pong.source.unwrap();
        let status = body::status(&pong.front).unwrap();
        assert!(status["health"]["status"].as_str().unwrap().starts_with("HEALTH_"), "{status}");
        let its = &status["mon_status"];
        assert_eq!((its["rank"].as_u64(), its["monmap"]["fsid"].as_str()), (Some(0), Some(mon.fsid())), "{status}");
        let same = its["monmap"]["mons"][0]["addr"] == format!("{}/0", mon.socket());
        let (name, quorum) = (its["name"].as_str().unwrap(), &its["quorum"]);
        let leads = if its["state"] == "leader" { "leads" } else { "does not lead" };
        format!(
            "pong of {source}: seq {seq}, tid {tid}, priority {priority}, version {version}, compat {compat_version}; \
             a text in JSON, in which mon {name} {leads} quorum {quorum} of the cluster and tells {}",
            if same { "the address dialled" } else { "another address" }
        )
    });
    let facts = "MAuthReply: protocol 1, result 0, a global_id; unasked: MMonMap, priority 196, of the cluster, \
                 with mon a at the address dialled";
    table.row("MAuth offering none", facts, || {
        let node = plain_client(factory, nonce());
        let auth = Message::new(kind::AUTH).with_front(body::auth("admin"));
        connect(&node, mon.address()).send_message(auth).unwrap();
        let (reply, map) = (node.message(), node.message());
        assert_eq!((reply.kind, map.kind), (kind::AUTH_REPLY, kind::MON_MAP));
        let reply = body::auth_reply(&reply.front).unwrap();
        let priority = map.priority;
        let map = body::mon_map(&map.front).unwrap();
        let the_mon = [("a".to_owned(), vec![mon.address()])];
        format!(
            "MAuthReply: protocol {}, result {}, {} global_id; unasked: MMonMap, priority {priority}, of {}, {}",
            reply.protocol,
            reply.result,
            if reply.global_id > 0 { "a" } else { "no" },
            if map.fsid == mon.fsid() { "the cluster" } else { "another cluster" },
            if map.mons == the_mon { "with mon a at the address dialled" } else { "with other monitors" },
        )
    });
    table.row("KEEPALIVE2", "KEEPALIVE2_ACK with the same 8 bytes", || {
        let node = plain_client(factory, nonce());
        let tap = Tap::new(mon.address(), node.address());
        let connection = connect(&node, tap.mon());
        tap.opening();
        connected(&node);
        connection.send_keepalive();
        let asked = tap.until(|log| {
            log.iter().find_map(|event| if let Piece::Keepalive(stamp) = event.piece { Some(stamp) } else { None })
        });
        let begun = Instant::now();
        let (sec, nsec) = loop {
            if let Some(echoed) = connection.last_keepalive_ack() {
                break echoed;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer");
            thread::yield_now();
        };
        let same = if asked == (Stamp { sec, nsec }) { "the same" } else { "other" };
        format!("KEEPALIVE2_ACK with {same} 8 bytes")
    });
}

fn handshakes(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    // The first reply to a messenger, and its pong if it is let in.
    let dials = |node: Node, as_peer: EntityType| {
        let tap = Tap::new(mon.address(), node.address());
        let connection = node.messenger.connect_to(as_peer, tap.mon()).unwrap();
        ping(&connection);
        let first = tap.event(|event| event.reply_to_us().is_some());
        let reply = *first.reply_to_us().unwrap();
        let said = if reply.opens() { format!("{reply}; {}", pong(&node)) } else { reply.to_string() };
        (said, reply, tap)
    };
    let told = |node: Node| dials(node, EntityType::MON).0;
    let welcome = format!("{OPENS}; pong, seq 1");
    let offering = |features| client(factory, EntityType::CLIENT, nonce(), features);

    table.row("connect as client", &format!("{welcome}; its gseq counts up"), || {
        let [(said, first, _), (_, second, _)] = [(); 2].map(|()| dials(offering(SUPPORTED), EntityType::MON));
        let up = first.fixed.global_seq < second.fixed.global_seq;
        format!("{said}; its gseq {}", if up { "counts up" } else { "does not count up" })
    });
    table.row("without bit 6 RECONNECT_SEQ", "READY, cseq 1, proto 15, lossy; pong, seq 1", || {
        told(offering(SUPPORTED & !RECONNECT_SEQ))
    });
    let footers = format!("{welcome}; footers of 13 and 13 bytes");
    table.row("without bit 23 MSG_AUTH", &footers, || {
        let (said, _, tap) = dials(offering(SUPPORTED & !MSG_AUTH), EntityType::MON);
        let footer = |from| {
            tap.until(|log| {
                log.iter().filter(|event| event.from == from).find_map(|event| match &event.piece {
                    Piece::Message(message) => Some(message.footer_len),
                    _ => None,
                })
            })
        };
        format!("{said}; footers of {} and {} bytes", footer(Party::Us), footer(Party::Mon))
    });
    for (probe, features) in
        [("features 0", 0), ("features 1, 6, 23 and 42 only", NOSRCADDR | RECONNECT_SEQ | MSG_AUTH | KEEPALIVE2)]
    {
        table.row(probe, REQUIRED, || {
            let (_, reply, _) = dials(offering(features), EntityType::MON);
            let name = if reply.fixed.tag == tag::FEATURES { "FEATURES" } else { "another tag" };
            format!("{name}, of them missing {:#018x}", reply.fixed.features & !features)
        });
    }
    table.row("dialled as if it were an osd (protocol 24)", "BADPROTOVER, proto 15", || {
        dials(offering(SUPPORTED), EntityType::OSD).0
    });
    table.row("host_type 1 (mon), no cluster protocol set", "BADPROTOVER, proto 13", || {
        told(us::Mon { protocol: 0, ..us::Mon::dialling(nonce()) }.start(factory))
    });
    table.row("host_type 1 (mon), no authorizer", "BADAUTHORIZER", || {
        told(us::Mon { authorizer: None, ..us::Mon::dialling(nonce()) }.start(factory))
    });
    let lossless = "SEQ, cseq 1, proto 13, lossless, in_seq 0; pong, seq 1";
    table.row("host_type 1, auth-none authorizer, proto 13", lossless, || {
        told(us::Mon::dialling(nonce()).start(factory))
    });
    for (name, kind) in [("4 (osd)", EntityType::OSD), ("16 (mgr)", EntityType::MGR)] {
        let probe = format!("host_type {name}, no authorizer, proto 15");
        table.row(&probe, &welcome, || told(client(factory, kind, nonce(), SUPPORTED)));
    }
    table.row("client with an auth-none authorizer", &welcome, || {
        let node = offering(SUPPORTED);
        us::shows(&node, authorizer::auth_none(EntityType::CLIENT, "admin", 4107));
        told(node)
    });
}
