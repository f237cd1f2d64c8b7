//! The verb `shape`: counts that have no noise, next to those that were committed.
//!
//! A time depends on the machine and the hour, and is compared with another time of the same minute (`gate`). How many calls,
//! wake-ups, allocations and threads it takes does not, so it is compared with a file.

mod args;
mod calls;
mod committed;
mod compare;
mod exchange;
mod law;
mod points;
mod sample;

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use crate::exit::{Exit, Refusal};
use crate::host::{self, Limits};
use crate::run::{COUNTING_BINARY, counting_binary};
use crate::speed::median;
use crate::{interrupt, output};

pub(crate) use args::{Args, ExchangeArgs};
pub(crate) use exchange::exchange;

use committed::Committed;
use compare::compare;
use law::Law;
use points::Point;
use sample::Pairs;

/// Samples of a point, each of fresh processes. What does not belong to a message is not in all of them: a thread that was
/// given no CPU in time reads in two parts, or is not asleep yet when it is to be woken. What belongs to a message is in each.
/// So for a comparison the sample that is nearest to what was committed counts, and the first that is as committed is
/// enough; for the file the median does.
const SAMPLES: u32 = 5;

/// The verb.
///
/// # Errors
///
/// When the committed figures cannot be read or a side fails; [`Refusal`] when this host does not allow what it takes.
pub(crate) fn shape(args: &Args) -> anyhow::Result<Exit> {
    host::raise_open_files();
    // Before anything is measured: it may be all there is to say.
    let committed = args.accept.is_none().then(|| Committed::read(&args.committed)).transpose()?;
    let mut points = Point::all();
    if let Some(prefix) = &args.only {
        points.retain(|point| point.has(prefix));
        if points.is_empty() {
            bail!("no figure begins with {prefix:?}: leave out --only, and all are listed");
        }
    }
    check_limits(&points)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let program = counting_binary(&program).with_context(|| {
        format!("{COUNTING_BINARY} is not beside msgr-bench: build both with `cargo build --release -p msgr-bench`")
    })?;
    interrupt::catch()?;
    let pairs = Pairs { program };
    match committed {
        Some(committed) => compare(&points, &pairs, &committed, args.only.as_deref()),
        None => accept(&points, &pairs, args),
    }
}

/// Refuses when the host leaves no room for the peers.
fn check_limits(points: &[Point]) -> Result<(), Refusal> {
    let limits = Limits::read();
    let mut pairs: Vec<_> = points.iter().flat_map(Point::pairs).collect();
    // The largest first: its message is the one that helps.
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.peers));
    for pair in pairs {
        let (peers, name) = (pair.peers, pair.kind.name());
        if let Some((limit, room)) = limits.tightest(pair.kind.serve_need(), pair.load.load_need())
            && room < u64::from(peers)
        {
            return Err(Refusal(format!(
                "the shape of {name} takes {peers} peers, and {} of this host is {}, which leaves room for {room}; it comes \
                 from {}",
                limit.name, limit.value, limit.source
            )));
        }
    }
    Ok(())
}

/// Measures and commits the median of each figure.
fn accept(points: &[Point], pairs: &Pairs, args: &Args) -> anyhow::Result<Exit> {
    let mut all: BTreeMap<String, (Law, Vec<f64>)> = BTreeMap::new();
    for (number, point) in (1..).zip(points) {
        output::note(&format!("[{number}/{}] {}", points.len(), point.name));
        for _ in 0..SAMPLES {
            for (name, (law, value)) in point.measure(|pair| pairs.take(pair))? {
                all.entry(name).or_insert((law, Vec::new())).1.push(value);
            }
        }
    }
    let medians = all.into_iter().filter_map(|(name, (law, mut values))| Some((name, law.round(median(&mut values)?))));
    let committed = Committed::new(args.accept.clone().unwrap_or_default(), medians.collect());
    committed.write(&args.committed)?;
    output::line(&format!("{}: {} figures", args.committed.display(), committed.figures.len()))?;
    Ok(Exit::Done)
}
