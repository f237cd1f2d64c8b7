//! Saved runs, as a page that leads to theirs.

use std::path::{Path, PathBuf};

use askama::Template;

use super::{FILE_NAME, PageError, provenance, write};
use crate::analysis::along::Along;
use crate::analysis::group::Group;
use crate::analysis::metric::Metric;
use crate::analysis::ratio::paired;
use crate::format;
use crate::record::Run;

/// Name of the page within its directory.
pub const INDEX_NAME: &str = "runs.html";

/// A saved run, and where its directory is, relative to the page.
pub struct Saved {
    /// Directory of the record, relative to that of the page.
    pub dir: PathBuf,
    /// The record.
    pub run: Run,
}

/// A line of the table.
struct Line {
    page: String,
    when: String,
    what: String,
    cells: Vec<String>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Page {
    lines: Vec<Line>,
    unreadable: Vec<String>,
}

/// Draws the list of `saved` runs, the latest first, into `dir`, and gives the path of the page. `unreadable` says which
/// records are left out, and why.
///
/// # Errors
///
/// As [`write_page`](super::write_page).
pub fn write_index(saved: &[Saved], unreadable: Vec<String>, dir: &Path) -> Result<PathBuf, PageError> {
    let mut lines: Vec<(&str, Line)> = saved.iter().map(|saved| (saved.run.started.as_str(), line(saved))).collect();
    // RFC 3339 in UTC sorts as time does.
    lines.sort_by(|(one, _), (two, _)| two.cmp(one));
    let page = Page { lines: lines.into_iter().map(|(_, line)| line).collect(), unreadable };
    let text = page.render().map_err(|error| PageError::Draw(error.to_string()))?;
    write(&text, dir, INDEX_NAME)
}

fn line(saved: &Saved) -> Line {
    let run = &saved.run;
    let groups = Group::all(run);
    let ratio = |messenger: &str| {
        let group = groups.iter().find(|group| group.along == Along::Peers)?;
        let kind = group.messengers().find(|kind| kind.name == messenger)?;
        let place = *group.places.first()?;
        let ratio = paired(group, kind, group.floor()?, place, Metric::P50)?;
        Some(format!("{} {}", format::ratio(ratio.median), group.along.at(&[place])))
    };
    let none = || "–".to_string();
    Line {
        page: saved.dir.join(FILE_NAME).display().to_string(),
        when: provenance::when(&run.started),
        what: run.plan.scenario.clone().unwrap_or_else(|| super::title(&groups)),
        cells: vec![
            format::list(&run.plan.messengers),
            run.environment.git.clone().unwrap_or_else(none),
            format!("{} × {}", run.environment.cpus, run.environment.cpu_model),
            format::count(run.samples.len() as u64),
            if run.partial { "partial" } else { "whole" }.to_string(),
            ratio("simple").unwrap_or_else(none),
            ratio("async").unwrap_or_else(none),
        ],
    }
}
