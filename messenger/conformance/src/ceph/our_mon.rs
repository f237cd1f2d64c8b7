//! Rows with one of our messengers as a monitor among monitors: sessions that outlive their connections.

use std::thread;
use std::time::Instant;

use msgr::{Connection, MessengerFactory};

use super::bare_mon::{DIALS, connect_of};
use super::mon;
use super::piece::Piece;
use super::table::Table;
use super::tap::{Act, Event, Party, Tap, words};
use super::us::{self, connect, connected, ping, pong};
use super::who::nonce;
use crate::{Node, PATIENCE};

/// All of them.
pub(super) fn rows(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    retries(table, mon, factory);
    successor(table, mon, factory);
    it_dials(table, mon, factory);
    race(table, mon, factory);
}

/// A monitor of ours with a session to the monitor, through a tap.
pub(super) struct Ours {
    /// Its messenger.
    pub(super) node: Node,
    /// What stands between the two.
    pub(super) tap: Tap,
    /// Its connection.
    pub(super) connection: Connection,
}

impl Ours {
    /// Starts the messenger, and lets the tap do this with what passes.
    pub(super) fn new(mon: &mon::Mon, us: us::Mon, factory: &dyn MessengerFactory) -> Ours {
        let node = us.start(factory);
        let tap = Tap::new(mon.address(), node.address());
        let connection = connect(&node, tap.mon());
        Ours { node, tap, connection }
    }

    /// Waits until the monitor has acknowledged everything, so that a cut leaves us nothing to send.
    pub(super) fn settle(&self) {
        let begun = Instant::now();
        while self.connection.queued_bytes() > 0 {
            assert!(begun.elapsed() < PATIENCE, "no acknowledgement");
            thread::yield_now();
        }
    }

    /// Exchanges a ping and its answer, each of them acknowledged.
    pub(super) fn exchange(&self) -> String {
        let before = self.acked();
        ping(&self.connection);
        let pong = pong(&self.node);
        self.settle();
        self.tap.until(|log| (acked(log) > before).then_some(()));
        pong
    }

    /// Cuts the connection while nobody has anything to send, and forgets what passed.
    fn cut_and_rest(&self) {
        self.tap.cut(Party::Mon, || self.notice());
        self.tap.forget();
    }

    /// Waits until we have noticed that the connection is cut.
    fn notice(&self) {
        let begun = Instant::now();
        while self.connection.is_connected() {
            assert!(begun.elapsed() < PATIENCE, "it did not notice the cut");
            thread::yield_now();
        }
    }

    fn acked(&self) -> usize {
        self.tap.until(|log| Some(acked(log)))
    }
}

/// How often we acknowledged something.
fn acked(log: &[Event]) -> usize {
    log.iter().filter(|event| event.from == Party::Us && matches!(event.piece, Piece::Ack(_))).count()
}

fn retries(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    table.row("lossless: ping", "pong, seq 1 and ACK 1; we ack 1", || {
        let ours = Ours::new(mon, us::Mon::dialling(nonce()), factory);
        ours.exchange();
        let is = |from, ack| {
            move |event: &Event| event.from == from && matches!(event.piece, Piece::Ack(_)) == ack && is_frame(event)
        };
        let [pong, ack] = [false, true].map(|ack| ours.tap.event(is(Party::Mon, ack)).piece);
        let Piece::Ack(seq) = ours.tap.event(is(Party::Us, true)).piece else { unreachable!("it was asked for") };
        format!("{pong} and {ack}; we ack {seq}")
    });
    let reconnects = "RETRY_GLOBAL 1; SEQ, cseq 3, proto 13, lossless, in_seq 1; pong, seq 2";
    table.row("cut while both sides rest, then we send", reconnects, || {
        let ours = Ours::new(mon, us::Mon::dialling(nonce()), factory);
        ours.exchange();
        ours.cut_and_rest();
        ping(&ours.connection);
        format!("{}; {}", ours.tap.opening(), pong(&ours.node))
    });
    let misses = "RETRY_GLOBAL 1; (cut: SEQ, cseq 3, proto 13, lossless, in_seq 1); RETRY_SESSION 4; RETRY_GLOBAL 3; \
                  SEQ, cseq 5, proto 13, lossless, in_seq 1; pong, seq 2";
    table.row("the same, and we miss the reply: it stands by with a higher cseq", misses, || {
        let ours = Ours::new(mon, us::Mon::dialling(nonce()), factory);
        ours.exchange();
        let mut missed = false;
        ours.tap.rule(move |event| {
            let misses = !missed && event.reply_to_us().is_some_and(|reply| reply.opens());
            missed |= misses;
            if misses { Act::Cut } else { Act::Pass }
        });
        ours.cut_and_rest();
        ping(&ours.connection);
        let pong = pong(&ours.node);
        let replies = ours.tap.until(|log| {
            let replies = log.iter().filter_map(|event| {
                let reply = event.reply_to_us()?;
                Some(if event.act == Act::Cut { format!("(cut: {reply})") } else { reply.to_string() })
            });
            Some(words(replies))
        });
        format!("{replies}; {pong}")
    });
}

/// Whether it is what follows the handshake.
fn is_frame(event: &Event) -> bool {
    matches!(event.piece, Piece::Message(_) | Piece::Ack(_))
}

/// A messenger starts over with the address of one that the monitor still has a session with.
fn successor(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    let facts = "RETRY_GLOBAL 1; READY, cseq 1, proto 13, lossless; the old socket: closed by the monitor; a pong";
    table.row("cseq 0 while it has a session that is open", facts, || {
        let nonce = nonce();
        let old = Ours::new(mon, us::Mon::dialling(nonce), factory);
        old.exchange();
        let new = Ours::new(mon, us::Mon::dialling(nonce), factory);
        ping(&new.connection);
        let replies = new.tap.opening();
        let closed = old.tap.event(|event| matches!(event.piece, Piece::Closed));
        let by = if closed.from == Party::Mon { "the monitor" } else { "us" };
        let seq = new.node.message().seq;
        // Its numbers start at random after a reset.
        format!("{replies}; the old socket: closed by {by}; {} pong", if seq > 0 { "a" } else { "no" })
    });
    let facts = "RETRY_GLOBAL 3; RETRY_GLOBAL 3; READY, cseq 1, proto 13, lossless";
    table.row("the same with a lower global_seq", facts, || {
        let nonce = nonce();
        let old = Ours::new(mon, us::Mon::dialling(nonce), factory);
        old.exchange();
        old.cut_and_rest();
        old.exchange();
        let gseq =
            old.tap.until(|log| log.iter().filter_map(Event::our_connect).next_back().map(|last| last.global_seq));
        assert_eq!(gseq, 3);
        let new = Ours::new(mon, us::Mon::dialling(nonce), factory);
        new.tap.opening()
    });
}

impl Ours {
    /// Brings about a session in which the monitor has a pong that we have not received, and, if `both`, we have a ping
    /// that it has not acknowledged; then cuts, under the rule given. Who has something dials.
    fn cut_owing(&self, both: bool, rule: impl FnMut(&Event) -> Act + Send + 'static) {
        self.tap.rule(move |event| {
            let lost = event.is_from_mon() || both && event.from == Party::Mon && matches!(event.piece, Piece::Ack(_));
            if lost { Act::Drop } else { Act::Pass }
        });
        ping(&self.connection);
        for ack in [false, true] {
            let its = move |event: &Event| {
                event.from == Party::Mon && is_frame(event) && matches!(event.piece, Piece::Ack(_)) == ack
            };
            self.tap.event(its);
        }
        if !both {
            self.settle();
        }
        self.tap.rule(rule);
        self.tap.forget();
        // We notice first, so that the monitor's dial finds us as we are to be found.
        self.tap.cut(Party::Us, || self.notice());
    }

    /// What we answered to the monitor's connects until we let it in or told it to wait, in words.
    fn our_replies(&self) -> String {
        self.tap.until(|log| {
            let replies: Vec<_> = log
                .iter()
                .filter_map(|event| match &event.piece {
                    Piece::Reply(reply) if event.from == Party::Us => Some(reply),
                    _ => None,
                })
                .collect();
            let last = replies.last()?;
            let done = last.opens() || last.fixed.tag == msgr::wire::tag::WAIT;
            done.then(|| words(replies.iter()))
        })
    }
}

/// What the monitor owes is sent on the connection that it dials itself.
fn it_dials(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    let facts = format!(
        "{DIALS}; we: SEQ, cseq 3, proto 13, lossless, in_seq 0; it: in_seq 1; heard: accept, empty pong, seq 1; next: \
         pong, seq 2"
    );
    table.row("lossless: TCP is cut before its pong has arrived", &facts, || {
        let ours = Ours::new(mon, us::Mon::listening(nonce()), factory);
        ours.tap.opening();
        connected(&ours.node);
        ours.cut_owing(false, |_| Act::Pass);
        let connect = ours.tap.event(|event| event.from == Party::Mon && matches!(event.piece, Piece::Connect(..)));
        assert_eq!(connect.dialled_by, Party::Mon);
        let Piece::Connect(connect, authorizer) = connect.piece else { unreachable!("it was asked for") };
        let in_seq = ours.tap.event(|event| event.from == Party::Mon && matches!(event.piece, Piece::InSeq(_)));
        // The two are told by threads of their own, in either order.
        let mut told = [(); 2].map(|()| us::told(&ours.node.hear(|_| true)));
        told.sort_unstable();
        let (connect, we) = (connect_of(&connect, &authorizer), ours.our_replies());
        format!("{connect}; we: {we}; it: {}; heard: {}; next: {}", in_seq.piece, told.join(", "), ours.exchange())
    });
}

/// Both sides have something to send when TCP is cut, and dial at once.
fn race(table: &mut Table, mon: &mon::Mon, factory: &dyn MessengerFactory) {
    let start = |smaller: bool| {
        let nonce = if smaller { 0 } else { nonce() };
        let ours = Ours::new(mon, us::Mon::listening(nonce), factory);
        let (us, as_it_sees_us) = (ours.node.address(), ours.tap.us().unwrap());
        let as_it_sees_us = msgr::EntityAddr::new(as_it_sees_us, nonce);
        assert_eq!((us < ours.tap.mon(), as_it_sees_us < mon.address()), (smaller, smaller), "{us} {as_it_sees_us}");
        ours.tap.opening();
        connected(&ours.node);
        // Both dials are held at their first word to the other until both are there.
        ours.cut_owing(true, |event| if is_dial(event) { Act::Hold } else { Act::Pass });
        ours.tap.event(|event| is_dial(event) && event.from == Party::Us);
        ours.tap.event(|event| is_dial(event) && event.from == Party::Mon);
        ours
    };
    // The dial of one side goes on, that of the other is held for now.
    let first = |ours: &Ours, party: Party| {
        ours.tap.rule(move |event| if is_dial(event) && event.from != party { Act::Hold } else { Act::Pass });
    };
    let end = |ours: &Ours| {
        let first = pong(&ours.node);
        format!("{first}; next: {}", ours.exchange())
    };
    let resumed = "empty pong, seq 1; next: pong, seq 2";

    let facts = format!("WAIT; then its dial, we: SEQ, cseq 3, proto 13, lossless, in_seq 0; {resumed}");
    table.row("both dial, ours comes first, our address greater", &facts, || {
        let ours = start(false);
        first(&ours, Party::Us);
        let reply = ours.tap.replies(|_| true);
        ours.tap.pass();
        format!("{reply}; then its dial, we: {}; {}", ours.our_replies(), end(&ours))
    });
    let facts = format!("RETRY_GLOBAL 1; SEQ, cseq 3, proto 13, lossless, in_seq 1; {resumed}");
    table.row("both dial, ours comes first, our address smaller", &facts, || {
        let ours = start(true);
        first(&ours, Party::Us);
        let replies = ours.tap.opening();
        ours.tap.pass();
        format!("{replies}; {}", end(&ours))
    });
    let facts = format!("we: SEQ, cseq 3, proto 13, lossless, in_seq 0; {resumed}");
    table.row("both dial, its comes first, our address greater", &facts, || {
        let ours = start(false);
        first(&ours, Party::Mon);
        let replies = ours.our_replies();
        ours.tap.pass();
        format!("we: {replies}; {}", end(&ours))
    });
    let facts =
        format!("we: WAIT; then our dial: RETRY_GLOBAL 1; SEQ, cseq 3, proto 13, lossless, in_seq 1; {resumed}");
    table.row("both dial, its comes first, our address smaller", &facts, || {
        let ours = start(true);
        first(&ours, Party::Mon);
        let reply = ours.our_replies();
        ours.tap.pass();
        format!("we: {reply}; then our dial: {}; {}", ours.tap.opening(), end(&ours))
    });
}

/// The connector's first word on a connection.
fn is_dial(event: &Event) -> bool {
    matches!(event.piece, Piece::Banner)
}
