//! The verb `gate-selftest`: the error rates of the gate, of the records of jobs that compared a program with itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use msgr_reports::gate::{ErrorRates, JSON_NAME};
use msgr_reports::trend::load_gate;

use crate::cli::SelftestArgs;
use crate::exit::Exit;
use crate::output;

/// Most records that are read: ten times what the tables need.
const RECORDS_MAX: usize = 1_000;

/// The verb.
///
/// # Errors
///
/// When a record cannot be read, or there are too few.
pub(crate) fn selftest(args: &SelftestArgs) -> anyhow::Result<Exit> {
    let jobs = records(&args.dir)?.iter().map(|path| load_gate(path)).collect::<Result<Vec<_>, _>>()?;
    let rates = ErrorRates::of(&jobs, args.seed)?;
    output::line(&rates.markdown())?;
    let missed = rates.missed();
    for sentence in &missed {
        output::line(&format!("MISSED: {sentence}"))?;
    }
    Ok(if missed.is_empty() { Exit::Done } else { Exit::Broken })
}

/// The records in the directories of a directory, by name.
fn records(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path().join(JSON_NAME);
        if path.is_file() {
            found.push(path);
        }
    }
    if found.len() > RECORDS_MAX {
        bail!("{} holds {} jobs, and at most {RECORDS_MAX} are read: move some away", dir.display(), found.len());
    }
    found.sort();
    Ok(found)
}
