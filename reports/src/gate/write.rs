//! The outputs of a job, written into a directory.

use std::io;
use std::path::{Path, PathBuf};

use super::figures::FigureError;
use super::record::GateRecord;
use super::{junit, markdown, page};
use crate::record::{HistogramError, write_atomically};

/// Name of the record within its directory.
pub const JSON_NAME: &str = "gate.json";
/// Name of the JUnit report.
pub const JUNIT_NAME: &str = "gate.junit.xml";
/// Name of the Markdown summary.
pub const MARKDOWN_NAME: &str = "gate.md";
/// Name of the page.
pub const PAGE_NAME: &str = "gate.html";

/// Why an output could not be written. Each is an error of the tool: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A page or a report could not be drawn: a defect of this crate, never of a record.
    #[error("cannot draw the verdict: {0}; please report this with {JSON_NAME}")]
    Draw(String),
    /// A kept histogram could not be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// A file could not be written.
    #[error("cannot write {path}: {source}; check the directory, its permissions and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<FigureError> for WriteError {
    fn from(error: FigureError) -> WriteError {
        match error {
            FigureError::Draw(error) => error.into(),
            FigureError::Histogram(error) => error.into(),
        }
    }
}

impl From<crate::charts::DrawError> for WriteError {
    fn from(error: crate::charts::DrawError) -> WriteError {
        WriteError::Draw(error.to_string())
    }
}

/// Where the outputs of a job are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The record.
    pub json: PathBuf,
    /// The JUnit report.
    pub junit: PathBuf,
    /// The Markdown summary.
    pub markdown: PathBuf,
    /// The page.
    pub page: PathBuf,
}

/// Removes what an earlier job left in `dir`, so that a job without a verdict leaves none that could be taken for its own.
///
/// # Errors
///
/// [`WriteError::Write`] when one is there and cannot be removed.
pub fn clear(dir: &Path) -> Result<(), WriteError> {
    for path in [JSON_NAME, JUNIT_NAME, MARKDOWN_NAME, PAGE_NAME].map(|name| dir.join(name)) {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(WriteError::Write { path, source }),
            _ => {}
        }
    }
    Ok(())
}

/// Writes the record, the JUnit report, the summary and the page into `dir`, which is made when missing. The same record
/// gives the same bytes. The record comes first, so that it is there whatever fails after it.
///
/// # Errors
///
/// [`WriteError::Write`] when the directory or a file cannot be written, [`WriteError::Histogram`] when a kept histogram
/// is damaged, [`WriteError::Draw`] when an output cannot be drawn.
pub fn write(record: &GateRecord, dir: &Path) -> Result<Written, WriteError> {
    std::fs::create_dir_all(dir).map_err(|source| WriteError::Write { path: dir.into(), source })?;
    let json = serde_json::to_string_pretty(record).map_err(|error| WriteError::Draw(error.to_string()))?;
    let json = put(dir, JSON_NAME, &format!("{json}\n"))?;
    let junit = junit::render(record).map_err(|error| WriteError::Draw(error.to_string()))?;
    Ok(Written {
        json,
        junit: put(dir, JUNIT_NAME, &junit)?,
        markdown: put(dir, MARKDOWN_NAME, &markdown::render(record))?,
        page: put(dir, PAGE_NAME, &page::render(record)?)?,
    })
}

fn put(dir: &Path, name: &str, text: &str) -> Result<PathBuf, WriteError> {
    let path = dir.join(name);
    write_atomically(&path, |out| out.write_all(text.as_bytes()))
        .map_err(|source| WriteError::Write { path: path.clone(), source })?;
    Ok(path)
}
