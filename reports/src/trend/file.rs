//! The trend file: one line of JSON a job, in the order in which they were added.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::entry::{Entry, SCHEMA};
use crate::gate::{self, GateRecord};
use crate::record::Head;

/// Why a trend could not be read or added to. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrendError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; give the path of a trend, or begin one with `--add gate.json`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no line of a trend in the file, or one that is something else.
    #[error(
        "line {line} of {path} is of no trend (expected \"schema\": \"{SCHEMA}\"); give a file that `msgr-bench trend` has written"
    )]
    NotATrend {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A line has a version that this build does not know.
    #[error(
        "line {line} of {path} has schema \"{found}\", but this build reads \"{SCHEMA}\"; use the msgr-bench that wrote it"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Its `schema` member.
        found: String,
    },
    /// A line claims the right version and breaks it.
    #[error(
        "line {line} of {path} says \"{SCHEMA}\" but does not follow reports/schema/trend.v1.json: {source}; remove the line"
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Which member, and where.
        source: serde_json::Error,
    },
    /// What was to be added is no verdict of the gate.
    #[error(
        "{path} is no verdict of this version ({reason}); give a {} that `msgr-bench gate` has written",
        gate::JSON_NAME
    )]
    NotAGate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The line could not be written.
    #[error("cannot add to {path}: {source}; check its directory, its permissions and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a trend file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// Its jobs, the earliest first.
    pub entries: Vec<Entry>,
    /// Which lines were skipped, as sentences.
    pub skipped: Vec<String>,
}

impl Trend {
    /// Reads a trend. A line that is cut off, as a killed writer or a full disk leaves it, is skipped.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds something else, or has a line of a version other than [`SCHEMA`].
    pub fn load(path: &Path) -> Result<Trend, TrendError> {
        let text = std::fs::read(path).map_err(|source| TrendError::Read { path: path.into(), source })?;
        let mut trend = Trend::default();
        let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        for (number, line) in lines {
            match entry(line, path, number + 1)? {
                Some(entry) => trend.entries.push(entry),
                None => trend.skipped.push(format!(
                    "Line {} of {} is damaged and was skipped: its writer was killed, or the disk was full.",
                    number + 1,
                    path.display()
                )),
            }
        }
        if trend.entries.is_empty() && !trend.skipped.is_empty() {
            return Err(TrendError::NotATrend { path: path.into(), line: 1 });
        }
        trend.sort();
        Ok(trend)
    }

    /// Adds a job to the trend and to its file, which is made when missing; `false` when it is there already.
    ///
    /// # Errors
    ///
    /// [`TrendError::Write`] when the file cannot be written.
    pub fn add(&mut self, entry: Entry, path: &Path) -> Result<bool, TrendError> {
        if self.entries.contains(&entry) {
            return Ok(false);
        }
        append(&entry, path).map_err(|source| TrendError::Write { path: path.into(), source })?;
        self.entries.push(entry);
        self.sort();
        Ok(true)
    }

    fn sort(&mut self) {
        // RFC 3339 in UTC sorts as time does.
        self.entries.sort_by(|one, two| one.started.cmp(&two.started));
    }
}

/// A line of a trend; `None` when it is damaged.
fn entry(line: &[u8], path: &Path, number: usize) -> Result<Option<Entry>, TrendError> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { return Ok(None) };
    let (path, line) = (path.to_path_buf(), number);
    let head = Head::deserialize(&value).ok().and_then(|head| head.schema);
    match head {
        None => Err(TrendError::NotATrend { path, line }),
        Some(found) if found != SCHEMA => Err(TrendError::Schema { path, line, found }),
        Some(_) => {
            let entry = Entry::deserialize(value).and_then(Entry::checked);
            entry.map(Some).map_err(|source| TrendError::Invalid { path, line, source })
        }
    }
}

/// Appends a line by one write, so that two writers do not mix theirs.
fn append(entry: &Entry, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    // A line that was cut off stays a line of its own.
    let mut text = if ends_within_a_line(&mut file)? { "\n".to_string() } else { String::new() };
    text.push_str(&serde_json::to_string(entry)?);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads a verdict of the gate.
///
/// # Errors
///
/// When it cannot be read, or is none of this version.
pub fn load_gate(path: &Path) -> Result<GateRecord, TrendError> {
    let wrong = |reason: String| TrendError::NotAGate { path: path.into(), reason };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let head: Head = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    match head.schema {
        Some(schema) if schema == gate::SCHEMA => {
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
        }
        Some(schema) => Err(wrong(format!("its schema is \"{schema}\", not \"{}\"", gate::SCHEMA))),
        None => Err(wrong("it has no member \"schema\"".to_string())),
    }
}
