//! Which parts of the protocol were reached, and how often: rows of the acceptor's table, tags, changes of phase.
//!
//! Counted only with the feature `coverage`, for the simulation, which must not leave a part untried. Without the feature
//! a call of [`hit`] compiles to nothing. Counters belong to the thread.

use crate::session::Phase;

/// A part that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A row of the acceptor's table, by its letter.
    Row(u8),
    /// A tag of a connect reply that was sent.
    ReplySent(u8),
    /// A tag of a connect reply that was acted on.
    ReplyReceived(u8),
    /// A tag of a frame that was encoded.
    FrameSent(u8),
    /// A tag of a frame that was decoded.
    FrameReceived(u8),
    /// A session began in a phase.
    Began(Phase),
    /// A session went from one phase to another.
    Became(Phase, Phase),
}

/// Notes that `point` was reached.
#[inline(always)]
pub(crate) fn hit(point: Point) {
    #[cfg(feature = "coverage")]
    counting::hit(point);
    #[cfg(not(feature = "coverage"))]
    let _ = point;
}

/// A moment at which this thread holds no lock and leaves something half done that another thread may meet. With the
/// feature, whatever `at_gaps` was given acts here, as that thread.
#[inline(always)]
pub(crate) fn gap() {
    #[cfg(feature = "coverage")]
    counting::gap();
}

#[cfg(feature = "coverage")]
pub use counting::{Counts, at_gaps, take};

#[cfg(feature = "coverage")]
mod counting {
    use std::cell::{Cell, RefCell};
    use std::fmt;
    use std::ops::AddAssign;

    use super::Point;
    use crate::session::Phase;
    use crate::wire::tag;

    const ROWS: usize = 13;
    const TAGS: usize = 17;
    const PHASES: usize = Phase::ALL.len();
    const TAGS_AT: usize = ROWS;
    const BEGAN_AT: usize = TAGS_AT + 4 * TAGS;
    const BECAME_AT: usize = BEGAN_AT + PHASES;
    const POINTS: usize = BECAME_AT + PHASES * PHASES;

    thread_local! {
        static COUNTS: RefCell<Counts> = RefCell::default();
        static AT_GAPS: Cell<fn()> = const { Cell::new(|| {}) };
    }

    /// How often each point was reached.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Counts([u64; POINTS]);

    impl Default for Counts {
        fn default() -> Counts {
            Counts([0; POINTS])
        }
    }

    impl fmt::Debug for Counts {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_map().entries(self.points().map(|(name, _, times)| (name, times))).finish()
        }
    }

    impl AddAssign<&Counts> for Counts {
        fn add_assign(&mut self, other: &Counts) {
            self.0.iter_mut().zip(other.0).for_each(|(sum, times)| *sum += times);
        }
    }

    impl Counts {
        /// Every point there is: its name, whether it can be reached without a mistake, and how often it was.
        pub fn points(&self) -> impl Iterator<Item = (String, bool, u64)> {
            (0..POINTS).map(|at| {
                let (name, expected) = describe(at);
                (name, expected, self.0[at])
            })
        }
    }

    /// What this thread has reached since it was last asked.
    #[must_use]
    pub fn take() -> Counts {
        COUNTS.take()
    }

    /// Lets `act` act at each gap of this thread.
    pub fn at_gaps(act: fn()) {
        AT_GAPS.set(act);
    }

    pub(super) fn gap() {
        AT_GAPS.get()();
    }

    pub(super) fn hit(point: Point) {
        COUNTS.with_borrow_mut(|counts| counts.0[index(point)] += 1);
    }

    fn index(point: Point) -> usize {
        let tag = |kind: usize, tag: u8| TAGS_AT + kind * TAGS + usize::from(tag).min(TAGS - 1);
        match point {
            Point::Row(letter) => usize::from(letter - b'a'),
            Point::ReplySent(number) => tag(0, number),
            Point::ReplyReceived(number) => tag(1, number),
            Point::FrameSent(number) => tag(2, number),
            Point::FrameReceived(number) => tag(3, number),
            Point::Began(phase) => BEGAN_AT + phase as usize,
            Point::Became(from, to) => BECAME_AT + from as usize * PHASES + to as usize,
        }
    }

    fn describe(at: usize) -> (String, bool) {
        if at < TAGS_AT {
            return (format!("row {}", char::from(b'a' + at as u8)), true);
        }
        if at < BEGAN_AT {
            let (kind, number) = ((at - TAGS_AT) / TAGS, ((at - TAGS_AT) % TAGS) as u8);
            return describe_tag(kind, number);
        }
        if at < BECAME_AT {
            let phase = Phase::ALL[at - BEGAN_AT];
            return (format!("phase - to {phase:?}"), phase.may_begin());
        }
        let (from, to) = (Phase::ALL[(at - BECAME_AT) / PHASES], Phase::ALL[(at - BECAME_AT) % PHASES]);
        (format!("phase {from:?} to {to:?}"), from.may_become(to))
    }

    fn describe_tag(kind: usize, number: u8) -> (String, bool) {
        let (name, is_reply) = match number {
            tag::READY => ("READY", true),
            tag::RESETSESSION => ("RESETSESSION", true),
            tag::WAIT => ("WAIT", true),
            tag::RETRY_SESSION => ("RETRY_SESSION", true),
            tag::RETRY_GLOBAL => ("RETRY_GLOBAL", true),
            tag::CLOSE => ("CLOSE", false),
            tag::MSG => ("MSG", false),
            tag::ACK => ("ACK", false),
            tag::KEEPALIVE => ("KEEPALIVE", false),
            tag::BADPROTOVER => ("BADPROTOVER", true),
            tag::BADAUTHORIZER => ("BADAUTHORIZER", true),
            tag::FEATURES => ("FEATURES", true),
            tag::SEQ => ("SEQ", true),
            tag::KEEPALIVE2 => ("KEEPALIVE2", false),
            tag::KEEPALIVE2_ACK => ("KEEPALIVE2_ACK", false),
            tag::CHALLENGE_AUTHORIZER => ("CHALLENGE_AUTHORIZER", true),
            _ => ("no tag", false),
        };
        let [what, how] = [["reply", "sent"], ["reply", "received"], ["frame", "sent"], ["frame", "received"]][kind];
        // A closed socket says what CLOSE says, so it is only understood.
        let of_the_kind = is_reply == (kind < 2) && number > 0 && !(number == tag::CLOSE && kind == 2);
        (format!("{what} {name} {how}"), of_the_kind)
    }
}
