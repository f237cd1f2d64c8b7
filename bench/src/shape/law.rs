//! What a figure may be, next to what was committed.

/// How far a count of something each message does may be above the committed one. Nothing under way before or after, it is
/// exact but for what the sides do once at either end, some hundredths, and for a thread that was not given a CPU in time;
/// whatever is done once more for each message adds 1.
const COUNT_SLACK: f64 = 0.25;

/// How far bytes may be above the committed ones, beside [`BYTES_SHARE`]: half of the smallest payload, whose copy is to be
/// seen.
const BYTES_SLACK: f64 = 32.0;

/// How far bytes may be above the committed ones, as a share of a message's payload. How much of a large body comes with its
/// header, and is copied, is the kernel's business; a copy of the body is all of it.
const BYTES_SHARE: f64 = 0.1;

/// How far the memory of a peer may be above the committed one: less than a page, which is the least that one can be given a
/// buffer in. The allocator's arenas grow as they like, and of that each of the peers bears a part.
const MEMORY_SLACK: f64 = 2048.0;

/// The same as a share, beside it: how much of its stack a thread touches depends on what it happens to meet.
const MEMORY_SHARE: f64 = 0.1;

/// What a figure is, which says how much it may vary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Law {
    /// Threads: what was committed, no more and no less.
    Exact,
    /// How often something is done for a message.
    Count,
    /// Bytes for a message of such a payload.
    Bytes { size: u64 },
    /// Bytes for a peer.
    Memory,
}

/// How a figure is next to the committed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// As far below it as would be too far above.
    Better,
    /// As committed.
    Same,
    /// Too far above it, or other than what must be exact.
    Worse,
}

impl Law {
    /// The most that a figure may be.
    pub(super) fn allowed(self, committed: f64) -> f64 {
        committed + self.slack(committed)
    }

    fn slack(self, committed: f64) -> f64 {
        match self {
            Law::Exact => 0.0,
            Law::Count => COUNT_SLACK,
            Law::Bytes { size } => BYTES_SLACK + size as f64 * BYTES_SHARE,
            Law::Memory => MEMORY_SLACK + committed * MEMORY_SHARE,
        }
    }

    /// Judges a figure.
    pub(super) fn judge(self, committed: f64, now: f64) -> Verdict {
        let slack = self.slack(committed);
        if now > committed + slack || (self == Law::Exact && now != committed) {
            Verdict::Worse
        } else if now < committed - slack {
            Verdict::Better
        } else {
            Verdict::Same
        }
    }

    /// As it is committed: no more digits than mean something.
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            Law::Count => (value * 100.0).round() / 100.0,
            Law::Exact | Law::Bytes { .. } | Law::Memory => value.round(),
        }
    }

    /// For people.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Law::Count => format!("{value:.2}"),
            Law::Exact | Law::Bytes { .. } | Law::Memory => format!("{value:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_for_each_message_is_worse_and_what_both_ends_cost_is_not() {
        assert_eq!(Law::Count.judge(1.0, 1.03), Verdict::Same);
        assert_eq!(Law::Count.judge(0.97, 1.97), Verdict::Worse);
        assert_eq!(Law::Count.judge(2.0, 1.0), Verdict::Better);
    }

    #[test]
    fn a_copy_of_the_payload_is_worse_at_either_size() {
        for size in [64, 64 << 10] {
            let law = Law::Bytes { size };
            assert_eq!(law.judge(4042.0, 4042.0 + size as f64), Verdict::Worse);
            assert_eq!(law.judge(4042.0, 4062.0), Verdict::Same);
        }
    }

    #[test]
    fn a_thread_less_is_not_what_was_committed_either() {
        assert_eq!(Law::Exact.judge(6.0, 6.0), Verdict::Same);
        assert_eq!(Law::Exact.judge(6.0, 5.0), Verdict::Worse);
        assert_eq!(Law::Memory.judge(33_500.0, 34_500.0), Verdict::Same);
        assert_eq!(Law::Memory.judge(33_500.0, 41_500.0), Verdict::Worse);
    }
}
