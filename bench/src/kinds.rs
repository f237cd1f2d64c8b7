//! The table of kinds: every messenger that can be measured, and the floor they are measured against.
//!
//! A new messenger is one more row here, and nothing else in this program.

use std::fmt;

use msgr::MessengerFactory;
use msgr_async::AsyncFactory;
use msgr_simple::SimpleFactory;

/// What one process of a kind needs: a constant part, and a part for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Threads at no peer, those of this program included.
    pub(crate) threads: u64,
    /// Threads for each peer.
    pub(crate) threads_per_peer: u64,
    /// File descriptors at no peer.
    pub(crate) files: u64,
    /// File descriptors for each peer.
    pub(crate) files_per_peer: u64,
}

impl Need {
    /// What a side that is not on this host needs.
    pub(crate) const NOTHING: Need = Need { threads: 0, threads_per_peer: 0, files: 0, files_per_peer: 0 };
}

/// What one kind is called, how it is made and what it needs.
struct Row {
    name: &'static str,
    /// Makes messengers; none for the floor, which is bare sockets.
    factory: Option<&'static dyn MessengerFactory>,
    /// As the side under test: one messenger with all peers.
    serve: Need,
    /// As the load side: a messenger for each peer.
    load: Need,
}

/// Threads of this program itself (main, control, standard input or signals, pipes) and of a messenger at no peer
/// (accepter, reaper, workers, dispatch), rounded up.
const THREADS: u64 = 16;

/// File descriptors of this program and of a messenger at no peer (pipes, listener, control, epoll, wakers), rounded
/// up.
const FILES: u64 = 64;

static KINDS: [Row; 3] = [
    Row {
        name: "simple",
        factory: Some(&SimpleFactory),
        // A reader and a writer thread for each peer.
        serve: Need { threads: THREADS, threads_per_peer: 2, files: FILES, files_per_peer: 1 },
        // The same, and a reaper thread for each messenger.
        load: Need { threads: THREADS, threads_per_peer: 3, files: FILES, files_per_peer: 1 },
    },
    Row {
        name: "async",
        factory: Some(&AsyncFactory),
        serve: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1 },
        // All messengers of a process share one pool of workers.
        load: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1 },
    },
    Row {
        name: "tcp",
        factory: None,
        serve: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1 },
        load: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1 },
    },
];

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Kind(&'static Row);

impl Kind {
    /// Bare sockets, no messenger: what every figure is compared with.
    pub(crate) const FLOOR: Kind = Kind(&KINDS[2]);

    /// What makes the load at more than one peer unless told otherwise: no threads for each peer, so that the load side
    /// does not meet the limits that the side under test is measured at.
    pub(crate) const DEFAULT_LOAD: Kind = Kind(&KINDS[1]);

    /// Every kind, the floor last.
    pub(crate) fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(Kind)
    }

    /// Its name on the command line and in records.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// What makes its messengers; none for the floor.
    pub(crate) fn factory(self) -> Option<&'static dyn MessengerFactory> {
        self.0.factory
    }

    /// What the side under test needs.
    pub(crate) fn serve_need(self) -> Need {
        self.0.serve
    }

    /// What the load side needs.
    pub(crate) fn load_need(self) -> Need {
        self.0.load
    }

    /// The kind called `name`; the error lists those there are.
    pub(crate) fn parse(name: &str) -> Result<Kind, String> {
        Kind::all().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Kind::all().map(Kind::name).collect();
            format!("there is no messenger {name:?}; take one of {} (tcp is the bare-socket floor)", names.join(", "))
        })
    }

    /// As [`Kind::parse`], without the floor.
    pub(crate) fn parse_messenger(name: &str) -> Result<Kind, String> {
        let kind = Kind::parse(name)?;
        if kind == Kind::FLOOR {
            return Err("tcp is the bare-socket floor, not a messenger; take simple or async".into());
        }
        Ok(kind)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_factories_agree_about_their_names() {
        for kind in Kind::all() {
            assert_eq!(Kind::parse(kind.name()), Ok(kind));
            assert_eq!(kind.factory().map_or("tcp", |factory| factory.name()), kind.name());
        }
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_list() {
        let error = Kind::parse("rmda").expect_err("no such kind");
        assert!(error.contains("simple, async, tcp"), "{error}");
        assert!(Kind::parse_messenger("tcp").is_err());
    }
}
