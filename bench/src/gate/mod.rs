//! The verb `gate`: measures pairs of two programs as [`msgr_reports::gate`] asks for them, and passes its verdict on.
//!
//! Everything that decides is there, without processes; everything that runs is here, without a threshold.

mod about;
mod measure;
mod preflight;
mod selftest;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use msgr_reports::gate::{self, Cell, Facts, Gate, GateRecord, JSON_NAME, Next, Outcome, Side, Stage};
use msgr_reports::record::{Warning, Workload};

use crate::cli::GateArgs;
use crate::exit::Exit;
use crate::host::{self, Limits, Watch};
use crate::run::NoSample;
use crate::{interrupt, output, text};

pub(crate) use about::about;
use measure::Pairs;
pub(crate) use selftest::selftest;

/// Where GitHub shows a summary of a step, when this runs there.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The verb.
///
/// # Errors
///
/// When a program is missing, is none of ours or was built with other flags, or an output cannot be written.
pub(crate) fn gate(args: &GateArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    gate::clear(&args.out)?;
    let candidate = match &args.candidate {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("cannot find this program's own file")?,
    };
    let (a, b) = (about::ask(&args.baseline, "baseline")?, about::ask(&candidate, "candidate")?);
    if a.flags() != b.flags() {
        bail!(
            "the baseline was built with other flags ({}) than the candidate ({}): build both alike, as `just gate` does",
            a.flags(),
            b.flags()
        );
    }
    let limits = Limits::read();
    let watch = Watch::start(&limits)?;
    let began = Instant::now();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let sides = (
        a.side(&args.baseline, args.baseline_commit.as_deref())?,
        b.side(&candidate, args.candidate_commit.as_deref())?,
    );
    let warnings: Vec<Warning> =
        args.inject_latency.map(injected).or_else(|| same(&sides.0, &sides.1)).into_iter().collect();
    let facts = |elapsed_s| {
        anyhow::Ok(Facts {
            tool_version: env!("CARGO_PKG_VERSION").into(),
            started: jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(),
            elapsed_s,
            command: std::iter::once("msgr-bench".to_owned()).chain(std::env::args().skip(1)).collect(),
            environment: watch.now(),
            baseline: sides.0.clone(),
            candidate: sides.1.clone(),
            acceptance: args.accept.clone(),
            injected_percent: args.inject_latency,
            warnings: warnings.clone(),
        })
    };
    interrupt::catch()?;
    if let Err(refusal) = preflight::check(&limits) {
        let record = GateRecord::refused(facts(0.0)?, seed, &format!("{refusal:#}"));
        return finish(&record, args);
    }
    let mut gate = Gate::new(plan(args), seed)?;
    let mut pairs = Pairs::new(args, candidate.clone(), seed)?;
    let interrupted = drive(&mut gate, &mut pairs)?;
    drop(pairs);
    if interrupted {
        gate.fail("interrupted: run the gate again");
    }
    let record = gate.finish(facts(began.elapsed().as_secs_f64())?);
    let exit = finish(&record, args)?;
    Ok(if interrupted { Exit::Interrupted } else { exit })
}

/// What a reader must know of a job whose candidate was slowed down.
fn injected(percent: f64) -> Warning {
    Warning {
        kind: "injected".into(),
        text: format!(
            "The candidate was slowed down on purpose, by {percent} % of the baseline's median for each message: this is a \
             test of the gate."
        ),
    }
}

/// What a reader must know of two programs that are one.
fn same(a: &Side, b: &Side) -> Option<Warning> {
    let text = "Both programs are the same, byte by byte: nothing of what was changed is in what was measured.";
    (a.binary_hash == b.binary_hash).then(|| Warning { kind: "same-program".into(), text: text.into() })
}

/// The cells: the A/A cell first, which is one of the cheapest.
fn plan(args: &GateArgs) -> Vec<Cell> {
    let mut cells = Vec::new();
    for kind in &args.messengers {
        for size in args.sizes.iter().copied() {
            for peers in args.peers.iter().copied() {
                cells.push(Cell {
                    messenger: kind.name().into(),
                    workload: Workload::PingPong,
                    size,
                    peers,
                    in_flight: peers,
                    control: false,
                });
            }
        }
    }
    let control = cells.last().map(|cell| Cell { control: true, ..cell.clone() });
    control.into_iter().chain(cells).collect()
}

/// Measures what the gate asks for; true when interrupted.
fn drive(gate: &mut Gate, pairs: &mut Pairs) -> anyhow::Result<bool> {
    let mut measured = 0;
    while let Next::Pairs { cell, stage, orders } = gate.next() {
        let why = if stage == Stage::Confirm { "confirming" } else { "measuring" };
        output::note(&format!("[{measured} pairs] {why} {}", pairs.describe(cell)));
        for order in orders {
            match pairs.take(cell, stage, order) {
                Ok(pair) => {
                    // What is wrong with a pair is in the verdict.
                    if gate.feed(cell, pair).is_err() {
                        return Ok(false);
                    }
                }
                Err(NoSample::Failed(words)) => {
                    gate.fail(&format!("a sample of {} failed: {words}", pairs.describe(cell)));
                    return Ok(false);
                }
                Err(NoSample::Interrupted) => return Ok(true),
            }
            measured += 1;
        }
    }
    Ok(false)
}

/// Writes the outputs, and says the verdict.
fn finish(record: &GateRecord, args: &GateArgs) -> anyhow::Result<Exit> {
    let written = gate::write(record, &args.out)?;
    if let Some(path) = std::env::var_os(STEP_SUMMARY).map(PathBuf::from) {
        let summary = std::fs::read(&written.markdown)?;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(&summary))
            .with_context(|| format!("cannot add the summary to {} ({STEP_SUMMARY})", path.display()))?;
    }
    output::line(&record.sentence)?;
    output::line(&format!(
        "{} in {}; {}",
        written.page.display(),
        text::duration(std::time::Duration::from_secs_f64(record.facts.elapsed_s)),
        args.out.join(JSON_NAME).display()
    ))?;
    Ok(match record.outcome {
        Outcome::Pass | Outcome::Improved | Outcome::Accepted => Exit::Done,
        Outcome::Regression => Exit::Slower,
        Outcome::Error => Exit::Error,
        Outcome::Inconclusive => Exit::Broken,
        Outcome::Refused => Exit::Refused,
    })
}
