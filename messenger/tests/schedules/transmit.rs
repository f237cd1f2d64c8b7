//! Whoever queues something sees to it that it is written, or knows who will.

use std::time::Instant;

use msgr::session::{Cause, Driver, Step};
use msgr::sync::{Arc, Condvar, Mutex, explore, thread};
use msgr::{Connection, EntityType, Message, Messenger, Policy, Throttle};
use msgr_sim::Node;
use msgr_sim::script::message_frame;

use crate::stack::{Driven, Written, connecting, dial, end, flush, node, open};

/// What a writer thread has written, for others to wait for.
#[derive(Default)]
struct Log {
    written: Mutex<Written>,
    grew: Condvar,
}

impl Log {
    fn wait_until(&self, enough: impl Fn(&Written) -> bool) -> Written {
        let mut written = self.written.lock().unwrap();
        while !enough(&written) {
            written = self.grew.wait(written).unwrap();
        }
        written.clone()
    }
}

/// A thread that writes whenever it is told to, until it is told to hang up.
fn writer(driven: &Driven, generation: u64) -> (Arc<Log>, thread::JoinHandle<()>) {
    let log = Arc::new(Log::default());
    let (session, signals, its_log) = (Arc::clone(&driven.session), Arc::clone(&driven.signals), Arc::clone(&log));
    let body = move || {
        loop {
            let told = signals.wait_for(|told| told.transmit || told.hang_up);
            if told.transmit {
                let mut written = Written::default();
                flush(&session, generation, &mut written);
                let mut log = its_log.written.lock().unwrap();
                log.messages.extend(written.messages);
                log.acks.extend(written.acks);
                its_log.grew.notify_all();
            }
            if told.hang_up {
                return;
            }
        }
    };
    (log, thread::spawn(body))
}

/// Sends messages with these numbers from a thread of its own.
fn sender(node: &Arc<Node>, connection: &Connection, tids: std::ops::Range<u64>) -> thread::JoinHandle<()> {
    let (node, connection) = (Arc::clone(node), connection.clone());
    thread::spawn(move || node.send_all(&connection, tids))
}

#[test]
fn messages_of_several_threads_are_all_written_in_the_order_of_each() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossy_client());
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, true);
        // A stack transmits once the session is open.
        driven.signals.transmit();
        let (log, writer) = writer(&driven, link.generation());
        let connection = node.connections().pop().unwrap();
        let senders = [sender(&node, &connection, 0..3), sender(&node, &connection, 10..12)];
        let written = log.wait_until(|written| written.messages.len() == 5);
        let numbers: Vec<_> = written.messages.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let low: Vec<_> = written.tids().into_iter().filter(|tid| *tid < 10).collect();
        let high: Vec<_> = written.tids().into_iter().filter(|tid| *tid >= 10).collect();
        assert_eq!((low, high), (vec![0, 1, 2], vec![10, 11]));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        end(&node);
        writer.join().unwrap();
    });
}

#[test]
fn what_a_reader_answers_is_written_beside_what_others_send() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_client());
        node.on_message(|_, from, message| from.send_message(Message::new(1).with_tid(message.tid + 100)).unwrap());
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, false);
        driven.signals.transmit();
        let (log, writer) = writer(&driven, link.generation());
        let connection = node.connections().pop().unwrap();
        let sender = sender(&node, &connection, 0..2);
        let reader = thread::spawn(move || {
            link.chunk(message_frame(1, b"a").into());
            link.process(Instant::now()).unwrap();
            link.chunk([message_frame(2, b"b"), message_frame(3, b"c")].concat().into());
            link.process(Instant::now()).unwrap();
            link
        });
        let mut written = log.wait_until(|written| written.messages.len() == 5 && written.acks.contains(&3)).tids();
        written.sort_unstable();
        assert_eq!(written, [0, 1, 101, 102, 103]);
        sender.join().unwrap();
        drop(reader.join().unwrap());
        end(&node);
        writer.join().unwrap();
    });
}

#[test]
fn a_send_that_meets_the_loss_of_the_link_makes_the_session_dial() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_peer());
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, false);
        let connection = node.connections().pop().unwrap();
        let sender = sender(&node, &connection, 7..8);
        // The stack: ends the link, asks what is next, and asks again only when it is told.
        link.lost(Cause::Closed, Instant::now());
        let mut link = loop {
            match driven.session.step(driven.driver, Instant::now()) {
                Step::Dial(link) => break link,
                Step::Rest => driven.signals.wait_for(|told| told.step),
                _ => panic!("it neither dials nor rests"),
            };
        };
        open(&mut link, 3, 0, false);
        sender.join().unwrap();
        let mut written = Written::default();
        flush(&driven.session, link.generation(), &mut written);
        assert_eq!(written.messages, [(1, 7)]);
        end(&node);
    });
}

#[test]
fn a_writer_of_the_old_link_takes_nothing_from_the_new_one() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_client());
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, false);
        let connection = node.connections().pop().unwrap();
        let sender = sender(&node, &connection, 0..3);
        let (session, old) = (Arc::clone(&driven.session), link.generation());
        let late = thread::spawn(move || {
            for _ in 0..3 {
                flush(&session, old, &mut Written::default());
            }
        });
        link.lost(Cause::Closed, Instant::now());
        let mut link = dial(&driven);
        open(&mut link, 3, 0, false);
        let mut written = Written::default();
        flush(&driven.session, link.generation(), &mut written);
        sender.join().unwrap();
        late.join().unwrap();
        flush(&driven.session, link.generation(), &mut written);
        assert_eq!(written.messages, [(1, 0), (2, 1), (3, 2)]);
        end(&node);
    });
}

#[test]
fn a_throttled_reader_goes_on_when_the_application_lets_go() {
    explore::schedules(10_000, || {
        let node = node(Policy::lossless_client());
        let throttle = Throttle::new(1);
        node.set_policy_throttlers(EntityType::CLIENT, None, Some(Arc::clone(&throttle)));
        let kept = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let keep = Arc::clone(&kept);
        node.on_message(move |node, _, message| {
            node.record(&message);
            keep.0.lock().unwrap().push(message);
            keep.1.notify_one();
        });
        let driven = connecting(&node);
        let mut link = dial(&driven);
        open(&mut link, 1, 0, false);
        let signals = Arc::clone(&driven.signals);
        let reader = thread::spawn(move || {
            link.chunk((1..=3).flat_map(|seq| message_frame(seq, b"x")).collect::<Vec<_>>().into());
            let mut waiting = link.process(Instant::now()).unwrap().waiting;
            while waiting {
                signals.wait_for(|told| told.resume);
                waiting = link.resume(Instant::now()).unwrap().waiting;
            }
            link
        });
        for _ in 0..3 {
            let mut messages = kept.0.lock().unwrap();
            while messages.is_empty() {
                messages = kept.1.wait(messages).unwrap();
            }
            let message = messages.pop();
            drop(messages);
            drop(message);
        }
        drop(reader.join().unwrap());
        assert_eq!((node.seqs(), throttle.taken()), (vec![1, 2, 3], 0));
        end(&node);
    });
}
