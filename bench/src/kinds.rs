//! The table of kinds: every messenger that can be measured, and the floor they are measured against.
//!
//! A new messenger is one more row here, and nothing else in this program.

use std::fmt;

use msgr::{Config, MessengerFactory};
use msgr_async::AsyncFactory;
use msgr_simple::SimpleFactory;

use crate::rdma;

/// What the connections of a kind are made of: only like can talk to like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// TCP sockets.
    Tcp,
    /// Verbs of an RDMA device.
    Rdma,
}

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
    /// Bytes for each peer beside sockets, threads and session.
    pub(crate) memory_per_peer: u64,
}

impl Need {
    /// What a side that is not on this host needs.
    pub(crate) const NOTHING: Need =
        Need { threads: 0, threads_per_peer: 0, files: 0, files_per_peer: 0, memory_per_peer: 0 };
}

/// What one kind is called, how it is made and what it needs.
struct Row {
    name: &'static str,
    network: Network,
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

/// Registered memory of an RDMA connection that rests: 6 receives of `ms_async_rdma_buffer_size`.
const RDMA_PER_PEER: u64 = 6 * (128 << 10);

const RDMA_NEED: Need =
    Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: RDMA_PER_PEER };

static KINDS: [Row; 4] = [
    Row {
        name: "simple",
        network: Network::Tcp,
        factory: Some(&SimpleFactory),
        // A reader and a writer thread for each peer.
        serve: Need { threads: THREADS, threads_per_peer: 2, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
        // The same, and a reaper thread for each messenger.
        load: Need { threads: THREADS, threads_per_peer: 3, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
    },
    Row {
        name: "async",
        network: Network::Tcp,
        factory: Some(&AsyncFactory),
        serve: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
        // All messengers of a process share one pool of workers.
        load: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
    },
    Row {
        name: "rdma",
        network: Network::Rdma,
        factory: Some(rdma::FACTORY),
        // A TCP connection stands beside each queue pair.
        serve: RDMA_NEED,
        load: RDMA_NEED,
    },
    Row {
        name: "tcp",
        network: Network::Tcp,
        factory: None,
        serve: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
        load: Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
    },
];

/// Bare verbs: perftest's programs, which `run` starts itself. So it is no row of the table: nobody asks for it by name.
static VERBS: Row =
    Row { name: "verbs", network: Network::Rdma, factory: None, serve: Need::NOTHING, load: Need::NOTHING };

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Kind(&'static Row);

impl Kind {
    /// Bare sockets, no messenger: what every figure is compared with.
    pub(crate) const FLOOR: Kind = Kind(&KINDS[3]);

    /// Verbs without a messenger, what RDMA figures at one peer are compared with.
    pub(crate) const VERBS: Kind = Kind(&VERBS);

    /// The messenger on RDMA.
    pub(crate) const RDMA: Kind = Kind(&KINDS[2]);

    /// What makes the load at more than one peer unless told otherwise: no threads for each peer, so that the load side
    /// does not meet the limits that the side under test is measured at.
    pub(crate) const DEFAULT_LOAD: Kind = Kind(&KINDS[1]);

    /// What a run measures unless told otherwise.
    pub(crate) fn usual() -> Vec<Kind> {
        KINDS[..2].iter().map(Kind).collect()
    }

    /// Whether it is a messenger, and no floor.
    pub(crate) fn is_messenger(self) -> bool {
        self != Kind::FLOOR && self != Kind::VERBS
    }

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

    /// What its connections are made of.
    pub(crate) fn network(self) -> Network {
        self.0.network
    }

    /// Says at once, and how it is mended, when messengers of this kind cannot be made here.
    ///
    /// # Errors
    ///
    /// When it is RDMA, and this program or this host has none.
    pub(crate) fn check(self, config: &Config) -> anyhow::Result<()> {
        if self.network() == Network::Rdma { rdma::find(config).map(drop) } else { Ok(()) }
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
            return Err("tcp is the bare-socket floor, not a messenger; take simple, async or rdma".into());
        }
        Ok(kind)
    }

    /// As [`Kind::parse_messenger`], of those on TCP: what the trials break and abuse are sockets.
    pub(crate) fn parse_on_tcp(name: &str) -> Result<Kind, String> {
        let kind = Kind::parse_messenger(name)?;
        if kind.network() != Network::Tcp {
            return Err("the trials break TCP sockets: take simple or async; `just rdma-test` breaks RDMA".into());
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
        assert!(error.contains("simple, async, rdma, tcp"), "{error}");
        assert!(Kind::parse_messenger("tcp").is_err());
        assert!(Kind::parse_on_tcp("rdma").is_err_and(|error| error.contains("rdma-test")));
        assert!(Kind::parse(Kind::VERBS.name()).is_err());
    }
}
