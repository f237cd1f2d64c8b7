//! The verb `abuse`: strangers do to a server what they should not, while good peers talk to it.

mod acts;
mod phase;
mod stage;
mod strangers;

use std::time::Duration;

use super::args::AbuseArgs;
use super::nodes::Halt;
use super::steps::Steps;
use super::verdict::{Spread, Verdict, halted};
use crate::exit::{Exit, Refusal};
use crate::host::{self, Limits};
use crate::kinds::{Kind, Need};
use crate::{interrupt, text};

use phase::Phase;
use stage::{DISPATCH_BYTES, GOOD, QUEUE_BYTES, Run, Setting};

/// How long strangers may ask to connect again and again before the server drops them for the time it takes.
const HANDSHAKES_WITHIN: Duration = Duration::from_secs(60);

/// A kind of abuse on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abuse(Phase);

impl Abuse {
    /// The abuse of this name; the error lists those there are.
    pub(crate) fn parse(name: &str) -> Result<Abuse, String> {
        Phase::parse(name).map(Abuse)
    }
}

/// The runs of one messenger and phase: one of each kind a round.
#[derive(Debug)]
struct Tally {
    kind: Kind,
    phase: Phase,
    pairs: Vec<(Run, Run)>,
}

/// The verb `abuse`.
///
/// # Errors
///
/// When the host refuses, or a node cannot be started.
pub(crate) fn abuse(args: &AbuseArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    check(args, &Limits::read())?;
    interrupt::catch()?;
    run(args, args.common.seed()).or_else(halted)
}

/// Refuses more connections than this host allows.
fn check(args: &AbuseArgs, limits: &Limits) -> Result<(), Refusal> {
    /// This process, which is all strangers, and the good peers.
    const STRANGERS: Need =
        Need { threads: 32, threads_per_peer: 0, files: 128, files_per_peer: 1, memory_per_peer: 0 };
    let wanted = u64::from(args.connections) + u64::from(GOOD);
    for kind in &args.common.messengers {
        if let Some((limit, room)) = limits.tightest(kind.serve_need(), STRANGERS).filter(|(_, room)| *room < wanted) {
            return Err(Refusal(format!(
                "{wanted} connections of {} are more than this host allows: {} is {}, which leaves room for {room}; it \
                 comes from {}; or pass fewer --connections",
                kind.name(),
                limit.name,
                limit.value,
                limit.source
            )));
        }
    }
    Ok(())
}

fn run(args: &AbuseArgs, seed: u64) -> Result<Exit, Halt> {
    let phases = if args.abuse.is_empty() { Phase::ALL.map(Abuse).to_vec() } else { args.abuse.clone() };
    let mut tallies: Vec<Tally> = Vec::new();
    for kind in &args.common.messengers {
        tallies.extend(phases.iter().map(|abuse| Tally { kind: *kind, phase: abuse.0, pairs: vec![] }));
    }
    let mut verdict = Verdict::default();
    let mut steps = Steps::new(u64::from(args.rounds) * tallies.len() as u64 * 2);
    let mut done = 0;
    for round in 0..args.rounds {
        for tally in &mut tallies {
            let setting = setting(args, tally, seed);
            let what = format!("{} {}, round {}", tally.kind.name(), tally.phase.name(), round + 1);
            let mut runs = [None, None];
            for (abuse, run) in [false, true].into_iter().zip(&mut runs) {
                steps.at(done, &format!("{what}, {}", if abuse { "abuse" } else { "control" }));
                let outcome = setting.run(abuse, &what, &mut verdict);
                *run = verdict.take(&what, outcome)?;
                done += 1;
            }
            if let [Some(control), Some(abuse)] = runs {
                steps.say(&format!("{what}: p99 {} and {}", micros(&control), micros(&abuse)));
                tally.pairs.push((control, abuse));
            }
        }
    }
    drop(steps);
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    for tally in &tallies {
        rows.push(tally.row());
        let ratio = Spread::of(tally.ratios());
        verdict.expect(ratio.is_none_or(|ratio| ratio.median <= args.p99_at_most), || {
            format!(
                "{} {}: the p99 of good peers is {} times that of the control, more than {}",
                tally.kind.name(),
                tally.phase.name(),
                ratio.map_or("-".into(), Spread::show),
                args.p99_at_most
            )
        });
    }
    let headline = format!(
        "abuse: {GOOD} good peers ping-pong while {} strangers come in {:.1} s, {} rounds of a control in which as many open \
         a session and say nothing, and of the abuse, seed {seed}\nbounds of memory: twice ms_dispatch_throttle_bytes {} MiB, ms_out_queue_max_bytes \
         {} MiB for each that does not read, and what each connection and thread costs",
        args.connections,
        args.duration.as_secs_f64(),
        args.rounds,
        DISPATCH_BYTES >> 20,
        QUEUE_BYTES >> 20
    );
    Ok(verdict.print(&headline, &rows)?)
}

const HEADER: [&str; 10] = [
    "messenger",
    "abuse",
    "strangers",
    "p99 control",
    "p99 abuse",
    "ratio [least .. most]",
    "files at most",
    "threads at most",
    "memory grew, MiB",
    "bound, MiB",
];

fn setting(args: &AbuseArgs, tally: &Tally, seed: u64) -> Setting {
    // All strangers are there before the first of them has taken too long.
    let ready = args.duration * 5 / 8;
    let own = [
        ("ms_dispatch_throttle_bytes", DISPATCH_BYTES.to_string()),
        ("ms_out_queue_max_bytes", QUEUE_BYTES.to_string()),
        ("ms_connection_ready_timeout", ready.as_secs_f64().to_string()),
    ];
    let mut options = args.common.options(&own);
    if tally.phase == Phase::Handshakes {
        // These are to be dropped for asking too often, however long that takes them.
        options.push(("ms_connection_ready_timeout".into(), HANDSHAKES_WITHIN.as_secs().to_string()));
    }
    Setting { kind: tally.kind, phase: tally.phase, connections: args.connections, lasts: args.duration, options, seed }
}

fn micros(run: &Run) -> String {
    text::micros(run.round_trips.p99_ns)
}

impl Tally {
    fn ratios(&self) -> Vec<f64> {
        let p99 = |run: &Run| run.round_trips.p99_ns.max(1) as f64;
        self.pairs.iter().map(|(control, abuse)| p99(abuse) / p99(control)).collect()
    }

    fn row(&self) -> Vec<String> {
        let median = |runs: Vec<u64>| {
            Spread::of(runs.into_iter().map(|ns| ns as f64).collect())
                .map_or("-".into(), |spread| text::micros(spread.median as u64))
        };
        let most = |of: fn(&Run) -> u64| {
            self.pairs.iter().map(|(_, abuse)| of(abuse)).max().map_or("-".into(), |most| most.to_string())
        };
        vec![
            self.kind.name().into(),
            self.phase.name().into(),
            most(|run| run.strangers.into()),
            median(self.pairs.iter().map(|(control, _)| control.round_trips.p99_ns).collect()),
            median(self.pairs.iter().map(|(_, abuse)| abuse.round_trips.p99_ns).collect()),
            Spread::of(self.ratios()).map_or("-".into(), Spread::show),
            most(|run| run.most.files),
            most(|run| run.most.threads),
            most(|run| run.growth() >> 20),
            most(|run| run.bound >> 20),
        ]
    }
}
