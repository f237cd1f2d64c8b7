//! What a messenger tells of itself: its counters, and where the time of messages goes.

use std::thread;
use std::time::Duration;

use msgr::{Message, MessengerFactory, Policy, Stage};

use crate::node::eventually;
use crate::started::Started;
use crate::{Plan, echo};

/// After a rest this long a thread with nothing to do sleeps, also one that polls for
/// `ms_async_rdma_polling_us` (1 ms) first and would otherwise never need to be woken.
const DROWSY: Duration = Duration::from_millis(5);

/// How many messages, or wake-ups, a stage has timed.
fn timed(messenger: &Started, stage: Stage) -> u64 {
    let stages = messenger.stages().expect("stages are timed");
    stages.counts(stage).iter().map(|(_, count)| count).sum()
}

/// Every message is once in each stage that it passes, whichever way it is dispatched, and wake-ups are timed.
pub fn every_message_passes_each_stage_once_while_stages_are_timed(factory: &dyn MessengerFactory) {
    let on = |plan: Plan| plan.with("ms_stage_histograms", "true");
    let server = on(Plan::server(Policy::stateless_server())).reacting(echo()).start(factory);
    // A worker that writes for others is one that is woken.
    let client = on(Plan::client(Policy::lossy_client())).with("ms_async_send_inline", "false").queued().start(factory);
    let connection = client.connect(server.address());
    let mut messages = 0;
    eventually("a sleeping thread was woken", || {
        thread::sleep(DROWSY);
        client.ask(&connection, Message::new(1).with_data(vec![7; 6000]));
        messages += 1;
        timed(&client.messenger, Stage::Woken) > 0
    });
    for node in [&server, &client] {
        for stage in [Stage::Queued, Stage::Written, Stage::Read, Stage::Dispatched] {
            // What is timed last is timed after the peer may have heard of it.
            eventually("every message has passed the stage", || timed(&node.messenger, stage) == messages);
        }
    }
}

/// A message to oneself is neither written nor read.
pub fn a_message_to_oneself_passes_no_stage(factory: &dyn MessengerFactory) {
    let node = Plan::client(Policy::lossy_client()).with("ms_stage_histograms", "true").start(factory);
    node.ask(&node.messenger.loopback_connection(), Message::new(1));
    assert!(Stage::ALL.iter().all(|stage| timed(&node.messenger, *stage) == 0));
}

/// Without the option there are no histograms.
pub fn no_stage_is_timed_unless_the_options_ask_for_it(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    client.ask(&client.connect(server.address()), Message::new(1));
    assert!(server.messenger.stages().is_none() && client.messenger.stages().is_none());
}

/// Calls are counted from the handshake on, and so are the wake-ups of threads that slept.
pub fn reads_writes_and_wake_ups_are_counted(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).with("ms_async_send_inline", "false").start(factory);
    let connection = client.connect(server.address());
    let mut messages = 0;
    let before = client.messenger.stats().msgr_wake_calls;
    eventually("a sleeping thread was woken", || {
        thread::sleep(DROWSY);
        client.ask(&connection, Message::new(1));
        messages += 1;
        client.messenger.stats().msgr_wake_calls > before
    });
    for node in [&server, &client] {
        // One for each message, for none was under way together with another, and at least one of the handshake.
        eventually("every call was counted", || {
            let stats = node.messenger.stats();
            stats.msgr_read_calls > messages && stats.msgr_write_calls > messages
        });
    }
}
