//! Which link works in this thread. Not every callback is told.

use std::cell::Cell;

use msgr::session::Link;

/// The link that works.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Working {
    /// Its session, if it has one yet.
    pub(crate) session: Option<u64>,
    /// It is open, and the dispatchers have been told so.
    pub(crate) open: bool,
}

thread_local! {
    static WORKING: Cell<Working> = const { Cell::new(Working { session: None, open: false }) };
}

/// What `link` is before it works.
pub(crate) fn of(link: &Link) -> Working {
    Working { session: link.session().map(|session| session.id()), open: link.is_open() }
}

/// Runs `work`, which is that of a link.
pub(crate) fn on<T>(link: Working, work: impl FnOnce() -> T) -> T {
    let before = WORKING.replace(link);
    let result = work();
    WORKING.set(before);
    result
}

/// The link that works has opened, with this session.
pub(crate) fn opened(session: u64) {
    WORKING.set(Working { session: Some(session), open: true });
}

/// The link that works.
pub(crate) fn now() -> Working {
    WORKING.get()
}
