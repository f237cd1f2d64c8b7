//! What a policy promises to the side that survives.

use crate::trials::node::{Events, Pair};

/// Which side is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Killed {
    /// The one that binds and echoes.
    Server,
    /// The one that dials and sends.
    Client,
}

impl Killed {
    pub(super) const BOTH: [Killed; 2] = [Killed::Server, Killed::Client];

    pub(super) fn name(self) -> &'static str {
        match self {
            Killed::Server => "server",
            Killed::Client => "client",
        }
    }
}

/// How often a callback may run for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Never,
    Once,
    /// Depends on who dials first.
    AtMostOnce,
}

impl Times {
    fn allows(self, heard: u64, peers: u64) -> bool {
        match self {
            Times::Never => heard == 0,
            Times::Once => heard == peers,
            Times::AtMostOnce => heard <= peers,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Times::Never => "never",
            Times::Once => "once a peer",
            Times::AtMostOnce => "at most once a peer",
        }
    }
}

/// What the survivor hears of one kill, when the killed side has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// `ms_handle_reset`: the connection is over.
    pub(super) reset: Times,
    /// `ms_handle_remote_reset`: the peer forgot the session, which goes on from the start.
    pub(super) remote_reset: Times,
    /// Whether the survivor may dial while the other side is away, and hear that it is refused.
    pub(super) may_be_refused: bool,
}

impl Promise {
    /// What `pair` promises.
    pub(super) fn of(pair: Pair, killed: Killed) -> Promise {
        let (reset, remote_reset) = match (pair, killed) {
            // Lossy: the fault ends the connection, and there is no session to be forgotten.
            (Pair::Lossy, _) => (Times::Once, Times::Never),
            // The dialler asks to continue a session that the restarted server does not know.
            (_, Killed::Server) => (Times::Never, Times::Once),
            // The restarted client starts over, which a server with resetcheck notices.
            (Pair::Stateful | Pair::PeerReuse, Killed::Client) => (Times::Never, Times::Once),
            // Without resetcheck it is not noticed, unless the survivor dials first and is told.
            (Pair::Peer, Killed::Client) => (Times::Never, Times::AtMostOnce),
        };
        // A client dials at once; a server never does; a peer does when it has something to send.
        Promise { reset, remote_reset, may_be_refused: killed == Killed::Server || pair.both_dial() }
    }

    /// Whether what was heard is what was promised.
    pub(super) fn is_kept(self, heard: &Events, peers: u64) -> bool {
        self.reset.allows(heard.reset, peers)
            && self.remote_reset.allows(heard.remote_reset, peers)
            && (self.may_be_refused || heard.refused == 0)
    }

    /// While the other side is away nobody can know yet that it will have forgotten the session.
    pub(super) fn is_kept_meanwhile(self, heard: &Events, peers: u64) -> bool {
        heard.remote_reset == 0
            && (self.may_be_refused || heard.refused == 0)
            && (self.reset.allows(heard.reset, peers) || heard.reset < peers && self.reset == Times::Once)
    }

    pub(super) fn words(self) -> String {
        match (self.reset, self.remote_reset) {
            (Times::Never, remote) => format!("remote reset {}", remote.words()),
            (reset, _) => format!("reset {}", reset.words()),
        }
    }
}

/// What was heard between two looks.
pub(super) fn since(before: &Events, now: &Events) -> Events {
    Events {
        connect: now.connect - before.connect,
        accept: now.accept - before.accept,
        reset: now.reset - before.reset,
        remote_reset: now.remote_reset - before.remote_reset,
        refused: now.refused - before.refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(reset: u64, remote_reset: u64, refused: u64) -> Events {
        Events { reset, remote_reset, refused, ..Events::default() }
    }

    #[test]
    fn a_lossy_survivor_hears_a_reset_and_a_lossless_one_a_remote_reset() {
        let lossy = Promise::of(Pair::Lossy, Killed::Client);
        assert!(lossy.is_kept(&heard(4, 0, 0), 4));
        assert!(!lossy.is_kept(&heard(3, 0, 0), 4), "one is missing");
        assert!(!lossy.is_kept(&heard(4, 1, 0), 4));
        let lossless = Promise::of(Pair::Stateful, Killed::Server);
        assert!(lossless.is_kept(&heard(0, 4, 9), 4));
        assert!(!lossless.is_kept(&heard(0, 5, 9), 4), "one is told twice");
    }

    #[test]
    fn a_lossless_server_hears_nothing_until_its_client_is_back() {
        let promise = Promise::of(Pair::Stateful, Killed::Client);
        assert!(promise.is_kept_meanwhile(&heard(0, 0, 0), 4));
        for early in [heard(1, 0, 0), heard(0, 1, 0), heard(0, 0, 1)] {
            assert!(!promise.is_kept_meanwhile(&early, 4), "{early:?}");
        }
    }
}
