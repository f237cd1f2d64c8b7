//! Steps that belong together: the beginnings of stories that chance alone would hardly ever tell.

use std::time::Duration;

use fastrand::Rng;
use msgr::wire::{CONNECT_LEN, REPLY_LEN};

use crate::script::{GREETING_LEN, HELLO_LEN};
use crate::weather::spread;
use crate::wire::Break;

use super::setting::Setting;
use super::step::{Down, Step, Timed, gap, pair};

/// Bytes a wire has carried when the connector has asked to connect, without an authorizer.
const CONNECT_SAID: usize = GREETING_LEN + HELLO_LEN + CONNECT_LEN;
/// And when the acceptor has replied so that the connector asks again.
const RETRY_SAID: usize = CONNECT_SAID + REPLY_LEN;
/// And when it has replied SEQ.
const SEQ_SAID: usize = RETRY_SAID + 8;

/// Longest time for which one side does not notice what the other knows.
const LATE: Duration = Duration::from_secs(2);

/// Adds the steps of a plot.
pub(crate) fn choose(rng: &mut Rng, setting: &Setting, steps: &mut Vec<Timed>) {
    let (from, to) = pair(rng, setting);
    let plot = match rng.u32(..5) {
        0 => late_attempt(rng, from, to),
        1 => half_answered(rng, from, to),
        2 => started_over(rng, from, to),
        _ => crowd(rng, from, to),
    };
    let first = steps.len();
    let allowed = |(_, step): &Timed| setting.resets || !matches!(step, Step::MarkDown { .. });
    steps.extend(plot.into_iter().filter(allowed));
    if let Some((gap_before, _)) = steps.get_mut(first) {
        *gap_before = gap(rng);
    }
}

/// So many milliseconds.
fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn send(from: usize, to: usize) -> Step {
    Step::Send { from, to, count: 1 }
}

/// A dial is given up by the side that made it, and its connect arrives when the session it began has been forgotten.
fn late_attempt(rng: &mut Rng, from: usize, to: usize) -> Vec<Timed> {
    // Long enough for a backoff, the dial after it, and what follows.
    let late = rng.u64(300..2000);
    let how = Break { after: CONNECT_SAID, noticed: [Duration::ZERO, ms(late)], loses: false };
    let down = if rng.bool() { Down::Handle } else { Down::Address };
    vec![
        (Duration::ZERO, Step::CutNext { how }),
        (Duration::ZERO, send(from, to)),
        (ms(late * 7 / 10), Step::Cross { one: from, other: to }),
        (ms(late / 10), Step::MarkDown { from: to, to: from, how: down }),
        (ms(late / 4), send(from, to)),
        (spread(rng, LATE), send(from, to)),
    ]
}

/// An answer is under way while the side that gave it has lost the link, and dials.
fn half_answered(rng: &mut Rng, from: usize, to: usize) -> Vec<Timed> {
    let how = Break { after: SEQ_SAID, noticed: [spread(rng, LATE), Duration::ZERO], loses: false };
    let dial = if rng.bool() { Step::Cross { one: from, other: to } } else { send(from, to) };
    vec![
        (Duration::ZERO, Step::MarkDown { from, to, how: Down::Handle }),
        (ms(1), Step::MarkDown { from: to, to: from, how: Down::Handle }),
        (Duration::ZERO, Step::CutNext { how }),
        (Duration::ZERO, dial),
        (spread(rng, ms(100)), send(to, from)),
        (spread(rng, LATE), Step::Cross { one: from, other: to }),
    ]
}

/// One side starts over while the other still reads the old link, and that link breaks in the takeover. Then the other
/// dials, and its acknowledgements are lost.
fn started_over(rng: &mut Rng, from: usize, to: usize) -> Vec<Timed> {
    let mut noticed = [Duration::ZERO; 2];
    noticed[rng.usize(..2)] = ms(rng.u64(5..100));
    let old = Break { noticed, ..Break::default() };
    let new = Break { after: RETRY_SAID, ..Break::default() };
    vec![
        (Duration::ZERO, Step::Cross { one: from, other: to }),
        (ms(50), Step::Cut { back: 0, how: old }),
        (ms(1), Step::MarkDown { from, to, how: Down::Handle }),
        (Duration::ZERO, Step::CutNext { how: new }),
        (Duration::ZERO, send(from, to)),
        (ms(1), send(to, from)),
        (ms(rng.u64(50..400)), Step::Mute { back: 0, side: rng.usize(..2), lasts: ms(rng.u64(5..100)) }),
        (ms(1), send(from, to)),
        (spread(rng, LATE), send(from, to)),
    ]
}

/// Sends, dials and breaks in any order.
fn crowd(rng: &mut Rng, one: usize, other: usize) -> Vec<Timed> {
    let mut steps = Vec::new();
    for _ in 0..rng.usize(3..=8) {
        let (from, to) = if rng.bool() { (one, other) } else { (other, one) };
        let step = match rng.u32(..13) {
            0..2 => Step::Cross { one, other },
            2..5 => send(from, to),
            5..9 => Step::CutNext { how: in_handshake(rng) },
            9..11 => Step::Cut { back: rng.usize(..2), how: in_handshake(rng) },
            11 => Step::Dial { from, to },
            _ => Step::MarkDown { from, to, how: Down::Handle },
        };
        steps.push((spread(rng, ms(500)), step));
    }
    steps
}

/// A break in the middle of a handshake, which one side notices late: until then, what is said last is under way.
fn in_handshake(rng: &mut Rng) -> Break {
    let after = match rng.u32(..6) {
        0..2 => CONNECT_SAID,
        2 => RETRY_SAID,
        3 => SEQ_SAID,
        _ => rng.usize(CONNECT_SAID - CONNECT_LEN..SEQ_SAID + 30),
    };
    let mut noticed = [Duration::ZERO; 2];
    noticed[rng.usize(..2)] = spread(rng, LATE);
    Break { after, noticed, loses: rng.u32(..4) == 0 }
}
