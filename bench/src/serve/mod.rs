//! The side under test: answers until it is told to end.
//!
//! Besides the messenger's threads it has two when `run` started it, `main` and `bench-control`, and by hand a third one
//! that waits for signals; the number of peers does not matter.

mod delays;
mod messenger;
mod tally;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::kinds::{Kind, Maker};
use crate::probe::{self, Counted, StageCounts};
use crate::{control, floor, host, interrupt, output, parse, zmq};

pub(crate) use delays::Delays;
pub(crate) use tally::{Tally, thread_number};

/// Something that peers can connect to and that counts what it handles.
pub(crate) trait Side: Send + Sync {
    /// What it is.
    fn kind(&self) -> Kind;

    /// Where its peers dial.
    fn address(&self) -> SocketAddr;

    /// Messages handled so far.
    fn messages(&self) -> u64;

    /// The messenger's own counters; empty for the floor.
    fn counters(&self) -> BTreeMap<String, u64>;

    /// Where the time of messages went, if that is timed.
    fn stages(&self) -> Option<StageCounts> {
        None
    }

    /// All that it has counted so far.
    fn counted(&self) -> Counted {
        Counted { messages: self.messages(), counters: self.counters(), stages: self.stages() }
    }

    /// Ends it and waits until it has ended.
    ///
    /// # Errors
    ///
    /// When it does not end in order.
    fn stop(&self) -> anyhow::Result<()>;
}

/// The line that a child prints when it can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where peers dial.
    pub(crate) address: SocketAddr,
    /// Where the load side asks for figures.
    pub(crate) control: SocketAddr,
}

/// The verb `serve`.
///
/// # Errors
///
/// When an address cannot be bound or the messenger cannot be made or ended.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    args.cpus.pin()?;
    if !args.child {
        interrupt::catch()?;
    }
    args.messenger.check(&parse::config(&args.set)?)?;
    let delays = Delays::new(args.inject_stall, args.inject_spin);
    if delays.is_some() && args.messenger.is_floor() {
        bail!("--inject-stall and --inject-spin are for messengers: bare TCP has no callback to stall in");
    }
    let side: Arc<dyn Side> = match args.messenger.maker() {
        Maker::Messengers(factory) => {
            let config = parse::config(&args.set)?;
            messenger::Served::bind(args.messenger, factory, args.bind, config, args.reply, delays)?
        }
        Maker::Zmq => zmq::bind(args.bind, args.reply, delays)?,
        Maker::Floor(wait) => floor::Served::bind(args.messenger, wait, args.bind)?,
        Maker::Perftest => bail!("bare verbs are served by perftest, from `run`"),
    };
    let ready = Ready { address: side.address(), control: control::listen(args.control, side.clone())? };
    if args.child {
        output::line(&serde_json::to_string(&ready)?)?;
        wait_for_closed_stdin();
    } else {
        output::line(&format!(
            "{} serves on {}, control on {}; load it with\n  msgr-bench load --messenger {} --connect {} --control {}\n\
             Ctrl-C ends it.",
            args.messenger.name(),
            ready.address,
            ready.control,
            args.messenger.name(),
            ready.address,
            ready.control
        ))?;
        while !interrupt::requested() {
            std::thread::sleep(interrupt::CHECK_EVERY);
        }
    }
    side.stop().with_context(|| format!("{} does not end", args.messenger.name()))?;
    // Read before anything is printed, which costs some of the same.
    let totals = probe::lifetime()?;
    let counters = side.counters();
    let counters = counters.iter().map(|(name, value)| (name.as_str(), *value));
    for (name, value) in counters.chain([("messages", side.messages())]).chain(totals) {
        output::line(&format!("{name} {value}"))?;
    }
    Ok(Exit::Done)
}

/// Blocks until standard input is closed: whoever started this process has ended it, or died.
pub(crate) fn wait_for_closed_stdin() {
    let mut byte = [0];
    // Bytes are of no interest, and an unreadable standard input is as good as a closed one.
    while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
}
