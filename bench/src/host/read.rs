//! Small files of `/proc` and `/sys`, below a root that tests put elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// Where `/proc` and `/sys` hang.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    /// Files below `path`; `/` for this machine.
    pub(super) fn new(path: impl Into<PathBuf>) -> Root {
        Root(path.into())
    }

    /// The text of a file, trimmed, if it can be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let path = self.0.join(Path::new(path.trim_start_matches('/')));
        Some(fs::read_to_string(path).ok()?.trim().to_owned())
    }

    /// The names in a directory, in their order; none when it cannot be read.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(path)).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A file that holds one number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A field such as `MemTotal:   24683904 kB` of `/proc/meminfo`, in bytes.
    pub(super) fn memory(&self, field: &str) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    }
}
