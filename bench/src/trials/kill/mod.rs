//! The verb `kill`: either side is killed in the middle of a stream, again and again.

mod promise;
mod stage;

use std::time::Duration;

use super::args::KillArgs;
use super::node::{Events, Pair};
use super::nodes::Halt;
use super::steps::Steps;
use super::verdict::{Spread, Verdict, halted};
use crate::exit::Exit;
use crate::host::{self, Limits};
use crate::kinds::Kind;
use crate::{doctor, interrupt};

use promise::{Killed, Promise};
use stage::Stage;

/// Times that the two sides are set up anew after a broken promise, for each pair of policies: a second failure shows
/// whether the first was chance, more would only repeat it.
const FAILURES_MAX: u32 = 2;

/// What the kills of one side under one pair of policies showed.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    heard: Events,
    resumed: Vec<Duration>,
}

/// The verb `kill`.
///
/// # Errors
///
/// When the host refuses, or a node cannot be started.
pub(crate) fn kill(args: &KillArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    let limits = Limits::read();
    for kind in &args.common.messengers {
        doctor::check(&limits, *kind, kind.serve_need(), kind.load_need(), args.peers)?;
    }
    interrupt::catch()?;
    run(args, args.common.seed()).or_else(halted)
}

fn run(args: &KillArgs, seed: u64) -> Result<Exit, Halt> {
    let mut verdict = Verdict::default();
    let mut steps = Steps::new(u64::from(args.kills) * args.common.messengers.len() as u64);
    let header = [
        "messenger",
        "policies",
        "killed",
        "times",
        "survivor was promised",
        "reset",
        "remote reset",
        "refused",
        "flows again after, s [least .. most]",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut done = 0;
    for kind in &args.common.messengers {
        for (pair, kills) in Pair::ALL.into_iter().zip(shares(args.kills, Pair::ALL.len())) {
            let mut trial = Trial { args, kind: *kind, pair, seed, tallies: <[Tally; 2]>::default() };
            trial.run(&sides(kills, seed), &mut verdict, |killed| {
                steps.at(done + u64::from(killed), &format!("{} {}", kind.name(), pair.name()));
            })?;
            done += u64::from(kills);
            rows.extend(trial.rows());
        }
    }
    drop(steps);
    let headline = format!(
        "kill: {} kills for each messenger in the middle of a stream of {} peers, seed {seed}; callbacks are counted over \
         all kills and peers",
        args.kills, args.peers
    );
    Ok(verdict.print(&headline, &rows)?)
}

/// `all` in `parts` that differ by one at most.
fn shares(all: u32, parts: usize) -> impl Iterator<Item = u32> {
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    (0..parts).map(move |part| all / parts + u32::from(part < all % parts))
}

/// Which side is killed each time: both equally often, in an order that the seed decides.
fn sides(kills: u32, seed: u64) -> Vec<Killed> {
    let mut sides: Vec<Killed> = Killed::BOTH.into_iter().cycle().take(kills as usize).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut sides);
    sides
}

/// One messenger under one pair of policies.
struct Trial<'a> {
    args: &'a KillArgs,
    kind: Kind,
    pair: Pair,
    seed: u64,
    tallies: [Tally; 2],
}

impl Trial<'_> {
    fn run(&mut self, sides: &[Killed], verdict: &mut Verdict, mut progress: impl FnMut(u32)) -> Result<(), Halt> {
        let what = format!("{} {}", self.kind.name(), self.pair.name());
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut stage = None;
        let mut failures = 0;
        for (number, killed) in sides.iter().enumerate() {
            progress(u32::try_from(number).unwrap_or(u32::MAX));
            let mut on = match stage.take() {
                Some(stage) => stage,
                None => match verdict.take(&what, self.stage())? {
                    Some(stage) => stage,
                    None => return Ok(()),
                },
            };
            let what = format!("{what}, kill {} (of the {})", number + 1, killed.name());
            let tally = &mut self.tallies[*killed as usize];
            tally.kills += 1;
            if let Some(outcome) = verdict.take(&what, on.kill(*killed, &mut random))? {
                tally.heard.reset += outcome.heard.reset;
                tally.heard.remote_reset += outcome.heard.remote_reset;
                tally.heard.refused += outcome.heard.refused;
                tally.resumed.push(outcome.resumed);
                stage = Some(on);
                continue;
            }
            failures += 1;
            if failures >= FAILURES_MAX {
                return Ok(());
            }
        }
        if let Some(stage) = stage {
            verdict.take(&format!("{what}, at the end"), stage.end())?;
        }
        Ok(())
    }

    fn stage(&self) -> Result<Stage, Halt> {
        Stage::new(self.kind.name(), self.pair, self.args.common.options(&[]), self.seed, self.args.peers)
    }

    fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        let tallies = Killed::BOTH.into_iter().zip(&self.tallies).filter(|(_, tally)| tally.kills > 0);
        tallies.map(|(killed, tally)| {
            let resumed = tally.resumed.iter().map(Duration::as_secs_f64).collect();
            vec![
                self.kind.name().into(),
                self.pair.name().into(),
                killed.name().into(),
                tally.kills.to_string(),
                Promise::of(self.pair, killed).words(),
                tally.heard.reset.to_string(),
                tally.heard.remote_reset.to_string(),
                tally.heard.refused.to_string(),
                Spread::of(resumed).map_or("-".into(), Spread::show),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_killed_equally_often_in_an_order_of_the_seed() {
        assert_eq!(shares(200, 4).collect::<Vec<_>>(), [50; 4]);
        assert_eq!(shares(6, 4).collect::<Vec<_>>(), [2, 2, 1, 1]);
        let order = sides(50, 7);
        assert_eq!(order.iter().filter(|side| **side == Killed::Server).count(), 25);
        assert_eq!(order, sides(50, 7));
        assert_ne!(order, sides(50, 8));
    }
}
