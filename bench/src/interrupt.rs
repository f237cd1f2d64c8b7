//! Ctrl-C: asked for once, it ends the work in order; asked for twice, at once.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use anyhow::Context;

use crate::exit::Exit;

/// How often a wait looks whether it was interrupted: short against a person's patience, long against a sample.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(50);

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Catches SIGINT, SIGTERM and SIGHUP from now on. Costs one thread.
///
/// # Errors
///
/// When the handler cannot be installed.
pub(crate) fn catch() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, SeqCst) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .context("cannot catch Ctrl-C")
}

/// Whether the work is to end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(SeqCst)
}
