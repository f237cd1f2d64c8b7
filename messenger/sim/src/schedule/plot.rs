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
/// Longest time between two steps of a plot.
const SOON: Duration = Duration::from_millis(500);

/// Adds the steps of a plot.
pub(crate) fn choose(rng: &mut Rng, setting: &Setting, steps: &mut Vec<Timed>) {
    let (from, to) = pair(rng, setting);
    let plot = match rng.u32(..5) {
        0 => late_attempt(rng, from, to),
        1 => half_answered(rng, from, to),
        2 => started_over(rng, from, to),
        _ => crowd(rng, from, to),
    };
    let allowed = |step: &Step| setting.resets || !matches!(step, Step::MarkDown { .. });
    for (at, step) in plot.into_iter().filter(allowed).enumerate() {
        steps.push((if at == 0 { gap(rng) } else { spread(rng, SOON) }, step));
    }
}

fn send(from: usize, to: usize) -> Step {
    Step::Send { from, to, count: 1 }
}

/// A dial is given up by the side that made it, and its connect arrives when the session it began has been forgotten.
fn late_attempt(rng: &mut Rng, from: usize, to: usize) -> Vec<Step> {
    let how = Break { after: CONNECT_SAID, noticed: [Duration::ZERO, spread(rng, LATE)], loses: false };
    let down = if rng.bool() { Down::Handle } else { Down::Address };
    vec![
        Step::CutNext { how },
        send(from, to),
        Step::Cross { one: from, other: to },
        Step::MarkDown { from: to, to: from, how: down },
        send(from, to),
        send(from, to),
    ]
}

/// Both dial; an answer is under way while the side that gave it has lost the link.
fn half_answered(rng: &mut Rng, from: usize, to: usize) -> Vec<Step> {
    let how = Break { after: SEQ_SAID, noticed: [spread(rng, LATE), Duration::ZERO], loses: false };
    vec![
        Step::MarkDown { from, to, how: Down::Handle },
        Step::MarkDown { from: to, to: from, how: Down::Handle },
        Step::CutNext { how },
        if rng.bool() { Step::Cross { one: from, other: to } } else { send(from, to) },
        send(to, from),
        Step::Cross { one: from, other: to },
    ]
}

/// One side starts over while the other still reads the old link, and that link breaks in the takeover.
fn started_over(rng: &mut Rng, from: usize, to: usize) -> Vec<Step> {
    let mut noticed = [Duration::ZERO; 2];
    noticed[rng.usize(..2)] = spread(rng, LATE);
    let old = Break { noticed, ..Break::default() };
    let new = Break { after: RETRY_SAID, ..Break::default() };
    vec![
        Step::Cross { one: from, other: to },
        Step::Cut { back: 0, how: old },
        Step::MarkDown { from, to, how: Down::Handle },
        Step::CutNext { how: new },
        send(from, to),
        send(to, from),
        Step::CutAfter { back: 0, how: Break { after: rng.usize(..1000), ..old } },
        send(from, to),
        send(from, to),
    ]
}

/// Sends, dials and breaks in any order.
fn crowd(rng: &mut Rng, one: usize, other: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..rng.usize(3..=8) {
        let (from, to) = if rng.bool() { (one, other) } else { (other, one) };
        steps.push(match rng.u32(..13) {
            0..2 => Step::Cross { one, other },
            2..5 => send(from, to),
            5..9 => Step::CutNext { how: in_handshake(rng) },
            9..11 => Step::Cut { back: rng.usize(..2), how: in_handshake(rng) },
            11 => Step::Dial { from, to },
            _ => Step::MarkDown { from, to, how: Down::Handle },
        });
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
