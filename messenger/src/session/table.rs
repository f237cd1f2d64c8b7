//! The acceptor's table: what a `connect` means for a session that may already exist.
//!
//! Pure: it looks at both sides and names a row; [`super::accept`] acts on it. Rows are lettered as in docs/WIRE.md.

use crate::addr::EntityAddr;
use crate::coverage::{self, Point};
use crate::wire::{Connect, features};

use super::{Phase, State};

/// What to do about a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Open a session that did not exist (rows b and c).
    Open,
    /// RESETSESSION: the peer continues a session that is not known here (rows a and l).
    ResetSession,
    /// RETRY_GLOBAL: an old attempt, or the session is still being taken over (rows d and e).
    RetryGlobal,
    /// RETRY_SESSION: the peer missed an opening (rows h and i).
    RetrySession,
    /// WAIT: both dialled, and our attempt wins (row k).
    Wait,
    /// The incoming link takes the session over (rows f, g, i, j and m).
    Replace {
        /// Drop the session's queues first and tell the dispatchers.
        session_reset: bool,
        /// The peer started over: answer READY, so that it is not told of sequence numbers it never had.
        hard_reset: bool,
        /// The peer continues what is dropped: answer RESETSESSION first.
        peer_continues: bool,
    },
}

/// The verdict when no session is registered for the peer: row a when it continues one, else row b.
pub(crate) fn unknown(connect: &Connect) -> Verdict {
    row(if connect.connect_seq > 0 { b'a' } else { b'b' }, fresh(connect))
}

/// Without a session there is nothing to continue.
fn fresh(connect: &Connect) -> Verdict {
    if connect.connect_seq > 0 { Verdict::ResetSession } else { Verdict::Open }
}

/// The verdict when `existing` is registered for the peer.
pub(crate) fn known(existing: &State, connect: &Connect, resetcheck: bool, my_addr: &EntityAddr) -> Verdict {
    const TAKE_OVER: Verdict = Verdict::Replace { session_reset: false, hard_reset: false, peer_continues: false };
    let (theirs, ours) = (connect.connect_seq, existing.connect_seq);
    // A fresh side cannot number on from a peer that does not say what it has received.
    let common = connect.features & existing.policy.features_supported;
    let starts_over = resetcheck || common & features::RECONNECT_SEQ == 0;
    if existing.phase == Phase::Closed {
        return row(b'c', fresh(connect));
    }
    if existing.reserved_by.is_some() {
        return row(b'd', Verdict::RetryGlobal);
    }
    if connect.global_seq < existing.peer_global_seq {
        return row(b'e', Verdict::RetryGlobal);
    }
    if existing.policy.lossy {
        // A peer that continues it was never told that this side keeps nothing: it would send again what arrived.
        let peer_continues = theirs > 0;
        return row(b'f', Verdict::Replace { session_reset: true, hard_reset: false, peer_continues });
    }
    // Of two dials that cross, both sides must let the smaller address's go on, whatever their numbers: otherwise they may
    // hang up each other's, or outbid each other with RETRY_SESSION, for ever. Row m needs no such care: it outbids for good.
    let ours_wins = existing.dialling && *my_addr < existing.peer_addr;
    if ours_wins && (theirs <= ours || starts_over && ours == 0) {
        return row(b'k', Verdict::Wait);
    }
    // What opened and has 0 has come round to it.
    if theirs == 0 && (ours > 0 || existing.opened) {
        // Only what opened can have been forgotten; otherwise the peer merely missed the reply, and asks again.
        let (session_reset, hard_reset) = (resetcheck && existing.opened, existing.opened);
        return row(b'g', Verdict::Replace { session_reset, hard_reset, peer_continues: false });
    }
    if theirs < ours {
        return row(b'h', Verdict::RetrySession);
    }
    if theirs > ours {
        return match starts_over && ours == 0 {
            true => row(b'l', Verdict::ResetSession),
            false => row(b'm', TAKE_OVER),
        };
    }
    match existing.phase {
        // Row l would not take the connect_seq asked for: both would ask each other to retry for ever.
        Phase::Open | Phase::Standby if starts_over && ours == 0 => row(b'i', TAKE_OVER),
        Phase::Open | Phase::Standby => row(b'i', Verdict::RetrySession),
        _ => row(b'j', TAKE_OVER),
    }
}

fn row(letter: u8, verdict: Verdict) -> Verdict {
    coverage::hit(Point::Row(letter));
    verdict
}
