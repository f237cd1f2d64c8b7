//! Two peers that both may dial, wires that break anywhere, attempts that cross: each message arrives once and in order.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::Arc;
use std::time::Duration;

use msgr::{EntityName, EntityType, Messenger, Policy};
use msgr_sim::{Net, Node};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const ADDRESSES: [&str; 2] = ["10.0.0.1:6800", "10.0.0.2:6800"];

/// One thing that happens. A wait longer than a handshake may take ends those that are under way.
#[derive(Clone, Debug)]
enum Step {
    /// A side sends so many messages.
    Send(usize, u64),
    /// Both sides act so often.
    Turns(usize),
    /// The wire dialled so many before the last breaks.
    Cut(usize),
    /// The next wire will break after so many bytes.
    Break(usize),
    /// So many milliseconds pass.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 1..4u64).prop_map(|(side, count)| Step::Send(side, count)),
        4 => (1..6usize).prop_map(Step::Turns),
        2 => (0..3usize).prop_map(Step::Cut),
        2 => (0..1200usize).prop_map(Step::Break),
        1 => (0..12_000u64).prop_map(Step::Wait),
    ]
}

fn send(sides: &[Arc<Node>; 2], sent: &mut [u64; 2], from: usize, count: u64) {
    let to = sides[1 - from].my_addr();
    let connection = sides[from].connect_to(EntityType::OSD, to).unwrap();
    sides[from].send_all(&connection, sent[from] + 1..=sent[from] + count);
    sent[from] += count;
}

/// Lets `steps` happen between two peers of one policy, heals the network, and checks what arrived.
fn story(steps: &[Step], policy: &Policy, read_max: usize) -> Result<(), TestCaseError> {
    let mut net = Net::new();
    net.read_max = read_max;
    let sides = [0, 1].map(|at| net.node(EntityName::osd(at as u64), ADDRESSES[at], policy.clone()));
    let mut sent = [0; 2];
    for step in steps {
        match *step {
            Step::Send(side, count) => send(&sides, &mut sent, side, count),
            Step::Turns(count) => {
                for _ in 0..count {
                    net.turn();
                }
            }
            Step::Cut(back) => {
                if let Some(wire) = net.dialled().checked_sub(back + 1) {
                    net.cut(wire);
                }
            }
            Step::Break(bytes) => {
                net.breaks.insert(net.dialled(), bytes);
            }
            Step::Wait(millis) => net.advance(Duration::from_millis(millis)),
        }
    }
    net.breaks.clear();
    // Who rests has nothing to send, but something may still be on the way to a side that has not noticed.
    for _ in 0..4 {
        net.advance(Duration::from_secs(16));
    }
    for side in 0..2 {
        send(&sides, &mut sent, side, 1);
        net.run();
        net.advance(Duration::from_secs(16));
    }
    for at in 0..2 {
        prop_assert_eq!(sides[1 - at].tids(), (1..=sent[at]).collect::<Vec<_>>(), "sent by {}", at);
        prop_assert_eq!(sides[at].stats().msgr_active_connections, 1);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, rng_seed: RngSeed::Fixed(27), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn between_lossless_peers(steps in vec(step(), 1..40), read_max in prop_oneof![Just(usize::MAX), 1..200usize]) {
        story(&steps, &Policy::lossless_peer(), read_max)?;
    }

    #[test]
    fn between_lossless_peers_that_notice_resets(
        steps in vec(step(), 1..40), read_max in prop_oneof![Just(usize::MAX), 1..200usize]
    ) {
        story(&steps, &Policy::lossless_peer_reuse(), read_max)?;
    }
}
