//! How far a trial is: a bar on a terminal, a line now and then otherwise. Both on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// How often a line says how far it is, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts the steps of a trial.
#[derive(Debug)]
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    all: u64,
    said: Instant,
}

impl Steps {
    /// For `all` steps.
    pub(crate) fn new(all: u64) -> Steps {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr());
            // The template is a constant; without a style the bar would merely look plain.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {eta} left  {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Steps { bar, all, said: Instant::now() }
    }

    /// `done` steps are done, and `what` is under way.
    pub(crate) fn at(&mut self, done: u64, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(what.to_owned());
            }
            None if self.said.elapsed() >= LINE_EVERY => {
                self.said = Instant::now();
                output::note(&format!("[{done}/{}] {what}", self.all));
            }
            None => {}
        }
    }

    /// Something worth a line of its own.
    pub(crate) fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(words),
            None => output::note(words),
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
