//! Reading and writing `run.json`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Run, SCHEMA};

/// Why a record could not be read or written. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}; give the path of a run.json written by `msgr-bench run`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends in the middle of the record.
    #[error(
        "{path} ends in the middle of the record ({source}); it was cut short by a copy or a full \
         disk: copy it again, or repeat the run"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// The file is not JSON.
    #[error("{path} is not JSON ({source}); give the path of a run.json written by `msgr-bench run`")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// The file is JSON without a `schema` member.
    #[error("{path} is no run record: it has no member \"schema\" (expected \"{SCHEMA}\")")]
    NotARecord {
        /// The file.
        path: PathBuf,
    },
    /// The record has a version that this build does not know.
    #[error(
        "{path} has schema \"{found}\", but this build reads \"{SCHEMA}\"; draw it with the \
         msgr-bench that wrote it (its version is in \"tool_version\"), or repeat the run"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its `schema` member.
        found: String,
    },
    /// The record claims the right version and breaks it.
    #[error("{path} says \"{SCHEMA}\" but does not follow reports/schema/run.v1.json: {source}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which member, and where.
        source: serde_json::Error,
    },
    /// The record could not be written.
    #[error("cannot write {path}: {source}; check the directory, its permissions and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The one member that is read before the rest is trusted.
#[derive(Deserialize)]
pub(crate) struct Head {
    pub(crate) schema: Option<String>,
}

impl Run {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is cut short, is not JSON, or is not a record of version [`SCHEMA`].
    pub fn load(path: &Path) -> Result<Run, RecordError> {
        let text = fs::read(path).map_err(|source| RecordError::Read { path: path.into(), source })?;
        let syntax = |source: serde_json::Error| {
            let path = path.to_path_buf();
            match source.classify() {
                serde_json::error::Category::Eof => RecordError::Truncated { path, source },
                serde_json::error::Category::Data => RecordError::NotARecord { path },
                _ => RecordError::NotJson { path, source },
            }
        };
        let head: Head = serde_json::from_slice(&text).map_err(syntax)?;
        match head.schema {
            None => return Err(RecordError::NotARecord { path: path.into() }),
            Some(found) if found != SCHEMA => {
                return Err(RecordError::Schema { path: path.into(), found });
            }
            Some(_) => {}
        }
        serde_json::from_slice(&text).map_err(|source| RecordError::Invalid { path: path.into(), source })
    }

    /// Writes the record, so that `path` holds either its old content or the whole new one: the text goes to a
    /// temporary file beside it, which then takes its name.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be written, flushed to the disk or renamed.
    pub fn save(&self, path: &Path) -> Result<(), RecordError> {
        write_atomically(path, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        })
        .map_err(|source| RecordError::Write { path: path.into(), source })
    }
}

/// Writes a file through a temporary neighbour, which is removed again when anything fails.
pub(crate) fn write_atomically(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // The process id keeps two writers of the same path out of each other's temporary file.
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|file| {
        let mut out = BufWriter::new(file);
        fill(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one worth telling; a temporary file that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
    }
    written
}
