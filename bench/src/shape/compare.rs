//! What is measured, next to what was committed.

use std::collections::BTreeMap;

use anyhow::bail;

use super::SAMPLES;
use super::committed::{AGAIN, Committed, target};
use super::law::{Law, Verdict};
use super::points::{Figures, Point};
use super::sample::Pairs;
use crate::exit::Exit;
use crate::output;

/// A figure next to the committed one.
#[derive(Clone, Copy, Debug)]
struct Compared {
    law: Law,
    committed: f64,
    /// Of all samples the nearest to that.
    now: f64,
}

impl Compared {
    fn verdict(self) -> Verdict {
        self.law.judge(self.committed, self.now)
    }

    fn distance(self) -> f64 {
        (self.now - self.committed).abs()
    }
}

/// Measures the figures whose names begin with `only`, or all, and says which are not as committed.
///
/// # Errors
///
/// When a side fails, the host refuses, or other figures were committed than are measured.
pub(super) fn compare(
    points: &[Point],
    pairs: &Pairs,
    committed: &Committed,
    only: Option<&str>,
) -> anyhow::Result<Exit> {
    if committed.target != target() {
        output::note(&format!("committed for {}, and this is {}: memory may differ", committed.target, target()));
    }
    let wanted = |name: &str| only.is_none_or(|prefix| name.starts_with(prefix));
    let mut all = BTreeMap::new();
    for (number, point) in (1..).zip(points) {
        output::note(&format!("[{number}/{}] {}", points.len(), point.name));
        let mut compared = BTreeMap::new();
        for sample in 1..=SAMPLES {
            let mut figures = point.measure(|pair| pairs.take(pair))?;
            figures.retain(|name, _| wanted(name));
            keep_nearest(&mut compared, figures, committed)?;
            let Some((name, first)) = compared.iter().find(|(_, it)| it.verdict() != Verdict::Same) else { break };
            if sample < SAMPLES {
                output::note(&format!("    {name} is {}: measuring again", first.law.show(first.now)));
            }
        }
        all.extend(compared);
    }
    if let Some(name) = committed.figures.keys().find(|name| wanted(name) && !all.contains_key(*name)) {
        bail!("the committed figures have {name}, which this build does not measure: {AGAIN}");
    }
    if all.is_empty() {
        bail!("no figure begins with {:?}: leave out --only, and all are listed", only.unwrap_or_default());
    }
    report(&all)
}

fn keep_nearest(
    compared: &mut BTreeMap<String, Compared>,
    figures: Figures,
    committed: &Committed,
) -> anyhow::Result<()> {
    for (name, (law, now)) in figures {
        let new = Compared { law, committed: committed.figure(&name)?, now };
        let kept = compared.entry(name).or_insert(new);
        if new.distance() < kept.distance() {
            *kept = new;
        }
    }
    Ok(())
}

/// Prints the table, and what follows from it.
fn report(all: &BTreeMap<String, Compared>) -> anyhow::Result<Exit> {
    let mut rows = vec![["figure", "committed", "now", "allowed", ""].map(str::to_owned).to_vec()];
    for (name, compared) in all {
        let verdict = match compared.verdict() {
            Verdict::Better => "better",
            Verdict::Same => "as committed",
            Verdict::Worse => "WORSE",
        };
        let Compared { law, committed, now } = *compared;
        let [committed, now, allowed] = [committed, now, law.allowed(committed)].map(|value| law.show(value));
        rows.push(vec![name.clone(), committed, now, allowed, verdict.into()]);
    }
    output::line(output::table(&rows).trim_end())?;
    let judged = |verdict| {
        let names = all.iter().filter(|(_, it)| it.verdict() == verdict).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (worse, better) = (judged(Verdict::Worse), judged(Verdict::Better));
    if !better.is_empty() {
        output::line(&format!("better than committed: {better}; keep it so with `just shape-accept REASON`"))?;
    }
    if worse.is_empty() {
        output::line(&format!("{} figures are as committed or better", all.len()))?;
        return Ok(Exit::Done);
    }
    output::line(&format!(
        "worse than committed: {worse}; find out why, or say why it is worth it with `just shape-accept REASON`"
    ))?;
    Ok(Exit::Slower)
}
