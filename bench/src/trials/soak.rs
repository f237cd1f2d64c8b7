//! The verb `soak`: lossless connections whose sockets fail all the time.

use std::time::{Duration, Instant};

use super::args::SoakArgs;
use super::node::{Ask, Load, Pair, Report, Role, Spec, Wrongs};
use super::nodes::{Halt, Node, loopback, sleep};
use super::steps::Steps;
use super::verdict::{Spread, Verdict, halted};
use crate::exit::Exit;
use crate::host::{self, Limits};
use crate::kinds::Kind;
use crate::{doctor, interrupt, text};

/// Payload bytes: small messages share a write, large ones take several, and faults meet both.
const BYTES: (u64, u64) = (64, 16 << 10);

/// How long no message at all may arrive: several times the longest pause between dials (`ms_max_backoff`, 15 s).
const STALL_MAX: Duration = Duration::from_secs(60);

/// How often it is looked how far a round is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one round showed.
struct Round {
    seconds: f64,
    server: Report,
    client: Report,
}

/// What the rounds of one messenger showed.
#[derive(Default)]
struct Tally {
    faulty: Vec<f64>,
    plain: Vec<f64>,
    wrongs: Wrongs,
    failures: u64,
    faults: u64,
    replayed: u64,
    sent: u64,
}

/// The verb `soak`.
///
/// # Errors
///
/// When the host refuses, or a node cannot be started.
pub(crate) fn soak(args: &SoakArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    let limits = Limits::read();
    for kind in &args.common.messengers {
        let (serve, load) = (kind.serve_need(), kind.load_need());
        doctor::check(&limits, *kind, serve, load, args.peers)?;
    }
    if args.messages < u64::from(args.peers) * u64::from(args.rounds) {
        return Err(anyhow::anyhow!("pass more --messages: each peer sends at least one in each round"));
    }
    interrupt::catch()?;
    Soak { args, seed: args.common.seed() }.run().or_else(halted)
}

struct Soak<'a> {
    args: &'a SoakArgs,
    seed: u64,
}

impl Soak<'_> {
    fn run(&self) -> Result<Exit, Halt> {
        let args = self.args;
        let each = args.messages.div_ceil(u64::from(args.rounds) * u64::from(args.peers));
        let rounds = args.common.messengers.len() as u64 * u64::from(args.rounds) * 2;
        let mut steps = Steps::new(rounds * each * u64::from(args.peers));
        let mut verdict = Verdict::default();
        let mut tallies: Vec<Tally> = args.common.messengers.iter().map(|_| Tally::default()).collect();
        let mut done = 0;
        for round in 0..args.rounds {
            for (kind, tally) in args.common.messengers.iter().zip(&mut tallies) {
                for faulty in [false, true] {
                    let failures = if faulty { "sockets fail" } else { "no failures" };
                    let what = format!("{} round {} {failures}", kind.name(), round + 1);
                    let outcome = self.round(*kind, u64::from(round), faulty, each, |received| {
                        steps.at(done + received, &what);
                    });
                    done += each * u64::from(args.peers);
                    if let Some(outcome) = verdict.take(&what, outcome)? {
                        steps.say(&format!("{what}: {}", text::rate(self.rate(&outcome, each))));
                        self.judge(&what, &outcome, each, faulty, tally, &mut verdict);
                    }
                }
            }
        }
        drop(steps);
        for (kind, tally) in args.common.messengers.iter().zip(&tallies) {
            verdict.expect(tally.failures >= args.failures, || {
                format!(
                    "{}: only {} of the {} failures that the trial is about were met: pass a smaller --depth or more \
                     --messages",
                    kind.name(),
                    tally.failures,
                    args.failures
                )
            });
        }
        let headline = format!(
            "soak: {} requests and as many echoes over {} lossless connections, {} to {} bytes, depth {}, one in {} reads \
             and writes fails, {} rounds, seed {}",
            each * u64::from(args.rounds) * u64::from(args.peers),
            args.peers,
            BYTES.0,
            BYTES.1,
            args.depth,
            args.fail_one_in,
            args.rounds,
            self.seed
        );
        Ok(verdict.print(&headline, &self.table(&tallies))?)
    }

    /// Sends each peer's share in fresh processes.
    fn round(
        &self,
        kind: Kind,
        round: u64,
        faulty: bool,
        each: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<Round, Halt> {
        let args = self.args;
        let fail = ("ms_inject_socket_failures", if faulty { args.fail_one_in } else { 0 }.to_string());
        let spec = |role| Spec {
            kind: kind.name().into(),
            policies: Pair::Stateful,
            options: args.common.options(std::slice::from_ref(&fail)),
            seed: self.seed.wrapping_add(round),
            bytes: BYTES,
            incarnation: 1,
            peers: args.peers,
            files: None,
            role,
        };
        let mut server = Node::start("the server", &spec(Role::Serve { at: loopback(0) }))?;
        let load = Load {
            server: server.addresses[0],
            at: vec![],
            first: 0,
            nonce: 1,
            depth: args.depth,
            messages: Some(each),
            nudge: false,
        };
        let mut client = Node::start("the clients", &spec(Role::Load(load)))?;
        let begun = Instant::now();
        client.ask(Ask::Go)?;
        let (mut before, mut heard) = (0, Instant::now());
        let report = loop {
            let report = client.report()?;
            let received = report.received();
            progress(received);
            if received >= each * u64::from(args.peers) {
                break report;
            }
            if received > before {
                (before, heard) = (received, Instant::now());
            }
            if heard.elapsed() > STALL_MAX {
                let stuck = report.peers.iter().filter(|peer| peer.last < each).count();
                return Err(Halt::Broken(format!(
                    "nothing arrived for {} s, after {received} of {} echoes; {stuck} peers are not done",
                    STALL_MAX.as_secs(),
                    each * u64::from(args.peers)
                )));
            }
            sleep(LOOK_EVERY)?;
        };
        let seconds = begun.elapsed().as_secs_f64();
        let round = Round { seconds, server: server.report()?, client: report };
        client.end()?;
        server.end()?;
        Ok(round)
    }

    /// Requests and echoes a second.
    fn rate(&self, round: &Round, each: u64) -> f64 {
        2.0 * (each * u64::from(self.args.peers)) as f64 / round.seconds
    }

    fn judge(&self, what: &str, round: &Round, each: u64, faulty: bool, tally: &mut Tally, verdict: &mut Verdict) {
        for (side, report) in [("the server", &round.server), ("the clients", &round.client)] {
            tally.wrongs += report.wrongs;
            verdict.expect(report.wrongs.total() == 0, || {
                format!("{what}: {side} saw {:?} of {each} messages a peer", report.wrongs)
            });
            for (number, peer) in report.peers.iter().enumerate() {
                verdict.expect(peer.first == 1 && peer.last == each && peer.received == each, || {
                    format!("{what}: {side} heard {peer:?} of peer {number}, which sent 1 to {each}")
                });
            }
            let events = report.events;
            verdict.expect(events.reset == 0 && events.remote_reset == 0, || {
                format!("{what}: {side} heard of resets, which a lossless connection has none of: {events:?}")
            });
            if faulty {
                tally.failures += report.counter("msgr_injected_socket_failures");
                tally.faults += report.counter("msgr_faults");
                tally.replayed += report.counter("msgr_replayed_messages");
            }
        }
        let rates = if faulty { &mut tally.faulty } else { &mut tally.plain };
        rates.push(self.rate(round, each));
        if faulty {
            tally.sent += 2 * each * u64::from(self.args.peers);
        }
    }

    fn table(&self, tallies: &[Tally]) -> Vec<Vec<String>> {
        let header = [
            "messenger",
            "messages",
            "failures",
            "faults",
            "replayed",
            "lost",
            "doubled",
            "reordered",
            "corrupt",
            "without failures",
            "with them",
            "ratio [least .. most]",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for (kind, tally) in self.args.common.messengers.iter().zip(tallies) {
            let wrongs = tally.wrongs;
            let counts = [
                tally.sent,
                tally.failures,
                tally.faults,
                tally.replayed,
                wrongs.lost,
                wrongs.doubled,
                wrongs.reordered + wrongs.stale,
                wrongs.corrupt,
            ];
            let rate = |rates: &[f64]| Spread::of(rates.to_vec()).map_or("-".into(), |it| text::rate(it.median));
            // Neighbours in time: the machine drifts less between them.
            let ratios = tally.faulty.iter().zip(&tally.plain).map(|(faulty, plain)| faulty / plain).collect();
            let mut row = vec![kind.name().to_owned()];
            row.extend(counts.iter().map(ToString::to_string));
            row.extend([rate(&tally.plain), rate(&tally.faulty)]);
            row.push(Spread::of(ratios).map_or("-".into(), Spread::show));
            rows.push(row);
        }
        rows
    }
}
