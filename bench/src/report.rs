//! The verbs that draw pages of records: `report`, `compare` and `index`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use msgr_reports::page::{self, Saved};
use msgr_reports::record::Run;
use msgr_reports::{Change, Pair};

use crate::cli::{CompareArgs, IndexArgs, ReportArgs};
use crate::exit::Exit;
use crate::output;
use crate::record::FILE_NAME;

/// How deep below its directory an index looks for records.
const DEPTH_MAX: u32 = 3;

/// Most records of an index: more make a page that nobody reads.
const RECORDS_MAX: usize = 1000;

/// Draws the page of a record again.
///
/// # Errors
///
/// When the record cannot be read or the page cannot be written.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let run = Run::load(&record(&args.record))?;
    let beside = || record(&args.record).parent().map(Into::into).unwrap_or_default();
    let dir = args.out.clone().unwrap_or_else(beside);
    let page = page::write_page(&run, &dir)?;
    output::line(&page.display().to_string())?;
    Ok(Exit::Done)
}

/// Compares two records.
///
/// # Errors
///
/// When one cannot be read, or the page cannot be written.
pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<Exit> {
    let (before, after) = (Run::load(&record(&args.before))?, Run::load(&record(&args.after))?);
    let comparison = msgr_reports::compare(&before, &after);
    for pair in comparison.pairs().filter(|pair| pair.change != Change::None) {
        output::line(&changed(pair))?;
    }
    for sentence in comparison.summary() {
        output::line(&sentence)?;
    }
    let page = page::write_comparison(&before, &after, &args.out)?;
    output::line(&page.display().to_string())?;
    Ok(Exit::Done)
}

fn changed(pair: &Pair) -> String {
    let word = if pair.change == Change::Better { "better" } else { "worse " };
    let (before, after) = pair.medians();
    format!(
        "{word}  {:<8} {:<22} {:<20} {before:.2} -> {after:.2} times the floor",
        pair.messenger, pair.place, pair.figure
    )
}

/// Lists saved runs.
///
/// # Errors
///
/// When the directory cannot be read, holds no record, or the page cannot be written.
pub(crate) fn index(args: &IndexArgs) -> anyhow::Result<Exit> {
    let mut found = Vec::new();
    look(&args.dir, DEPTH_MAX, &mut found)?;
    found.sort();
    if found.is_empty() {
        bail!("there is no {FILE_NAME} below {}: save runs there with `run --out DIR/NAME`", args.dir.display());
    }
    let (mut saved, mut unreadable) = (Vec::new(), Vec::new());
    for path in found {
        let dir = path.parent().and_then(|dir| dir.strip_prefix(&args.dir).ok()).unwrap_or(Path::new("")).to_path_buf();
        match Run::load(&path) {
            Ok(run) => saved.push(Saved { dir, run }),
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    for words in &unreadable {
        output::note(words);
    }
    let page = page::write_index(&saved, unreadable, &args.dir)?;
    output::line(&page.display().to_string())?;
    Ok(Exit::Done)
}

/// The records in `dir` and, down to `depth`, in the directories below.
fn look(dir: &Path, depth: u32, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read the directory {}", dir.display());
    for entry in std::fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if found.len() >= RECORDS_MAX {
            bail!("there are more than {RECORDS_MAX} records below {}: list a part of them", dir.display());
        }
        if path.file_name().is_some_and(|name| name == FILE_NAME) {
            found.push(path);
        } else if depth > 0 && path.is_dir() && !path.is_symlink() {
            look(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// The record that `path` names: itself, or the one in that directory.
fn record(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE_NAME) } else { path.into() }
}
