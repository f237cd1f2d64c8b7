//! A server and its clients, either of which may be killed and started again.

use std::time::{Duration, Instant};

use super::promise::{Killed, Promise, since};
use crate::trials::node::{Ask, Events, Load, Pair, Report, Role, Spec, Wrongs};
use crate::trials::nodes::{Halt, Node, loopback, sleep};

/// Payload bytes of the stream that is cut: small and large messages, so that some are cut in the middle.
const BYTES: (u64, u64) = (64, 16 << 10);

/// Requests in flight for each peer: a stream, of which some is always queued, under way or unanswered.
const DEPTH: u32 = 8;

/// Echoes of each peer after which messages flow.
const FLOWING: u64 = 20;

/// How long it may take until messages flow again after the killed side was started: the longest pause between dials
/// (`ms_max_backoff`, 15 s), and as much again on a busy machine.
const RESUME_WITHIN: Duration = Duration::from_secs(30);

/// How long a callback may take that follows from what the kernel tells at once.
const HEAR_WITHIN: Duration = Duration::from_secs(10);

/// How long the stream flows before the next kill, and how long a killed client stays away, in milliseconds: from
/// "hardly begun" to "long under way".
const PAUSE_MS: std::ops::Range<u64> = 1..60;

/// How long restarted clients that are bound wait before they dial, in milliseconds: not at all, about as long as the
/// survivor waits between its first dials (`ms_initial_backoff`, 0.2 s), and longer.
const DIAL_AFTER_MS: [u64; 4] = [0, 0, 200, 500];

/// What one kill led to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// What the survivor heard.
    pub(super) heard: Events,
    /// From when the killed side could be dialled, or dialled, until messages of all peers flowed.
    pub(super) resumed: Duration,
}

/// See the module.
pub(super) struct Stage {
    kind: String,
    pair: Pair,
    options: Vec<(String, String)>,
    seed: u64,
    peers: u32,
    server: Option<Node>,
    client: Option<Node>,
    /// Processes of each side so far.
    servers: u64,
    clients: u64,
    /// What the processes of the past saw go wrong is lost with them; what the survivors saw is not.
    pub(super) wrongs: Wrongs,
}

impl Stage {
    /// Starts both sides and waits until messages flow.
    pub(super) fn new(
        kind: &str,
        pair: Pair,
        options: Vec<(String, String)>,
        seed: u64,
        peers: u32,
    ) -> Result<Stage, Halt> {
        let mut stage = Stage {
            kind: kind.to_owned(),
            pair,
            options,
            seed,
            peers,
            server: None,
            client: None,
            servers: 0,
            clients: 0,
            wrongs: Wrongs::default(),
        };
        stage.start_server()?;
        stage.start_client(Duration::ZERO)?;
        stage.flow(RESUME_WITHIN)?;
        Ok(stage)
    }

    fn spec(&self, incarnation: u64, role: Role) -> Spec {
        Spec {
            kind: self.kind.clone(),
            policies: self.pair,
            options: self.options.clone(),
            seed: self.seed,
            bytes: BYTES,
            incarnation,
            peers: self.peers,
            files: None,
            role,
        }
    }

    fn start_server(&mut self) -> Result<(), Halt> {
        self.servers += 1;
        self.server = Some(Node::start("the server", &self.spec(self.servers, Role::Serve { at: loopback(0) }))?);
        Ok(())
    }

    /// Starts the clients, which dial only after a while: meanwhile a peer that survived may dial them.
    fn start_client(&mut self, dial_after: Duration) -> Result<(), Halt> {
        self.clients += 1;
        let bound = if self.pair.both_dial() { self.peers } else { 0 };
        let load = Load {
            server: loopback(0),
            at: (1..=bound).filter_map(|number| u16::try_from(number).ok()).map(loopback).collect(),
            first: 0,
            nonce: 1,
            depth: DEPTH,
            messages: None,
            nudge: true,
        };
        let mut node = Node::start("the clients", &self.spec(self.clients, Role::Load(load)))?;
        sleep(dial_after)?;
        node.ask(Ask::Go)?;
        self.client = Some(node);
        Ok(())
    }

    fn server(&mut self) -> Result<&mut Node, Halt> {
        self.server.as_mut().ok_or_else(|| Halt::Broken("the server is not there".into()))
    }

    fn client(&mut self) -> Result<&mut Node, Halt> {
        self.client.as_mut().ok_or_else(|| Halt::Broken("the clients are not there".into()))
    }

    fn survivor(&mut self, killed: Killed) -> Result<&mut Node, Halt> {
        match killed {
            Killed::Server => self.client(),
            Killed::Client => self.server(),
        }
    }

    /// Waits until every peer has had echoes from the present server.
    fn flow(&mut self, within: Duration) -> Result<(), Halt> {
        let (servers, clients) = (self.servers, self.clients);
        let echoed =
            |report: &Report| report.peers.iter().all(|peer| peer.incarnation == servers && peer.received >= FLOWING);
        let (report, flows) = self.client()?.wait_until(within, echoed)?;
        if !flows {
            let server = self.server()?.report()?;
            return Err(Halt::Broken(format!(
                "it hangs: after {} s not every peer has {FLOWING} echoes of server {servers} for client {clients}; the \
                 clients saw {:?} and {:?}, the server {:?} and {:?}",
                within.as_secs(),
                report.peers,
                report.events,
                server.peers,
                server.events
            )));
        }
        Ok(())
    }

    /// Kills one side in the middle of the stream, starts it again, and waits until messages flow.
    pub(super) fn kill(&mut self, killed: Killed, random: &mut fastrand::Rng) -> Result<Outcome, Halt> {
        let promise = Promise::of(self.pair, killed);
        let peers = u64::from(self.peers);
        let before = self.survivor(killed)?.report()?.events;
        sleep(Duration::from_millis(random.u64(PAUSE_MS)))?;
        match killed {
            Killed::Server => self.server.take(),
            Killed::Client => self.client.take(),
        }
        .ok_or_else(|| Halt::Broken("there is nobody to kill".into()))?
        .kill();
        self.meanwhile(killed, promise, &before, random)?;
        let begun = Instant::now();
        match killed {
            Killed::Server => self.start_server()?,
            Killed::Client => self.start_client(Duration::from_millis(random.choice(DIAL_AFTER_MS).unwrap_or(0)))?,
        }
        self.flow(RESUME_WITHIN)?;
        let resumed = begun.elapsed();
        // The callbacks have a thread of their own, which may be behind the messages.
        let kept = |report: &Report| promise.is_kept(&since(&before, &report.events), peers);
        let (report, kept) = self.survivor(killed)?.wait_until(HEAR_WITHIN, kept)?;
        let heard = since(&before, &report.events);
        if !kept {
            return Err(Halt::Broken(format!(
                "the survivor heard {heard:?}, and was promised: {}, for {peers} peers",
                promise.words()
            )));
        }
        self.check(killed)?;
        Ok(Outcome { heard, resumed })
    }

    /// While the killed side is away.
    fn meanwhile(
        &mut self,
        killed: Killed,
        promise: Promise,
        before: &Events,
        random: &mut fastrand::Rng,
    ) -> Result<(), Halt> {
        let peers = u64::from(self.peers);
        let lossy = self.pair == Pair::Lossy;
        let refusal = killed == Killed::Server && random.bool();
        let survivor = self.survivor(killed)?;
        if refusal {
            let refused = |report: &Report| report.events.refused > before.refused;
            if !survivor.wait_until(HEAR_WITHIN, refused)?.1 {
                return Err(Halt::Broken("the server is away, and no client hears that it is refused".into()));
            }
        } else if lossy && killed == Killed::Client {
            let reset = |report: &Report| since(before, &report.events).reset == peers;
            if !survivor.wait_until(HEAR_WITHIN, reset)?.1 {
                return Err(Halt::Broken(
                    "the clients are gone, and the server does not hear of a reset of each".into(),
                ));
            }
        } else {
            sleep(Duration::from_millis(random.u64(PAUSE_MS)))?;
        }
        let heard = since(before, &survivor.report()?.events);
        if !promise.is_kept_meanwhile(&heard, peers) {
            return Err(Halt::Broken(format!(
                "while the {} was away the survivor heard {heard:?}, which nobody can know yet",
                killed.name()
            )));
        }
        Ok(())
    }

    /// Nothing lost, doubled or out of order between the processes that are there.
    fn check(&mut self, killed: Killed) -> Result<(), Halt> {
        let client = self.client()?.report()?;
        let server = self.server()?.report()?;
        for (side, report) in [("the server", &server), ("the clients", &client)] {
            if report.wrongs.total() > 0 {
                self.wrongs += report.wrongs;
                return Err(Halt::Broken(format!("{side} saw {:?}: {:?}", report.wrongs, report.peers)));
            }
        }
        let anew = killed == Killed::Client && self.pair != Pair::Lossy;
        if let Some(peer) = server.peers.iter().find(|peer| anew && peer.first != 1) {
            return Err(Halt::Broken(format!(
                "the first message of a restarted client that the server heard is its number {}",
                peer.first
            )));
        }
        Ok(())
    }

    /// Lets the stream run dry, so that a loss at its end is seen too, and ends both sides in order.
    pub(super) fn end(mut self) -> Result<(), Halt> {
        self.client()?.ask(Ask::Pause)?;
        let dry = |report: &Report| report.peers.iter().all(|peer| peer.last == peer.sent);
        let (report, dry) = self.client()?.wait_until(HEAR_WITHIN, dry)?;
        if !dry {
            return Err(Halt::Broken(format!("the last requests are not answered: {:?}", report.peers)));
        }
        self.check(Killed::Server)?;
        for node in [self.client.take(), self.server.take()].into_iter().flatten() {
            node.end()?;
        }
        Ok(())
    }
}
