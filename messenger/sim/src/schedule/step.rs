//! What happens in a schedule, and when.

use std::time::Duration;

use fastrand::Rng;

use crate::weather::spread;
use crate::wire::Break;

use super::plot;
use super::setting::Setting;

/// How an application ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    Handle,
    Address,
    All,
    Disposable,
}

/// One thing that happens. Places are named by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Messages go from one place to another.
    Send {
        from: usize,
        to: usize,
        count: u32,
    },
    /// Both places send at the same moment.
    Cross {
        one: usize,
        other: usize,
    },
    /// A place asks for a connection, without a message.
    Dial {
        from: usize,
        to: usize,
    },
    Keepalive {
        from: usize,
        to: usize,
    },
    /// A message to oneself.
    Loopback {
        at: usize,
    },
    /// The wire dialled so many before the last of those that are whole breaks.
    Cut {
        back: usize,
        how: Break,
    },
    /// That wire will break so many bytes later.
    CutAfter {
        back: usize,
        how: Break,
    },
    /// What one side of that wire writes goes nowhere, and some time later it breaks.
    Mute {
        back: usize,
        side: usize,
        lasts: Duration,
    },
    /// The next wire will break.
    CutNext {
        how: Break,
    },
    MarkDown {
        from: usize,
        to: usize,
        how: Down,
    },
    /// The process ends, and another begins on the same address.
    Restart {
        at: usize,
        same_nonce: bool,
        after: Duration,
    },
    /// A messenger moves to another port, with another nonce.
    Rebind {
        at: usize,
    },
    /// All wires of a place break, and nobody can dial it for a while.
    Outage {
        at: usize,
        silent: bool,
        lasts: Duration,
    },
    /// A process stands still.
    Suspend {
        at: usize,
        lasts: Duration,
    },
    /// Somebody dials who says nothing good.
    Stranger {
        at: usize,
        says: Says,
    },
}

/// What a stranger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Nothing,
    Garbage,
    /// Opens a session properly, then sends CLOSE.
    Close,
}

impl Step {
    /// Whether it is meant to break something.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            Step::Cut { .. }
                | Step::CutAfter { .. }
                | Step::Mute { .. }
                | Step::CutNext { .. }
                | Step::MarkDown { .. }
                | Step::Restart { .. }
                | Step::Rebind { .. }
                | Step::Outage { .. }
                | Step::Suspend { .. }
        )
    }
}

/// A step, and how long after the one before.
pub(crate) type Timed = (Duration, Step);

/// Draws the steps of a schedule.
pub(crate) fn choose(rng: &mut Rng, setting: &Setting) -> Vec<Timed> {
    let count = rng.usize(14..=40);
    let mut steps = Vec::with_capacity(count);
    if rng.u32(..4) == 0 {
        // While nobody knows anybody.
        plot::choose(rng, setting, &mut steps);
    }
    while steps.len() < count {
        if rng.u32(..25) == 0 {
            plot::choose(rng, setting, &mut steps);
        } else {
            let timed = (gap(rng), step(rng, setting));
            steps.push(timed);
        }
    }
    steps
}

pub(crate) fn gap(rng: &mut Rng) -> Duration {
    match rng.u32(..100) {
        0..35 => Duration::ZERO,
        35..80 => spread(rng, Duration::from_millis(20)),
        80..95 => spread(rng, Duration::from_secs(1)),
        _ => spread(rng, Duration::from_secs(20)),
    }
}

/// Two places that talk to each other, in any order.
pub(crate) fn pair(rng: &mut Rng, setting: &Setting) -> (usize, usize) {
    let count = setting.places.len();
    let one = if setting.pairing.has_server() { 0 } else { rng.usize(..count) };
    let other = (one + rng.usize(1..count)) % count;
    if rng.bool() { (one, other) } else { (other, one) }
}

fn step(rng: &mut Rng, setting: &Setting) -> Step {
    let (from, to) = pair(rng, setting);
    let at = rng.usize(..setting.places.len());
    match rng.u32(..100) {
        0..52 => Step::Send { from, to, count: rng.u32(1..=6) },
        52..57 => Step::Cross { one: from, other: to },
        57..59 => Step::Dial { from, to },
        59..63 => Step::Keepalive { from, to },
        63..64 => Step::Loopback { at },
        64..70 => Step::Cut { back: rng.usize(..3), how: how(rng) },
        70..73 => Step::CutAfter { back: rng.usize(..3), how: how(rng) },
        73..75 => Step::Mute { back: rng.usize(..2), side: rng.usize(..2), lasts: spread(rng, Duration::from_secs(2)) },
        75..86 => Step::CutNext { how: how(rng) },
        86..88 => Step::Outage { at, silent: rng.bool(), lasts: spread(rng, Duration::from_secs(12)) },
        88..90 => Step::Suspend { at, lasts: spread(rng, Duration::from_secs(12)) },
        90..91 => {
            let says = [Says::Nothing, Says::Garbage, Says::Close][rng.usize(..3)];
            Step::Stranger { at, says }
        }
        91..97 if setting.resets => {
            let how = [Down::Handle, Down::Handle, Down::Address, Down::All, Down::Disposable][rng.usize(..5)];
            Step::MarkDown { from, to, how }
        }
        97 if setting.resets => Step::Rebind { at },
        98.. if setting.resets => {
            Step::Restart { at, same_nonce: rng.bool(), after: spread(rng, Duration::from_secs(3)) }
        }
        _ => Step::Send { from, to, count: rng.u32(1..=6) },
    }
}

fn how(rng: &mut Rng) -> Break {
    let after = match rng.u32(..10) {
        0..6 => rng.usize(..800),
        6..9 => rng.usize(..3000),
        _ => 1 << rng.u32(..17),
    };
    let mut notice = || if rng.u32(..3) == 0 { spread(rng, Duration::from_secs(8)) } else { Duration::ZERO };
    let noticed = [notice(), notice()];
    Break { after, noticed, loses: rng.bool() }
}
