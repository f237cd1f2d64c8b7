//! What a program was built from: both are asked, since neither can be told by its file.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use msgr_reports::gate::Side;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::exit::Exit;
use crate::output;

/// What a program says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    version: String,
    commit: String,
    rustc: String,
    rustflags: String,
    opt_level: String,
}

/// The verb `about`: one line of JSON.
///
/// # Errors
///
/// When standard output is closed.
pub(crate) fn about() -> anyhow::Result<Exit> {
    let about = About {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("MSGR_GIT").into(),
        rustc: env!("MSGR_RUSTC").into(),
        rustflags: env!("MSGR_RUSTFLAGS").into(),
        opt_level: env!("MSGR_OPT").into(),
    };
    output::line(&serde_json::to_string(&about)?)?;
    Ok(Exit::Done)
}

/// Asks `program`, which is called `what` in messages.
///
/// # Errors
///
/// When it is missing or is no msgr-bench that knows what it was built from.
pub(super) fn ask(program: &Path, what: &str) -> anyhow::Result<About> {
    if !program.is_file() {
        bail!("the {what} {} is no file: build it from its commit, as `just gate` does", program.display());
    }
    let output = Command::new(program)
        .arg("about")
        .output()
        .with_context(|| format!("cannot start the {what} {}: build it for this host", program.display()))?;
    let about = output.status.success().then(|| serde_json::from_slice(&output.stdout));
    about.and_then(Result::ok).with_context(|| {
        format!(
            "the {what} {} does not say what it was built from: it is no msgr-bench, or one from before there was a gate",
            program.display()
        )
    })
}

impl About {
    /// What must be alike in both for a comparison to be one of sources.
    pub(super) fn flags(&self) -> String {
        format!("{}, opt-level {}, {:?}", self.rustc, self.opt_level, self.rustflags)
    }

    /// As it stands in the record, with the hash of its file, and another commit than the program's own where the caller knows better.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn side(&self, program: &Path, commit: Option<&str>) -> anyhow::Result<Side> {
        let bytes = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let commit = commit.unwrap_or(&self.commit).to_owned();
        Ok(Side { commit, binary_hash: hash, flags: self.flags() })
    }
}
