//! Which session's link works in this thread. Not every callback is told.

use std::cell::Cell;

thread_local! {
    static SESSION: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `work`, which is that of the link of a session, if it has one yet.
pub(crate) fn on<T>(session: Option<u64>, work: impl FnOnce() -> T) -> T {
    let before = SESSION.replace(session);
    let result = work();
    SESSION.set(before);
    result
}

/// The link that works has got a session.
pub(crate) fn opened(session: u64) {
    SESSION.set(Some(session));
}

/// The session whose link works.
pub(crate) fn session() -> Option<u64> {
    SESSION.get()
}
