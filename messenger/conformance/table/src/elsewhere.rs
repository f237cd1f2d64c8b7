//! What ran elsewhere: the cases' outcomes in the logs of a test program, such as those that come out of a guest.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, ensure};

/// Where to find outcomes, and what the column of them is called: `NAME=DIR`.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) column: String,
    dir: PathBuf,
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Source> {
        let (column, dir) = text.split_once('=').context("it is written NAME=DIR")?;
        Ok(Source { column: column.to_owned(), dir: dir.into() })
    }
}

/// Whether a case passed, by its name.
pub(crate) type Outcomes = HashMap<String, bool>;

impl Source {
    /// Reads all logs (`*.log`) of the directory.
    pub(crate) fn read(&self) -> anyhow::Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        let dir = fs::read_dir(&self.dir).with_context(|| format!("no logs in {}", self.dir.display()))?;
        for entry in dir {
            let path = entry?.path();
            if path.extension() == Some("log".as_ref()) {
                read_log(&path, &mut outcomes)?;
            }
        }
        ensure!(!outcomes.is_empty(), "no outcome of a test in the logs of {}", self.dir.display());
        Ok(outcomes)
    }
}

fn read_log(path: &Path, outcomes: &mut Outcomes) -> anyhow::Result<()> {
    let log = fs::read(path).with_context(|| path.display().to_string())?;
    parse(&String::from_utf8_lossy(&log), outcomes);
    Ok(())
}

/// `test module::case ... ok`; the last word is on a line of its own when the case has printed something. A case without it
/// did not come to its end.
fn parse(log: &str, outcomes: &mut Outcomes) {
    let mut running: Option<&str> = None;
    for line in log.lines() {
        let mut verdict = line;
        if let Some((case, rest)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            outcomes.insert(case.to_owned(), false);
            (running, verdict) = (Some(case), rest);
        }
        if let Some(case) = running.filter(|_| matches!(verdict, "ok" | "FAILED")) {
            outcomes.insert(case.to_owned(), verdict == "ok");
            running = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_whether_or_not_cases_print() {
        let log = "running 4 tests\ntest faults::one ... ok\ntest faults::two ... FAILED\n\
                   test synthetic::three ... seed 7\nit goes on\nok\ntest four ... and hangs\n";
        let mut outcomes = Outcomes::new();
        parse(log, &mut outcomes);
        let expected = [("faults::one", true), ("faults::two", false), ("synthetic::three", true), ("four", false)];
        assert_eq!(outcomes, expected.map(|(case, passed)| (case.to_owned(), passed)).into());
    }
}
