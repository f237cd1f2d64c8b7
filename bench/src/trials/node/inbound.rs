//! Whether what arrives from one peer is all of it, once, and in order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Missing numbers remembered for each peer, to tell what comes late from what comes twice. A trial that loses more has
/// failed anyway, and only the words for it get coarser.
const MISSING_MAX: usize = 4096;

/// What arrived as it should not, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wrongs {
    /// Never arrived, though a later one did.
    pub(crate) lost: u64,
    /// Arrived before.
    pub(crate) doubled: u64,
    /// Arrived after a later one.
    pub(crate) reordered: u64,
    /// Arrived with other bytes than were sent.
    pub(crate) corrupt: u64,
    /// Arrived from a process that had ended, after something from the process that followed it.
    pub(crate) stale: u64,
}

impl Wrongs {
    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.lost + self.doubled + self.reordered + self.corrupt + self.stale
    }
}

impl std::ops::AddAssign for Wrongs {
    fn add_assign(&mut self, other: Wrongs) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.stale += other.stale;
    }
}

/// The messages of one peer. The other side may be restarted: each of its processes has an incarnation, a number greater
/// than those before.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// The process heard last.
    pub(super) incarnation: u64,
    /// Number of its first message.
    pub(super) first: u64,
    /// Highest number of it.
    pub(super) last: u64,
    /// Messages of it, in order or not.
    pub(super) received: u64,
    missing: BTreeSet<u64>,
    pub(super) wrongs: Wrongs,
}

impl Inbound {
    /// Takes note of message `number` from process `incarnation`. What a restart lost is no loss here; whoever counts on
    /// the numbers to begin with 1 looks at `first`. When they `continue` over a restart, none may come again.
    pub(super) fn take(&mut self, incarnation: u64, number: u64, continues: bool) {
        if incarnation < self.incarnation {
            self.wrongs.stale += 1;
            return;
        }
        if incarnation > self.incarnation {
            if continues && number <= self.last {
                self.wrongs.doubled += 1;
            }
            self.missing.clear();
            (self.incarnation, self.first, self.last, self.received) = (incarnation, number, number, 1);
            return;
        }
        self.received += 1;
        if number > self.last {
            let gap = number - self.last - 1;
            self.wrongs.lost += gap;
            let room = MISSING_MAX.saturating_sub(self.missing.len());
            self.missing.extend((self.last + 1..number).take(room));
            self.last = number;
        } else if self.missing.remove(&number) {
            self.wrongs.lost -= 1;
            self.wrongs.reordered += 1;
        } else {
            self.wrongs.doubled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(arrivals: &[(u64, u64)], continues: bool) -> Inbound {
        let mut inbound = Inbound::default();
        for (incarnation, number) in arrivals {
            inbound.take(*incarnation, *number, continues);
        }
        inbound
    }

    #[test]
    fn what_is_in_order_is_right() {
        let inbound = after(&[(1, 1), (1, 2), (1, 3)], false);
        assert_eq!((inbound.wrongs, inbound.first, inbound.last, inbound.received), (Wrongs::default(), 1, 3, 3));
    }

    #[test]
    fn each_wrong_has_its_name() {
        assert_eq!(after(&[(1, 1), (1, 4)], false).wrongs, Wrongs { lost: 2, ..Wrongs::default() });
        assert_eq!(after(&[(1, 1), (1, 1)], false).wrongs, Wrongs { doubled: 1, ..Wrongs::default() });
        assert_eq!(after(&[(1, 1), (1, 3), (1, 2)], false).wrongs, Wrongs { reordered: 1, ..Wrongs::default() });
        assert_eq!(after(&[(2, 1), (1, 2)], false).wrongs, Wrongs { stale: 1, ..Wrongs::default() });
    }

    #[test]
    fn a_restart_may_begin_anywhere_but_not_repeat_what_continues() {
        assert_eq!(after(&[(1, 8), (2, 1), (2, 2)], false).wrongs.total(), 0);
        assert_eq!(after(&[(1, 8), (2, 12), (2, 13)], true).wrongs.total(), 0);
        assert_eq!(after(&[(1, 8), (2, 8)], true).wrongs, Wrongs { doubled: 1, ..Wrongs::default() });
    }
}
