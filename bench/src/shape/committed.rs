//! The file of committed figures.

use std::collections::BTreeMap;
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The version of the file that this program reads and writes.
const SCHEMA: &str = "msgr.shape.v1";

/// What makes the file anew.
pub(super) const AGAIN: &str = "make it anew with `just shape-accept REASON`";

/// Figures, and why they are what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Committed {
    schema: String,
    /// Why they were last changed.
    pub(super) reason: String,
    /// What they hold for. Nothing in them depends on how many CPUs there are.
    pub(super) target: String,
    /// Each by its name, a line each.
    pub(super) figures: BTreeMap<String, f64>,
}

/// All that one looks at before the rest is read.
#[derive(Deserialize)]
struct Version {
    schema: String,
}

/// What this program was built for and measures with.
pub(super) fn target() -> String {
    format!("{ARCH} {OS}, default options")
}

impl Committed {
    /// Figures of this program.
    pub(super) fn new(reason: String, figures: BTreeMap<String, f64>) -> Committed {
        Committed { schema: SCHEMA.into(), reason, target: target(), figures }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it is missing, damaged or of another version; the message says what to do.
    pub(super) fn read(path: &Path) -> anyhow::Result<Committed> {
        let file = path.display();
        let text = fs::read_to_string(path).with_context(|| {
            format!("cannot read the committed figures in {file}: run in the root of the repository, or {AGAIN}")
        })?;
        let damaged = || format!("{file} is damaged: restore it from the commit, or {AGAIN}");
        let Version { schema } = serde_json::from_str(&text).with_context(damaged)?;
        if schema != SCHEMA {
            bail!(
                "{file} has schema {schema:?}, but this build reads {SCHEMA:?}: build the commit that wrote it, or {AGAIN}"
            );
        }
        let committed: Committed = serde_json::from_str(&text).with_context(damaged)?;
        if let Some((name, value)) = committed.figures.iter().find(|(_, value)| !value.is_finite() || **value < 0.0) {
            bail!("{file} says that {name} is {value}, which is no count: restore it from the commit, or {AGAIN}");
        }
        Ok(committed)
    }

    /// Writes the file; what was there stays until all of it is written.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let beside = path.with_extension("json.tmp");
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).with_context(|| {
            format!("cannot write {}: run in the root of the repository, and free some space", path.display())
        })
    }

    /// The figure called `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(super) fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let found = self.figures.get(name).copied();
        found.with_context(|| format!("the committed figures lack {name}, which this build measures: {AGAIN}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_a_line_for_each_figure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shape.json");
        let figures = BTreeMap::from([("b/reads".to_owned(), 1.01), ("a/threads".to_owned(), 6.0)]);
        let committed = Committed::new("for a test".into(), figures);
        committed.write(&path).unwrap();
        assert_eq!(Committed::read(&path).unwrap(), committed);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("    \"a/threads\": 6.0,\n    \"b/reads\": 1.01\n"), "{text}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(committed.figure("c").is_err_and(|error| error.to_string().contains("shape-accept")));
    }
}
