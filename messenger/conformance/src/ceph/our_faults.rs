//! Rows with one of our messengers when connections break at random, and when the monitor itself dies.

use msgr::{Connection, MessengerFactory};

use super::mon;
use super::our_mon::Ours;
use super::table::Table;
use super::tap::Act;
use super::us::{self, connect, connected, ping, plain_client, told};
use super::who::nonce;
use crate::{Heard, Node};

/// Connections that break while pings are on their way; fewer would show little.
const BREAKS_MIN: u64 = 10;
/// Pings sent at least.
const PINGS_MIN: usize = 300;
/// Pings after which enough must have broken.
const PINGS_MAX: usize = 20_000;
/// Pings on their way at once.
const WINDOW: usize = 16;

/// All of them. The last ones kill the monitor.
pub(super) fn rows(table: &mut Table, mon: &mut mon::Mon, factory: &dyn MessengerFactory) {
    breaks(table, mon, factory);
    death(table, mon, factory);
}

/// Pings in a row, answered over connections that break at any point, in the handshake too.
fn breaks(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    /// One piece in so many is not passed on, and its connection cut instead.
    const ONE_IN: u32 = 30;
    let facts = format!("a pong for each, once and in order; over {BREAKS_MIN} breaks; we replayed");
    for (order, smaller) in [("greater", false), ("smaller", true)] {
        table.row(&format!("300 pings and more over cut connections, our address {order}"), &facts, || {
            let ours = Ours::new(mon, us::Mon::listening(if smaller { 0 } else { nonce() }), factory);
            let mut random = fastrand::Rng::with_seed(7);
            ours.tap.rule(move |_| if random.u32(..ONE_IN) == 0 { Act::Cut } else { Act::Pass });
            let cuts = || ours.tap.until(|log| Some(log.iter().filter(|event| event.act == Act::Cut).count() as u64));
            converse(&ours.node, &ours.connection, cuts)
        });
    }
    table.row("300 pings and more over sockets that fail, nothing in between", &facts, || {
        let node = us::Mon { failures: "30", ..us::Mon::listening(nonce()) }.start(factory);
        let failures = || node.messenger.stats().msgr_injected_socket_failures;
        converse(&node, &connect(&node, mon.address()), failures)
    });
}

/// Pings until enough connections broke, and waits for all pongs.
fn converse(node: &Node, connection: &Connection, breaks: impl Fn() -> u64) -> String {
    let replayed = || node.messenger.stats().msgr_replayed_messages > 0;
    let (mut pings, mut pongs) = (0, Vec::new());
    while pings < PINGS_MIN || pings < PINGS_MAX && (breaks() <= BREAKS_MIN || !replayed()) {
        ping(connection);
        pings += 1;
        if pings > WINDOW {
            pongs.push(node.message().seq);
        }
    }
    while pongs.len() < pings {
        pongs.push(node.message().seq);
    }
    let more = node.rest().iter().any(|heard| matches!(heard, Heard::Fast(..)));
    let in_order = pongs.into_iter().eq(1..=pings as u64);
    format!(
        "{}, {} in order; {} {BREAKS_MIN} breaks; we {}",
        if more { "more than a pong for each" } else { "a pong for each" },
        if in_order { "once and" } else { "not" },
        if breaks() > BREAKS_MIN { "over" } else { "not over" },
        if replayed() { "replayed" } else { "did not replay" },
    )
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
    for (node, connection) in [(&direct, &to_mon), (&tapped.node, &tapped.connection), (&client, &from_client)] {
        connected(node);
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
    table.row("the monitor restarted: a lossless peer hears", "remote_reset, connect, a pong", || {
        let events = until_a_pong(&direct, &to_mon);
        assert!(direct.messenger.stats().msgr_drop_reset_messages > 0, "nothing was lost to the reset");
        events
    });
    let resets =
        "RESETSESSION; SEQ, cseq 1, proto 13, lossless, in_seq 0; heard: remote_reset, connect; then pong, seq 1";
    table.row("mon peer, unknown session (cut with cseq 1)", resets, || {
        let replies = tapped.tap.opening();
        let events = events(&tapped.node, 2);
        ping(&tapped.connection);
        format!("{replies}; heard: {events}; then {}", us::pong(&tapped.node))
    });
}

/// The next events of connections, in words; messages are passed over, and so are refused dials if more is awaited.
fn events(node: &Node, count: usize) -> String {
    let mut events: Vec<String> = Vec::new();
    while events.len() < count {
        match node.hear(|_| true) {
            Heard::Fast(..) => {}
            Heard::Refused(_) if count > 1 => {}
            heard => events.push(told(&heard)),
        }
    }
    events.join(", ")
}

/// The events from the monitor's restart until it has answered a ping, which is sent when a connection opens.
fn until_a_pong(node: &Node, connection: &Connection) -> String {
    let mut events: Vec<String> = Vec::new();
    let (opened, answered) = ("connect", "a pong");
    while events.last().is_none_or(|last| last != answered) {
        match node.hear(|_| true) {
            Heard::Fast(..) if events.last().is_some_and(|last| last == opened) => events.push(answered.to_owned()),
            // Refused while it was away, and pongs from before.
            Heard::Refused(_) | Heard::Fast(..) => {}
            heard => {
                events.push(told(&heard));
                if matches!(heard, Heard::Connect(_)) {
                    ping(connection);
                }
            }
        }
    }
    // Who dials while it starts may meet it twice: it lets peers in, and forgets them all when it takes its rank.
    if let [first, second, third, fourth, _] = &events[..]
        && (first, second) == (third, fourth)
    {
        events.drain(..2);
    }
    events.join(", ")
}
