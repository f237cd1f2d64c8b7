//! A second link takes a session over while the first one is still being read.

use std::time::Instant;

use msgr::session::Cause;
use msgr::sync::{Arc, explore, thread};
use msgr::wire::tag;
use msgr::{Messenger, Policy};
use msgr_sim::Node;
use msgr_sim::script::{connect, message_frame};

use crate::stack::{accepted, ask, ask_until_settled, confirm, end, feed, node};

/// Messages that the peer has for the node.
const MESSAGES: u64 = 5;

/// Opens the peer's first link and returns a thread that reads what the peer sent on it, in these batches, and then hands
/// the receive half back when it is told to.
fn first_link(node: &Node, batches: &'static [&'static [u64]]) -> thread::JoinHandle<()> {
    let (mut link, signals) = accepted(node);
    assert_eq!(ask(&mut link, &connect(1, 0)).0.tag, tag::SEQ);
    confirm(&mut link, 0);
    thread::spawn(move || {
        let now = Instant::now();
        for batch in batches {
            if signals.is_hung_up() {
                break;
            }
            link.chunk(batch.iter().flat_map(|seq| message_frame(*seq, b"x")).collect::<Vec<_>>().into());
            link.process(now).unwrap();
        }
        signals.wait_for_hang_up();
        link.lost(Cause::Closed, now);
    })
}

/// The peer's second link: it goes on where the node says that it stands.
fn second_link(node: &Node) {
    let (mut link, _) = accepted(node);
    let (tag, received) = ask_until_settled(&mut link, 2);
    assert_eq!(tag, tag::SEQ);
    confirm(&mut link, 0);
    for seq in received + 1..=MESSAGES {
        link.chunk(message_frame(seq, b"x").into());
        link.process(Instant::now()).unwrap();
    }
}

#[test]
fn nothing_is_lost_or_doubled_however_far_the_old_reader_is() {
    explore::schedules(10_000, || {
        let node = node(Policy::stateful_server());
        let reader = first_link(&node, &[&[1], &[2, 3], &[4]]);
        second_link(&node);
        reader.join().unwrap();
        assert_eq!(node.seqs(), (1..=MESSAGES).collect::<Vec<_>>());
        end(&node);
    });
}

#[test]
fn an_old_reader_that_is_held_up_in_a_callback_is_waited_for() {
    explore::schedules(10_000, || {
        let node = node(Policy::stateful_server());
        node.on_message(|node, _, message| {
            thread::yield_now();
            node.record(&message);
            thread::yield_now();
        });
        let reader = first_link(&node, &[&[1, 2, 3, 4]]);
        second_link(&node);
        reader.join().unwrap();
        assert_eq!(node.seqs(), (1..=MESSAGES).collect::<Vec<_>>());
        end(&node);
    });
}

#[test]
fn a_third_link_does_not_mix_with_the_second() {
    explore::schedules(10_000, || {
        let node = node(Policy::stateful_server());
        let reader = first_link(&node, &[&[1, 2], &[3]]);
        // The peer gives up on its second link before it hears an answer, and the third overtakes it.
        let (mut second, told) = accepted(&node);
        let late = thread::spawn(move || {
            let mut request = connect(2, 2);
            for _ in 0..3 {
                if feed(&mut second, &request).is_err() {
                    break;
                }
                request.global_seq += 1;
                second.take_output();
                if told.is_hung_up() {
                    break;
                }
            }
            second.lost(Cause::Closed, Instant::now());
        });
        let third = thread::spawn({
            let node = Arc::clone(&node);
            move || {
                let (mut link, _) = accepted(&node);
                let mut connect_seq = 2;
                let (tag, received) = loop {
                    match ask_until_settled(&mut link, connect_seq) {
                        // The second was answered, which this peer never heard.
                        (tag::RETRY_SESSION, _) => connect_seq += 1,
                        settled => break settled,
                    }
                };
                assert_eq!(tag, tag::SEQ);
                confirm(&mut link, 0);
                for seq in received + 1..=MESSAGES {
                    link.chunk(message_frame(seq, b"x").into());
                    link.process(Instant::now()).unwrap();
                }
            }
        });
        third.join().unwrap();
        late.join().unwrap();
        reader.join().unwrap();
        assert_eq!(node.seqs(), (1..=MESSAGES).collect::<Vec<_>>());
        end(&node);
    });
}

#[test]
fn a_session_that_is_marked_down_while_it_is_taken_over_delivers_nothing_twice() {
    explore::schedules(10_000, || {
        let node = node(Policy::stateful_server());
        let reader = first_link(&node, &[&[1], &[2, 3], &[4]]);
        let connection = node.connections().pop().unwrap();
        let closer = thread::spawn(move || connection.mark_down());
        let (mut link, signals) = accepted(&node);
        let mut request = connect(2, 2);
        // Unless it finds a closed session or none, and is told to start over, or that it is too late.
        while !signals.is_hung_up() {
            if feed(&mut link, &request).is_err() {
                break;
            }
            let said = link.take_output().flatten().collect::<Vec<u8>>();
            if said[0] != tag::RETRY_GLOBAL {
                break;
            }
            request.global_seq += 1;
            thread::yield_now();
        }
        link.lost(Cause::Closed, Instant::now());
        closer.join().unwrap();
        reader.join().unwrap();
        let seqs = node.seqs();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        assert_eq!(node.stats().msgr_active_connections, 0);
        end(&node);
    });
}
