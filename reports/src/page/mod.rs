//! A record as one self-contained HTML page.

mod comparison;
mod counts;
mod curve;
mod emulation;
mod figure;
mod glance;
mod index;
mod neighbours;
mod offers;
mod provenance;
mod section;
mod stages;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use askama::Template;

use crate::analysis::group::Group;
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::analysis::warnings;
use crate::format;
use crate::record::{Run, Warning, write_atomically};
use provenance::{Fact, TAKEN_COLUMNS, Taken};
use section::Section;

pub use comparison::{COMPARISON_NAME, write_comparison};
pub use index::{INDEX_NAME, Saved, write_index};

/// Name of the page within its directory.
pub const FILE_NAME: &str = "index.html";

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page could not be drawn: a defect of this crate, never of a record.
    #[error("cannot draw the page: {0}; please report this with the record")]
    Draw(String),
    /// The file could not be written.
    #[error("cannot write {path}: {source}; check the directory, its permissions and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Findings of one section, for the list at the top.
struct Findings<'a> {
    title: &'a str,
    id: &'a str,
    topics: Vec<Topic<'a>>,
}

/// Neighbouring findings about the same thing.
struct Topic<'a> {
    name: &'a str,
    /// Sentence, and number of its rule.
    items: Vec<(&'a str, usize)>,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    run: &'a Run,
    /// What must be said beside every figure.
    note: Option<&'static str>,
    title: String,
    when: String,
    elapsed: String,
    interval: String,
    rounds: usize,
    glance: Option<glance::Glance<'a>>,
    warnings: Vec<Warning>,
    findings: Vec<Findings<'a>>,
    rules: Vec<&'a str>,
    sections: &'a [Section],
    environment: Vec<Fact>,
    plan: Vec<Fact>,
    taken: Vec<Taken>,
    taken_columns: [&'static str; TAKEN_COLUMNS.len()],
    reproduce: String,
}

/// Draws the page of a record: one HTML text that needs nothing else. The same record gives the same bytes.
///
/// # Errors
///
/// [`PageError::Draw`] when a figure or the template cannot be rendered.
pub fn render(run: &Run) -> Result<String, PageError> {
    let draw = |error: &dyn std::fmt::Display| PageError::Draw(error.to_string());
    let groups = Group::all(run);
    let mut sections = groups.iter().map(Section::new).collect::<Result<Vec<Section>, _>>().map_err(|e| draw(&e))?;
    let emulated = emulation::is_emulated(&run.environment);
    let mut warnings = warnings::all(run, &groups);
    let mut title = title(&groups);
    let mut reproduce = provenance::reproduce(run);
    if emulated {
        emulation::mark(&mut sections);
        warnings.insert(0, emulation::warning());
        title.insert_str(0, emulation::TITLE);
        reproduce.insert_str(0, emulation::REPRODUCE);
    }
    let rounds = groups.iter().map(Group::rounds).max().unwrap_or(0);
    let (findings, rules) = findings(&sections);
    let glance = glance::new(&groups, &sections).map_err(|error| draw(&error))?;
    let page = Page {
        run,
        note: emulated.then_some(emulation::TIMES),
        title,
        when: provenance::when(&run.started),
        elapsed: provenance::duration(run.elapsed_s),
        interval: Interval::describe(rounds),
        rounds,
        glance,
        warnings,
        findings,
        rules,
        sections: &sections,
        environment: provenance::environment(run),
        plan: provenance::plan(&run.plan),
        taken: provenance::taken(run),
        taken_columns: TAKEN_COLUMNS,
        reproduce,
    };
    page.render().map_err(|error| draw(&error))
}

/// Draws the page into `dir`, which is made when missing, and gives the path of the page.
///
/// # Errors
///
/// [`PageError::Write`] when the directory or the file cannot be written; else as [`render`].
pub fn write_page(run: &Run, dir: &Path) -> Result<PathBuf, PageError> {
    write(&render(run)?, dir, FILE_NAME)
}

/// Writes a page called `name` into `dir`, which is made when missing.
pub(crate) fn write(page: &str, dir: &Path, name: &str) -> Result<PathBuf, PageError> {
    let path = dir.join(name);
    std::fs::create_dir_all(dir)
        .and_then(|()| write_atomically(&path, |out| out.write_all(page.as_bytes())))
        .map_err(|source| PageError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// `simple and async messengers, 1 to 1,024 peers`.
fn title(groups: &[Group<'_>]) -> String {
    let mut kinds: Vec<&Kind> = groups.iter().flat_map(Group::messengers).collect();
    kinds.sort();
    kinds.dedup();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.label()).collect();
    let who = match names.as_slice() {
        [] => "Bare TCP".to_string(),
        [one] => format!("The {one} messenger"),
        several => format!("The {} messengers", format::list(several)),
    };
    let peers = || groups.iter().flat_map(|group| group.peers.iter().copied());
    match (peers().min(), peers().max()) {
        (Some(min), Some(max)) if min < max => {
            format!("{who} at {} to {}", format::count(u64::from(min)), format::peers(max))
        }
        (Some(only), Some(_)) => format!("{who} at {}", format::peers(only)),
        _ => "A run without samples".to_string(),
    }
}

/// The findings by section, and the rules they refer to, each once.
fn findings(sections: &[Section]) -> (Vec<Findings<'_>>, Vec<&str>) {
    let mut rules: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for section in sections {
        let mut topics: Vec<Topic<'_>> = Vec::new();
        for finding in &section.findings {
            let known = rules.iter().position(|rule| *rule == finding.rule);
            let rule = known.unwrap_or_else(|| {
                rules.push(&finding.rule);
                rules.len() - 1
            });
            let item = (finding.text.as_str(), rule + 1);
            match topics.last_mut().filter(|topic| topic.name == finding.topic) {
                Some(topic) => topic.items.push(item),
                None => topics.push(Topic { name: finding.topic, items: vec![item] }),
            }
        }
        if !topics.is_empty() {
            all.push(Findings { title: &section.title, id: &section.id, topics });
        }
    }
    (all, rules)
}
