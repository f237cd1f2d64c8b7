//! One pair of processes: what a scripted exchange, or connected peers, cost each of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use msgr_reports::record::Allocations;

use super::calls::{Calls, Made};
use super::exchange::{Ask, Reply};
use super::law::Law;
use crate::child::{Child, ChildError};
use crate::control;
use crate::kinds::Kind;
use crate::parse::Setting;
use crate::probe::Interval;
use crate::serve::Ready;

/// Messages before anything is counted, in which buffers and queues reach their size.
const WARMUP: u32 = 50;

/// Messages that are counted. What both sides do once at either end of them is some hundredths of one each.
const COUNTED: u32 = 200;

/// From a reply to the next request, in which every thread that has something to write or to clean up does so and sleeps.
const PAUSE: Duration = Duration::from_micros(200);

/// Messages whose system calls are counted: fewer, for each call then takes some 100 us.
const TRACED: u32 = 50;

/// Messages before those, in which every thread has stopped once.
const SETTLING: u32 = 3;

/// From a reply to the next request while system calls are counted, likewise.
const TRACED_PAUSE: Duration = Duration::from_millis(2);

/// Where the sides meet: the loopback address, and a free port.
const ANY: &str = "127.0.0.1:0";

/// How long a side may take for anything that it is asked.
const WITHIN: Duration = Duration::from_secs(60);

/// How long a side may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Either side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The side under test.
    Serve,
    /// The side that asks.
    Load,
}

impl Side {
    /// As it stands in the names of figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Serve => "serve",
            Side::Load => "load",
        }
    }
}

/// What a pair is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) kind: Kind,
    pub(super) load: Kind,
    pub(super) peers: u32,
    pub(super) size: u64,
    /// Options of both sides.
    pub(super) set: &'a [Setting],
    /// Whether messages are exchanged; without, it is only looked at what the peers cost.
    pub(super) messages: bool,
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Counts {
    /// On the side under test.
    pub(super) serve: Interval,
    load: Interval,
    /// System calls of either side for all of [`TRACED`].
    calls: [Made; 2],
}

impl Counts {
    /// What one message of `size` bytes cost a side, by name.
    pub(super) fn per_message(&self, side: Side, size: u64) -> Vec<(&'static str, Law, f64)> {
        let (interval, calls) = match side {
            Side::Serve => (&self.serve, self.calls[0]),
            Side::Load => (&self.load, self.calls[1]),
        };
        let each = |count: u64| count as f64 / f64::from(COUNTED);
        let traced = |count: u64| count as f64 / f64::from(TRACED);
        let counter = |name: &str| interval.probe.counts.get(name).copied().map(each);
        let Allocations { count, bytes, .. } = interval.allocations.clone().unwrap_or_default();
        let bytes_law = Law::Bytes { size };
        let counters = [
            ("read-calls", Law::Count, counter("msgr_read_calls")),
            ("write-calls", Law::Count, counter("msgr_write_calls")),
            // Of workers; other threads wait in their reads.
            ("wait-calls", Law::Count, counter("msgr_wait_calls")),
            ("wake-ups", Law::Count, counter("msgr_wake_calls")),
            ("copied-bytes", bytes_law, counter("msgr_copied_bytes")),
            ("allocations", Law::Count, Some(each(count))),
            ("allocated-bytes", bytes_law, Some(each(bytes))),
            ("system-calls", Law::Count, Some(traced(calls.other))),
            // The script of the load side waits for replies by futex too, so only the other side's are the messenger's.
            ("futex-calls", Law::Count, (side == Side::Serve).then_some(traced(calls.futex))),
        ];
        counters.into_iter().filter_map(|(what, law, value)| Some((what, law, value?))).collect()
    }
}

/// Starts pairs of the program whose allocator counts.
pub(super) struct Pairs {
    pub(super) program: PathBuf,
}

impl Pairs {
    /// Takes one sample, and leaves no process behind.
    ///
    /// # Errors
    ///
    /// When a side fails, this host refuses, or Ctrl-C was pressed.
    pub(super) fn take(&self, pair: &Pair<'_>) -> anyhow::Result<Counts> {
        let mut serve = self.start("serve", pair.kind, pair.set, &["--bind", ANY, "--control", ANY])?;
        let ready: Ready = serde_json::from_str(&serve.line(WITHIN).map_err(told)?)?;
        let place = [("--connect", ready.address.to_string()), ("--control", ready.control.to_string())];
        let work = [("--peers", pair.peers.to_string()), ("--size", pair.size.to_string())];
        let args: Vec<&str> = place.iter().chain(&work).flat_map(|(name, value)| [*name, value.as_str()]).collect();
        let mut load = self.start("exchange", pair.load, pair.set, &args)?;
        reply(&mut load)?;
        let messages = |messages, pause| Ask::Exchange { messages, pause };
        if pair.messages {
            ask(&mut load, &messages(WARMUP, PAUSE))?;
        }
        ask(&mut load, &Ask::Start)?;
        if pair.messages {
            ask(&mut load, &messages(COUNTED, PAUSE))?;
        }
        let Reply::Counted { serve: on_serve, load: on_load } = ask(&mut load, &Ask::End)? else {
            bail!("exchange: did not say what it counted");
        };
        let mut calls = [Made::default(); 2];
        if pair.messages {
            let counting = Calls::of([serve.pid(), load.pid()])?;
            ask(&mut load, &messages(SETTLING, TRACED_PAUSE))?;
            let before = counting.now();
            ask(&mut load, &messages(TRACED, TRACED_PAUSE))?;
            let after = counting.now();
            calls = [after[0].since(before[0]), after[1].since(before[1])];
        }
        load.end(END_WITHIN).map_err(told)?;
        serve.end(END_WITHIN).map_err(told)?;
        Ok(Counts { serve: *on_serve, load: *on_load, calls })
    }

    fn start(&self, verb: &str, kind: Kind, set: &[Setting], args: &[&str]) -> anyhow::Result<Child> {
        let settings = set.iter().flat_map(|Setting { name, value }| ["--set".into(), format!("{name}={value}")]);
        let first = [verb, "--child", "--messenger", kind.name()];
        let all = first.iter().chain(args).map(|word| (*word).to_owned());
        Child::start(format!("{verb} {}", kind.name()), &self.program, all.chain(settings))
    }
}

fn ask(load: &mut Child, ask: &Ask) -> anyhow::Result<Reply> {
    let mut line = Vec::new();
    control::send(&mut line, ask)?;
    load.tell(&line).map_err(told)?;
    reply(load)
}

fn reply(load: &mut Child) -> anyhow::Result<Reply> {
    Ok(serde_json::from_str(&load.line(WITHIN).map_err(told)?)?)
}

fn told(error: ChildError) -> anyhow::Error {
    match error {
        ChildError::Failed(words) => anyhow!(words),
        ChildError::Interrupted => anyhow!("interrupted"),
    }
}
