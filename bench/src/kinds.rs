//! The table of kinds: every messenger that can be measured, ZeroMQ beside them, and the floors they are measured against.
//!
//! A new messenger is one more row here, and nothing else in this program.

use std::fmt;

use msgr::{Config, MessengerFactory};
use msgr_async::AsyncFactory;
use msgr_simple::SimpleFactory;

use crate::{rdma, zmq};

/// What the connections of a kind are made of: only like can talk to like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// TCP sockets, with msgr v1 on them.
    Tcp,
    /// Verbs of an RDMA device.
    Rdma,
    /// TCP sockets, with ZeroMQ's protocol on them.
    Zmtp,
    /// TCP sockets, with nothing on them.
    Bare,
}

/// How the threads of a floor wait for their sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// In blocking calls where one connection is all there is, in epoll otherwise.
    Block,
    /// In epoll, always.
    Epoll,
    /// Never: they ask again and again.
    Spin,
}

/// What makes the connections of a kind.
#[derive(Clone, Copy)]
pub(crate) enum Maker {
    /// Messengers behind the one trait.
    Messengers(&'static dyn MessengerFactory),
    /// ZeroMQ's sockets.
    Zmq,
    /// Bare sockets.
    Floor(Wait),
    /// Programs of others, which `run` starts itself.
    Perftest,
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
    maker: Maker,
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

/// Of what waits for all its peers in a few threads.
const EVENTS_NEED: Need =
    Need { threads: THREADS, threads_per_peer: 0, files: FILES, files_per_peer: 1, memory_per_peer: 0 };

const RDMA_NEED: Need = Need { memory_per_peer: RDMA_PER_PEER, ..EVENTS_NEED };

static KINDS: [Row; 7] = [
    Row {
        name: "simple",
        network: Network::Tcp,
        maker: Maker::Messengers(&SimpleFactory),
        // A reader and a writer thread for each peer.
        serve: Need { threads: THREADS, threads_per_peer: 2, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
        // The same, and a reaper thread for each messenger.
        load: Need { threads: THREADS, threads_per_peer: 3, files: FILES, files_per_peer: 1, memory_per_peer: 0 },
    },
    Row {
        name: "async",
        network: Network::Tcp,
        maker: Maker::Messengers(&AsyncFactory),
        serve: EVENTS_NEED,
        // All messengers of a process share one pool of workers.
        load: EVENTS_NEED,
    },
    Row {
        name: "rdma",
        network: Network::Rdma,
        maker: Maker::Messengers(rdma::FACTORY),
        // A TCP connection stands beside each queue pair.
        serve: RDMA_NEED,
        load: RDMA_NEED,
    },
    Row {
        name: "zmq",
        network: Network::Zmtp,
        maker: Maker::Zmq,
        // One socket for all peers, and libzmq's two threads behind it.
        serve: EVENTS_NEED,
        // A socket for each peer, whose mailbox is a file too. Each thousand of them costs two threads and six files more,
        // of which those of five thousand are within what is rounded up.
        load: Need { files_per_peer: 2, ..EVENTS_NEED },
    },
    floor("tcp", Wait::Block),
    floor("tcp-epoll", Wait::Epoll),
    floor("tcp-spin", Wait::Spin),
];

const fn floor(name: &'static str, wait: Wait) -> Row {
    Row { name, network: Network::Bare, maker: Maker::Floor(wait), serve: EVENTS_NEED, load: EVENTS_NEED }
}

/// Bare verbs: perftest's programs, which `run` starts itself. So it is no row of the table: nobody asks for it by name.
static VERBS: Row =
    Row { name: "verbs", network: Network::Rdma, maker: Maker::Perftest, serve: Need::NOTHING, load: Need::NOTHING };

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Kind(&'static Row);

impl Kind {
    /// Bare sockets, no messenger: what every figure is compared with. The other floors stand beside it.
    pub(crate) const FLOOR: Kind = Kind(&KINDS[4]);

    /// Verbs without a messenger, what RDMA figures at one peer are compared with.
    pub(crate) const VERBS: Kind = Kind(&VERBS);

    /// The messenger on RDMA.
    pub(crate) const RDMA: Kind = Kind(&KINDS[2]);

    /// ZeroMQ.
    pub(crate) const ZMQ: Kind = Kind(&KINDS[3]);

    /// What makes the load at more than one peer unless told otherwise: no threads for each peer, so that the load side
    /// does not meet the limits that the side under test is measured at.
    pub(crate) const DEFAULT_LOAD: Kind = Kind(&KINDS[1]);

    /// What a run measures unless told otherwise.
    pub(crate) fn usual() -> Vec<Kind> {
        let here = |kind: &Kind| kind.network() == Network::Tcp || (*kind == Kind::ZMQ && zmq::find().is_ok());
        Kind::all().filter(here).collect()
    }

    /// Whether it is a messenger, and no floor.
    pub(crate) fn is_messenger(self) -> bool {
        matches!(self.maker(), Maker::Messengers(_) | Maker::Zmq)
    }

    /// Every kind, the floors last.
    pub(crate) fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(Kind)
    }

    /// Its name on the command line and in records.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// What makes its connections.
    pub(crate) fn maker(self) -> Maker {
        self.0.maker
    }

    /// What makes its messengers; none for ZeroMQ and the floors.
    pub(crate) fn factory(self) -> Option<&'static dyn MessengerFactory> {
        match self.maker() {
            Maker::Messengers(factory) => Some(factory),
            Maker::Zmq | Maker::Floor(_) | Maker::Perftest => None,
        }
    }

    /// Whether it is bare sockets, of which [`Kind::FLOOR`] is what ratios are to.
    pub(crate) fn is_floor(self) -> bool {
        matches!(self.maker(), Maker::Floor(_))
    }

    /// Whether a load side of kind `load` speaks what this one does. Of the floors each speaks to its like only: their
    /// bytes are the same, but a figure is that of both sides.
    pub(crate) fn answers(self, load: Kind) -> bool {
        self == load || (self.network() == load.network() && !self.is_floor())
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

    /// The kind called `name`.
    ///
    /// # Errors
    ///
    /// When there is none, with a list of those there are; when it is ZeroMQ and this program was built without.
    pub(crate) fn parse(name: &str) -> Result<Kind, String> {
        let Some(kind) = Kind::all().find(|kind| kind.name() == name) else {
            return Err(format!(
                "there is no messenger {name:?}; take one of {} ({} are bare sockets)",
                names(|_| true),
                names(Kind::is_floor)
            ));
        };
        // Here and not later: a run that leaves it out in silence would not be the one that was asked for.
        if kind == Kind::ZMQ {
            zmq::find().map_err(|error| error.to_string())?;
        }
        Ok(kind)
    }

    /// As [`Kind::parse`], of those behind the trait.
    pub(crate) fn parse_messenger(name: &str) -> Result<Kind, String> {
        let kind = Kind::parse(name)?;
        if kind.factory().is_none() {
            return Err(format!(
                "{name} is {}, to compare with, and none of the messengers; take one of {}",
                if kind.is_floor() { "a bare-socket floor" } else { "a reference" },
                names(|kind| kind.factory().is_some())
            ));
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

/// The names of the kinds that `which` picks, for a sentence.
fn names(which: impl Fn(Kind) -> bool) -> String {
    let names: Vec<_> = Kind::all().filter(|kind| which(*kind)).map(Kind::name).collect();
    names.join(", ")
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
            assert!(kind == Kind::ZMQ || Kind::parse(kind.name()) == Ok(kind));
            assert!(kind.factory().is_none_or(|factory| factory.name() == kind.name()));
        }
        assert_eq!(
            [Kind::FLOOR, Kind::RDMA, Kind::ZMQ, Kind::DEFAULT_LOAD].map(Kind::name),
            ["tcp", "rdma", "zmq", "async"]
        );
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_list() {
        let error = Kind::parse("rmda").expect_err("no such kind");
        assert!(
            error.contains("simple, async, rdma, zmq, tcp, tcp-epoll, tcp-spin (tcp, tcp-epoll, tcp-spin are"),
            "{error}"
        );
        for reference in ["tcp", "tcp-epoll", "tcp-spin"] {
            assert!(Kind::parse_messenger(reference).is_err_and(|error| error.contains("simple, async, rdma")));
        }
        assert!(Kind::parse_messenger("zmq").is_err());
        assert!(Kind::parse_on_tcp("rdma").is_err_and(|error| error.contains("rdma-test")));
        assert!(Kind::parse(Kind::VERBS.name()).is_err());
    }

    #[test]
    fn only_like_talks_to_like_and_a_floor_to_itself_alone() {
        let spoken: Vec<_> = Kind::all()
            .flat_map(|serve| {
                Kind::all().filter(move |load| serve != *load && serve.answers(*load)).map(move |load| (serve, load))
            })
            .map(|(serve, load)| (serve.name(), load.name()))
            .collect();
        assert_eq!(spoken, [("simple", "async"), ("async", "simple")]);
        assert!(Kind::all().all(|kind| kind.answers(kind)));
    }

    #[test]
    fn three_kinds_are_floors_and_each_waits_in_its_own_way() {
        let waits = |kind: Kind| if let Maker::Floor(wait) = kind.maker() { Some((kind.name(), wait)) } else { None };
        let floors: Vec<_> = Kind::all().filter_map(waits).collect();
        assert_eq!(floors, [("tcp", Wait::Block), ("tcp-epoll", Wait::Epoll), ("tcp-spin", Wait::Spin)]);
        assert!(!Kind::VERBS.is_floor() && !Kind::ZMQ.is_floor());
    }
}
