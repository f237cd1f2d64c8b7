//! A record as one self-contained HTML page.

use std::io;
use std::path::{Path, PathBuf};

use askama::Template;

use crate::record::{Run, write_atomically};

/// Name of the page within its directory.
pub const FILE_NAME: &str = "index.html";

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page could not be drawn: a defect of this crate, never of a record.
    #[error("cannot draw the page: {0}")]
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

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    run: &'a Run,
}

/// Draws the page of a record: one HTML text that needs nothing else. The same record gives the same bytes.
///
/// # Errors
///
/// [`PageError::Draw`] when a figure or the template cannot be rendered.
pub fn render(run: &Run) -> Result<String, PageError> {
    Page { run }
        .render()
        .map_err(|error| PageError::Draw(error.to_string()))
}

/// Draws the page into `dir`, which is made when missing, and gives the path of the page.
///
/// # Errors
///
/// [`PageError::Write`] when the directory or the file cannot be written; else as [`render`].
pub fn write_page(run: &Run, dir: &Path) -> Result<PathBuf, PageError> {
    let page = render(run)?;
    let path = dir.join(FILE_NAME);
    std::fs::create_dir_all(dir)
        .and_then(|()| write_atomically(&path, |out| out.write_all(page.as_bytes())))
        .map_err(|source| PageError::Write {
            path: path.clone(),
            source,
        })?;
    Ok(path)
}
