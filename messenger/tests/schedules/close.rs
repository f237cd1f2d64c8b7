//! The end of a session, however it meets those who send, write and read: every message is written or counted as dropped,
//! and nothing is written by an older link once the call that ended it has returned.

use std::time::Instant;

use msgr::session::{Cause, Driver, Outbox, Refill, Step};
use msgr::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use msgr::sync::{Arc, explore, thread};
use msgr::wire::frame;
use msgr::{EntityType, Message, Messenger, Policy};
use msgr_sim::Seen;
use msgr_sim::script::{addr, message_frame};

use crate::stack::{PEER, Written, connecting, dial, end, node, open};

/// Messages that each of two threads sends while the connection is closed.
const MESSAGES: u64 = 3;

/// Two threads send, one writes, one reads `acks`, and one marks the connection down.
fn close_in_the_middle(policy: &Policy, lossy: bool, acks: u64) {
    let node = node(policy.clone());
    let driven = connecting(&node);
    let mut link = dial(&driven);
    open(&mut link, 1, 0, lossy);
    let generation = link.generation();
    driven.signals.transmit();
    let connection = node.connections().pop().unwrap();
    let down = Arc::new(AtomicBool::new(false));
    let (late, was_down) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&down));
    let its_late = Arc::clone(&late);
    node.on_message(move |_, _, _| {
        if was_down.load(SeqCst) {
            its_late.fetch_add(1, SeqCst);
        }
    });

    let senders = [0, 100].map(|first| {
        let (node, connection) = (Arc::clone(&node), connection.clone());
        thread::spawn(move || node.send_all(&connection, first..first + MESSAGES))
    });
    let closer = thread::spawn({
        let (connection, down) = (connection.clone(), Arc::clone(&down));
        move || {
            connection.mark_down();
            down.store(true, SeqCst);
        }
    });
    let reader = thread::spawn({
        let signals = Arc::clone(&driven.signals);
        move || {
            let now = Instant::now();
            let messages: Vec<u8> = (1..=4).flat_map(|seq| message_frame(seq, b"x")).collect();
            let input = [&frame::ack(acks)[..], &messages].concat();
            link.chunk(input.into());
            link.process(now).unwrap();
            signals.wait_for_hang_up();
            link.lost(Cause::Closed, now);
        }
    });
    let writer = thread::spawn({
        let (session, signals, down) = (Arc::clone(&driven.session), Arc::clone(&driven.signals), Arc::clone(&down));
        move || {
            let (mut outbox, mut written) = (Outbox::new(), Written::default());
            while !signals.wait_for_transmit_or_end() {
                loop {
                    let was_down = down.load(SeqCst);
                    let refill = outbox.refill(&session, generation);
                    assert!(!was_down || refill == Refill::Empty, "written after mark_down: {:?}", outbox.len());
                    if refill == Refill::Empty {
                        break;
                    }
                    written.take(&mut outbox);
                }
            }
            written
        }
    });

    senders.into_iter().for_each(|sender| sender.join().unwrap());
    closer.join().unwrap();
    reader.join().unwrap();
    let written = writer.join().unwrap().messages.len() as u64;
    // The one that was on its way to the dispatcher.
    assert!(late.load(SeqCst) <= 1, "{} messages came after mark_down", late.load(SeqCst));
    let stats = node.stats();
    assert_eq!(stats.msgr_send_messages, written);
    if lossy {
        assert_eq!(written + stats.msgr_drop_closed_messages, 2 * MESSAGES, "{stats:?}");
    } else {
        // What was written and not acknowledged is lost with the session too. An acknowledgement may have come too early to
        // count for anything.
        let dropped = stats.msgr_drop_closed_messages;
        assert!((2 * MESSAGES - acks.min(written)..=2 * MESSAGES).contains(&dropped), "{stats:?}");
    }
    assert_eq!((stats.msgr_active_connections, connection.is_connected()), (0, false));
    assert_eq!(connection.queued_bytes(), 0);
    end(&node);
}

#[test]
fn a_lossy_session_that_is_marked_down_writes_or_drops_each_message() {
    explore::schedules(10_000, || close_in_the_middle(&Policy::lossy_client(), true, 0));
}

#[test]
fn a_lossless_session_that_is_marked_down_drops_what_was_not_acknowledged() {
    explore::schedules(10_000, || close_in_the_middle(&Policy::lossless_client(), false, 2));
}

#[test]
fn a_link_that_is_lost_while_the_session_is_marked_down_ends_it_once() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_peer());
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, false);
        let connection = node.connections().pop().unwrap();
        connection.send_message(Message::new(1)).unwrap();
        let loses = thread::spawn(move || link.lost(Cause::Closed, Instant::now()));
        let closes = thread::spawn({
            let node = Arc::clone(&node);
            move || node.mark_down(addr(PEER, 0))
        });
        let disposes = thread::spawn({
            let connection = connection.clone();
            move || connection.mark_disposable()
        });
        for thread in [loses, closes, disposes] {
            thread.join().unwrap();
        }
        // By address, so with a reset; and only one, whoever came first.
        assert_eq!(node.events().iter().filter(|seen| **seen == Seen::Reset).count(), 1);
        let stats = node.stats();
        assert_eq!((stats.msgr_active_connections, stats.msgr_drop_closed_messages), (0, 1));
        assert!(matches!(driven.session.step(driven.driver, Instant::now()), Step::Gone));
        end(&node);
    });
}

#[test]
fn no_session_is_left_behind_by_a_shutdown() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_client());
        let connects = thread::spawn({
            let node = Arc::clone(&node);
            move || node.connect_to(EntityType::CLIENT, addr(PEER, 0)).ok()
        });
        node.shutdown();
        if let Some(connection) = connects.join().unwrap() {
            connection.send_message(Message::new(1)).unwrap();
            assert_eq!(node.stats().msgr_drop_closed_messages, 1, "it outlived the shutdown");
        }
        node.wait().unwrap();
    });
}
