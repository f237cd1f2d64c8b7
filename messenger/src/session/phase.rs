//! Where a session stands, and where it may go from there.

use crate::coverage::{self, Point};

use super::State;

/// Where a session stands. Which link carries it is the generation's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// This side dials, or waits to dial again.
    Connecting,
    /// A link the peer dialled is in its handshake.
    Accepting,
    /// Messages flow.
    Open,
    /// Broken, with nothing to send or nobody allowed to dial: rests until a send or the peer revives it.
    Standby,
    /// Lost the connection race: waits for the peer's link, and dials again if that never comes.
    Wait,
    /// Over for good.
    Closed,
}

impl Phase {
    /// All of them, in order.
    #[cfg(feature = "coverage")]
    pub(crate) const ALL: [Phase; 6] =
        [Phase::Connecting, Phase::Accepting, Phase::Open, Phase::Standby, Phase::Wait, Phase::Closed];

    /// Whether a session may begin here: on this side's wish, by the peer's dial, or as the loopback.
    pub(crate) fn may_begin(self) -> bool {
        matches!(self, Phase::Connecting | Phase::Accepting | Phase::Open)
    }

    /// Whether a session may go from here to `next`.
    pub(crate) fn may_become(self, next: Phase) -> bool {
        use Phase::{Accepting, Closed, Connecting, Open, Standby, Wait};
        match (self, next) {
            // The end is the end, and nothing ends twice.
            (Closed, _) => false,
            (_, Closed) => true,
            // A handshake succeeds.
            (Connecting | Accepting, Open) => true,
            (_, Open) => false,
            // The peer's link takes over whatever there is.
            (_, Accepting) => true,
            // A link broke; a dial that failed is made again.
            (Connecting | Accepting | Open, Connecting | Standby) => true,
            // A send revives it.
            (Standby, Connecting) => true,
            (Standby, Standby) => false,
            // A lost race, and its link that did not come.
            (Connecting, Wait) => true,
            (Wait, Connecting) => true,
            (Wait, Standby) => false,
            (_, Wait) => false,
        }
    }
}

impl State {
    /// Goes to `next`. Every change of phase passes here.
    pub(crate) fn enter(&mut self, next: Phase) {
        debug_assert!(self.phase.may_become(next), "from {:?} to {next:?}", self.phase);
        coverage::hit(Point::Became(self.phase, next));
        self.phase = next;
    }
}
