//! Stage histograms: where the time of messages goes inside a process. docs/ARCHITECTURE.md says where each stage begins
//! and ends. Without `ms_stage_histograms` there are none, and no clock is read for them.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::core::Core;

/// Buckets for each power of two, as a power of two: none is wider than 1/32 of what it begins with, some 3 %.
const BUCKET_BITS: u32 = 5;
/// Longest time told apart from longer ones, nanoseconds. A minute is longer than a message should ever be anywhere.
const NS_MAX: u64 = 60_000_000_000;
/// All buckets of a stage: 8 KiB.
const BUCKETS: usize = bucket_of(NS_MAX) + 1;

/// A part of a message's way through a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From `send_message` until a thread takes the message up to write it.
    Queued,
    /// From the call that wakes a sleeping thread until that runs; one for each wake-up, not for each message.
    Woken,
    /// From the taking up until the write call has returned that took the last of its bytes.
    Written,
    /// From when the socket is known to have input until the message is decoded.
    Read,
    /// From the decoding until the dispatcher's callback has returned.
    Dispatched,
}

impl Stage {
    /// Every stage, in a sent message's order and then in a received one's.
    pub const ALL: [Stage; 5] = [Stage::Queued, Stage::Woken, Stage::Written, Stage::Read, Stage::Dispatched];
}

/// A time by the clock of one messenger's [`Stages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(NonZeroU64);

/// When the stage began that a message is in, while stages are timed. A clone has no beginning: it is another message.
#[derive(Debug, Default)]
pub(crate) struct Begun(pub(crate) Mark);

impl Clone for Begun {
    fn clone(&self) -> Begun {
        Begun::default()
    }
}

/// The low 48 bits of a time, or zero for none. They fit where the fields of a message left a gap: a larger message would
/// be felt wherever one is moved, timed or not. They come round once in three days, longer than any stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark([u16; 3]);

impl Mark {
    /// The mark of a time.
    pub(crate) fn of(at: At) -> Mark {
        let ns = at.0.get();
        Mark([ns as u16, (ns >> 16) as u16, (ns >> 32) as u16])
    }

    /// Whether there is a time.
    pub(crate) fn is_set(self) -> bool {
        self != Mark::default()
    }

    /// The last time before `now` that has this mark.
    fn before(self, now: At) -> At {
        let low = self.0.iter().rev().fold(0, |low, part| low << 16 | u64::from(*part));
        let past = now.0.get().wrapping_sub(low) & ((1 << 48) - 1);
        At(NonZeroU64::new(now.0.get().saturating_sub(past)).unwrap_or(NonZeroU64::MIN))
    }
}

/// The stage histograms of one messenger. Any thread records, without a lock.
#[derive(Debug)]
pub struct Stages {
    clock: fn() -> Instant,
    made: Instant,
    stages: [Histogram; Stage::ALL.len()],
}

impl Stages {
    /// Empty histograms of times that `clock` tells.
    #[must_use]
    pub fn new(clock: fn() -> Instant) -> Stages {
        Stages { clock, made: clock(), stages: std::array::from_fn(|_| Histogram::new()) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> At {
        self.at((self.clock)())
    }

    /// A time that the clock told somebody else.
    #[must_use]
    pub fn at(&self, time: Instant) -> At {
        let ns = u64::try_from(time.saturating_duration_since(self.made).as_nanos()).unwrap_or(u64::MAX);
        At(NonZeroU64::MIN.saturating_add(ns))
    }

    /// Records that so many messages went through `stage` in this time; none at all if it ended before it began.
    pub fn record(&self, stage: Stage, from: At, to: At, messages: u64) {
        self.stages[stage as usize].record(to.0.get().saturating_sub(from.0.get()), messages);
    }

    /// As [`Stages::record`], of one message from its mark on, if it has one.
    pub(crate) fn record_marked(&self, stage: Stage, mark: Mark, to: At) {
        if mark.is_set() {
            self.record(stage, mark.before(to), to, 1);
        }
    }

    /// Times in nanoseconds, each the middle of its bucket, and how often they were recorded since the start; ascending.
    #[must_use]
    pub fn counts(&self, stage: Stage) -> Vec<(u64, u64)> {
        let counts = self.stages[stage as usize].0.iter().map(|count| count.load(Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(bucket, count)| (middle_of(bucket), count)).collect()
    }
}

impl Core {
    /// Gives the clock that the stages of messages are timed with, if the options ask for that; nothing here has one of its
    /// own. To be called once, before the first connection.
    pub fn time_stages(&self, clock: fn() -> Instant) {
        if self.config().ms_stage_histograms {
            self.stages.get_or_init(|| Stages::new(clock));
        }
    }

    /// The stage histograms, if stages are timed.
    #[must_use]
    pub fn stages(&self) -> Option<&Stages> {
        self.stages.get()
    }
}

/// Counts by bucket: as wide as 1 ns at the bottom, then doubling with each power of two.
#[derive(Debug)]
struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    fn new() -> Histogram {
        Histogram((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    fn record(&self, ns: u64, times: u64) {
        self.0[bucket_of(if ns < NS_MAX { ns } else { NS_MAX })].fetch_add(times, Relaxed);
    }
}

/// The bucket that holds `ns`.
const fn bucket_of(ns: u64) -> usize {
    let bits = u64::BITS - ns.leading_zeros();
    let shift = bits.saturating_sub(BUCKET_BITS + 1);
    ((shift as usize) << BUCKET_BITS) + (ns >> shift) as usize
}

/// The middle of a bucket, nanoseconds.
const fn middle_of(bucket: usize) -> u64 {
    let shift = (bucket >> BUCKET_BITS).saturating_sub(1);
    let first = (bucket - (shift << BUCKET_BITS)) as u64;
    (first << shift) + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_6_percent_wide_and_holds_its_own_middle() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
        }
        for ns in (0..36).flat_map(|bit| [1 << bit, (1 << bit) + 1, (1 << bit) * 7 / 4]).filter(|ns| *ns <= NS_MAX) {
            let middle = middle_of(bucket_of(ns));
            assert!(middle.abs_diff(ns) * 100 <= ns * 3, "{ns} is taken for {middle}");
        }
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest_and_what_ends_before_it_begins_as_nothing() {
        let stages = Stages::new(Instant::now);
        let (early, late) = (At(NonZeroU64::MIN), At(NonZeroU64::MAX));
        stages.record(Stage::Read, early, late, 2);
        stages.record(Stage::Read, late, early, 3);
        assert_eq!(stages.counts(Stage::Read), [(0, 3), (middle_of(BUCKETS - 1), 2)]);
        assert!(Stage::ALL.iter().filter(|stage| **stage != Stage::Read).all(|stage| stages.counts(*stage).is_empty()));
    }

    #[test]
    fn a_mark_stands_for_the_last_time_that_has_it() {
        let at = |ns| At(NonZeroU64::new(ns).unwrap());
        for (from, to) in [(1, 1), (5, 70_000_000_000), ((1 << 48) - 7, (1 << 48) + 9), (3 << 48 | 8, 3 << 48 | 9)] {
            assert_eq!(Mark::of(at(from)).before(at(to)), at(from));
        }
        assert!(Mark::of(at(1)).is_set() && !Mark::default().is_set());
    }

    #[test]
    fn a_time_read_before_the_stages_were_made_is_their_beginning() {
        let before = Instant::now();
        let stages = Stages::new(Instant::now);
        assert_eq!(stages.at(before), At(NonZeroU64::MIN));
        assert!(stages.now() >= stages.at(before));
    }
}
