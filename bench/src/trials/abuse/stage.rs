//! One run: a server, good peers that talk to it all the time, and strangers.

use std::time::Duration;

use super::phase::{FILES, NEW_EACH, Phase, TELLING};
use super::strangers::{Held, Strangers};
use crate::kinds::Kind;
use crate::trials::node::{Ask, Load, Pair, Report, Role, RoundTrips, Spec};
use crate::trials::nodes::{Cost, Halt, Node, loopback};
use crate::trials::verdict::Verdict;

/// Good peers, and those that come when the abuse is over.
pub(super) const GOOD: u32 = 16;
const NEWCOMERS: u32 = 4;

/// Payload bytes of good peers: small messages, whose round trips show every delay.
const BYTES: (u64, u64) = (64, 256);

/// Received and undispatched bytes of the server, and as many of messages that are arriving (`ms_dispatch_throttle_bytes`).
pub(super) const DISPATCH_BYTES: u64 = 64 << 20;

/// Queued bytes of each connection of the server (`ms_out_queue_max_bytes`).
pub(super) const QUEUE_BYTES: u64 = 16 << 20;

/// Memory that a connection may cost by itself, bytes: the longest authorizer accepted, which is as much as a stranger can
/// make the server keep of a handshake.
const CONNECTION_BYTES: u64 = 64 << 10;

/// Memory that a thread may cost, bytes: kernel stack, the touched part of its own, its allocator's cache.
const THREAD_BYTES: u64 = 64 << 10;

/// Memory that the allocator may keep for itself, bytes: arenas that grew in a burst are not given back at once.
const SLACK_BYTES: u64 = 32 << 20;

/// Echoes of each good peer after which its messages flow.
const FLOWING: u64 = 100;

/// How long good peers may take to connect and get that far, new ones after the abuse too: a dropped SYN is sent again
/// after 1, 2, 4 and 8 seconds.
const FLOW_WITHIN: Duration = Duration::from_secs(20);

/// How long the server may take to be as before when the strangers are gone.
const RECOVER_WITHIN: Duration = Duration::from_secs(20);

/// How long the counters may lag behind what they count: a time-out later than the last stranger.
const COUNT_WITHIN: Duration = Duration::from_secs(15);

/// What one run showed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) strangers: u32,
    pub(super) round_trips: RoundTrips,
    /// Most of everything that the server had at once.
    pub(super) most: Cost,
    /// Before the strangers came.
    pub(super) before: Cost,
    /// How far its memory may grow.
    pub(super) bound: u64,
}

impl Run {
    /// By how much the memory of the server grew.
    pub(super) fn growth(&self) -> u64 {
        self.most.rss.saturating_sub(self.before.rss)
    }
}

/// What is tried.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) connections: u32,
    pub(super) lasts: Duration,
    pub(super) options: Vec<(String, String)>,
    pub(super) seed: u64,
}

impl Setting {
    /// How far memory may grow: what the options allow, and what each connection and its threads cost by themselves.
    fn bound(&self, connections: u32) -> u64 {
        let connections = u64::from(connections);
        let threads = connections * self.kind.serve_need().threads_per_peer;
        let queues = if self.phase == Phase::Deaf { connections * QUEUE_BYTES } else { 0 };
        2 * DISPATCH_BYTES + queues + connections * CONNECTION_BYTES + threads * THREAD_BYTES + SLACK_BYTES
    }

    fn spec(&self, kind: Kind, peers: u32, role: Role) -> Spec {
        let serves = matches!(role, Role::Serve { .. });
        Spec {
            kind: kind.name().into(),
            policies: Pair::Lossy,
            options: if serves { self.options.clone() } else { vec![] },
            seed: self.seed,
            bytes: BYTES,
            incarnation: 1,
            peers,
            files: (serves && self.phase.limits_files()).then_some(FILES),
            role,
        }
    }

    fn peers(&self, server: &Node, first: u32, count: u32) -> Result<Node, Halt> {
        let load = Load {
            server: server.addresses[0],
            at: vec![],
            first,
            nonce: 1 + first,
            depth: 1,
            messages: None,
            nudge: false,
        };
        // The same load for every kind under test, without threads for each peer.
        let mut node = Node::start("the good peers", &self.spec(Kind::DEFAULT_LOAD, count, Role::Load(load)))?;
        node.ask(Ask::Go)?;
        flow(&mut node, "good peers")?;
        Ok(node)
    }

    /// One run: with well-behaved strangers, or with abuse.
    pub(super) fn run(&self, abuse: bool, what: &str, verdict: &mut Verdict) -> Result<Run, Halt> {
        let serve = Role::Serve { at: loopback(0) };
        let mut server = Node::start("the server", &self.spec(self.kind, GOOD + NEWCOMERS, serve))?;
        let mut good = self.peers(&server, 0, GOOD)?;
        let before = server.cost()?;
        let told = server.report()?;
        let count =
            if abuse { self.phase.strangers(self.connections) } else { self.phase.well_behaved(self.connections) };
        let mut most = before;
        let mut watch = || {
            let now = server.cost()?;
            most.files = most.files.max(now.files);
            most.threads = most.threads.max(now.threads);
            most.rss = most.rss.max(now.rss);
            Ok(())
        };
        let mut strangers = Strangers {
            server: super::strangers::own(server.addresses[0])?,
            count,
            lasts: self.lasts,
            watch: &mut watch,
        };
        good.ask(Ask::Measure)?;
        let held = if abuse { strangers.abuse(self.phase)? } else { strangers.behave()? };
        watch()?;
        let round_trips = good.report()?.round_trips;
        if abuse {
            self.check_counters(&mut server, &told, what, verdict)?;
        }
        let ran_out = !self.phase.limits_files() || !abuse || u64::from(count) < FILES || most.files + 1 >= FILES;
        verdict.expect(ran_out, || {
            format!("{what}: the server had {} files open at most, and was to run out of its {FILES}", most.files)
        });
        let bound = self.bound(count);
        let run = Run { strangers: count, round_trips, most, before, bound };
        verdict.expect(run.growth() <= bound, || {
            format!("{what}: the server grew by {} MiB, more than its bound of {} MiB", run.growth() >> 20, bound >> 20)
        });
        self.recover(server, good, held, before, what, verdict)?;
        Ok(run)
    }

    /// The counters tell this kind of abuse, and no other.
    fn check_counters(
        &self,
        server: &mut Node,
        before: &Report,
        what: &str,
        verdict: &mut Verdict,
    ) -> Result<(), Halt> {
        let told = self.phase.told(self.connections);
        let grown = |now: &Report, counter| now.counter(counter) - before.counter(counter);
        let telling = || TELLING.into_iter().filter(|counter| self.phase.is_told(counter));
        let right =
            |now: &Report| telling().all(|counter| grown(now, counter) == told.get(counter).copied().unwrap_or(0));
        let (report, right) = server.wait_until(COUNT_WITHIN, right)?;
        verdict.expect(right, || {
            let grown: Vec<_> =
                telling().map(|counter| (counter, grown(&report, counter))).filter(|(_, n)| *n > 0).collect();
            format!("{what}: the counters tell {grown:?}, and should tell {told:?}")
        });
        let strangers = u64::from(self.phase.strangers(self.connections));
        match self.phase {
            Phase::Sequence => verdict.expect(report.strangers == strangers * NEW_EACH, || {
                format!("{what}: {} messages were delivered of {}", report.strangers, strangers * NEW_EACH)
            }),
            Phase::Deaf => verdict.expect(report.queue_full > 0, || {
                format!("{what}: the queue to a peer that reads nothing never became full")
            }),
            _ => verdict.expect(report.strangers == 0, || {
                format!("{what}: {} messages of strangers were delivered that should not be", report.strangers)
            }),
        }
        Ok(())
    }

    /// When the strangers are gone, the server is as before, lets new good peers in, and has lost nothing of the old
    /// ones.
    fn recover(
        &self,
        server: Node,
        mut good: Node,
        held: Held,
        before: Cost,
        what: &str,
        verdict: &mut Verdict,
    ) -> Result<(), Halt> {
        held.close();
        let back = |cost: &Cost| cost.files == before.files && cost.threads == before.threads;
        let (cost, back) = server.wait_cost(RECOVER_WITHIN, back)?;
        verdict.expect(back, || {
            format!(
                "{what}: {} s after the strangers were gone the server has {} files and {} threads, before them {} and {}",
                RECOVER_WITHIN.as_secs(),
                cost.files,
                cost.threads,
                before.files,
                before.threads
            )
        });
        self.peers(&server, GOOD, NEWCOMERS)?.end()?;
        good.ask(Ask::Pause)?;
        let dry = |report: &Report| report.peers.iter().all(|peer| peer.last == peer.sent);
        let (report, dry) = good.wait_until(FLOW_WITHIN, dry)?;
        verdict.expect(dry, || format!("{what}: requests of good peers are not answered: {:?}", report.peers));
        let mut server = server;
        let served = server.report()?;
        for (side, report) in [("the good peers", &report), ("the server", &served)] {
            verdict.expect(report.wrongs.total() == 0, || format!("{what}: {side} saw {:?}", report.wrongs));
        }
        verdict.expect(report.events.reset == 0, || {
            format!("{what}: {} connections of good peers broke", report.events.reset)
        });
        good.end()?;
        server.end()
    }
}

/// Waits until each peer has its first echoes.
fn flow(node: &mut Node, who: &str) -> Result<(), Halt> {
    let flows = |report: &Report| report.peers.iter().all(|peer| peer.received >= FLOWING);
    let (report, flows) = node.wait_until(FLOW_WITHIN, flows)?;
    if flows {
        return Ok(());
    }
    let stuck = report.peers.iter().filter(|peer| peer.received < FLOWING).count();
    Err(Halt::Broken(format!(
        "{stuck} of {} {who} do not have {FLOWING} answers after {} s",
        report.peers.len(),
        FLOW_WITHIN.as_secs()
    )))
}
