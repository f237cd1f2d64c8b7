//! Rows with one of our messengers when connections break at random, and when the monitor itself dies.

use msgr::wire::tag;
use msgr::{MessengerFactory, Policy};

use super::mon;
use super::our_mon::Ours;
use super::peer::nonce;
use super::table::Table;
use super::tap::Act;
use super::us::{self, connect, ping, plain_client, told};
use crate::{Heard, Node};

/// All of them. The last one kills the monitor.
pub fn rows(table: &mut Table, mon: &mut mon::Mon, factory: &dyn MessengerFactory) {
    cuts(table, mon, factory);
    death(table, mon, factory);
}

/// Pings in a row, answered over connections that are cut before any piece, of the handshake too.
fn cuts(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    const PINGS: u64 = 300;
    /// Pings on their way at once.
    const WINDOW: u64 = 16;
    /// One piece in so many is not passed on, and its connection cut instead.
    const ONE_IN: u32 = 30;
    /// Fewer would show little.
    const CUTS_MIN: usize = 10;
    let facts = format!("{PINGS} pongs, each once and in order; over {CUTS_MIN} cuts; we replayed");
    for (order, smaller) in [("greater", false), ("smaller", true)] {
        let probe = format!("{PINGS} pings over cut connections, our address {order}");
        table.row(&probe, &facts, || {
            let ours = Ours::new(mon, us::Mon::listening(if smaller { 0 } else { nonce() }), factory);
            let mut random = fastrand::Rng::with_seed(7);
            ours.tap.rule(move |_| if random.u32(..ONE_IN) == 0 { Act::Cut } else { Act::Pass });
            let mut seqs = Vec::new();
            for n in 0..PINGS + WINDOW {
                if n < PINGS {
                    ping(&ours.connection);
                }
                if n >= WINDOW {
                    seqs.push(ours.node.message().seq);
                }
            }
            ours.tap.pass();
            let more = ours.node.heard.try_iter().filter(|heard| matches!(heard, Heard::Fast(..))).count();
            let in_order = seqs.iter().copied().eq(1..=PINGS) && more == 0;
            let cuts = ours.tap.until(|log| Some(log.iter().filter(|event| event.act == Act::Cut).count()));
            let replayed = ours.node.messenger.stats().msgr_replayed_messages > 0;
            format!(
                "{} pongs, {}; {} {CUTS_MIN} cuts; we {}",
                seqs.len() + more,
                if in_order { "each once and in order" } else { "not each once and in order" },
                if cuts > CUTS_MIN { "over" } else { "not over" },
                if replayed { "replayed" } else { "did not replay" },
            )
        });
    }
}

/// The monitor is killed in the middle of a conversation with two monitors of ours and a client, and started again.
fn death(table: &mut Table, mon: &mut mon::Mon, factory: &dyn MessengerFactory) {
    /// Pings of which the monitor answers some before it is killed.
    const PINGS: usize = 500;
    let direct = us::Mon::dialling(nonce()).start(factory);
    let to_mon = connect(&direct, mon.address());
    let tapped = Ours::new(mon, us::Mon::dialling(nonce()), factory);
    let client = plain_client(factory, nonce());
    let from_client = connect(&client, mon.address());
    let talk = [(&direct, &to_mon), (&tapped.node, &tapped.connection), (&client, &from_client)];
    for (node, connection) in talk {
        ping(connection);
        node.message();
    }
    for _ in 0..PINGS {
        ping(&to_mon);
    }
    direct.message();
    assert!(mon.kill(), "the monitor had died before");
    // It may have acknowledged all of the others.
    ping(&to_mon);

    table.row("kill -9 of the monitor: a client hears", "reset", || events(&client, 1));
    table.row("a lossless peer with something to send hears, while it dials", "refused", || events(&direct, 1));
    tapped.tap.forget();
    mon.restart();
    // What it has to send makes it dial.
    ping(&tapped.connection);
    table.row("the monitor restarted: a lossless peer hears", "remote_reset, connect; then pong, seq 1", || {
        let events = events(&direct, 2);
        let lost = direct.messenger.stats().msgr_drop_reset_messages;
        assert!(lost > 0, "nothing was lost to the reset");
        ping(&to_mon);
        format!("{events}; then {}", us::pong(&direct))
    });
    let resets = "RESETSESSION; SEQ, cseq 1, proto 13, lossless, in_seq 0; heard: remote_reset, connect; then pong, seq 1";
    table.row("mon peer, unknown session (it was cut with cseq 1)", resets, || {
        let replies = tapped.tap.opening();
        let events = events(&tapped.node, 2);
        ping(&tapped.connection);
        format!("{replies}; heard: {events}; then {}", us::pong(&tapped.node))
    });
}

/// The next events of connections, in words; messages are passed over, and so are refused dials after the first.
fn events(node: &Node, count: usize) -> String {
    let mut events: Vec<String> = Vec::new();
    while events.len() < count {
        events.push(node.hear(|heard| {
            let skip = matches!(heard, Heard::Fast(..)) || matches!(heard, Heard::Refused(_)) && count > 1;
            (!skip).then(|| told(&heard))
        }));
    }
    events.join(", ")
}
