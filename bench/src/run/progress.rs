//! How far a run is: a bar on a terminal, one line a sample otherwise. Both on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{output, text};

/// Counts samples, and estimates the time left from what the samples so far took.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    done: usize,
    all: usize,
    /// Expected seconds of the samples done, and of all of them.
    expected_done: f64,
    expected: f64,
}

impl Progress {
    /// For `all` samples that are expected to take `expected` in all.
    pub(crate) fn new(all: usize, expected: Duration) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            // The template is a constant; without a style the bar would merely look plain.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, began: Instant::now(), done: 0, all, expected_done: 0.0, expected: expected.as_secs_f64() }
    }

    /// `what` is being measured now.
    pub(crate) fn now(&self, what: &str) {
        if let Some(bar) = &self.bar {
            let words: Vec<_> = what.split_whitespace().collect();
            bar.set_message(format!("{}, now {}", self.left(), words.join(" ")));
        }
    }

    /// A sample that was expected to take `expected` is done; `result` says how it went.
    pub(crate) fn done(&mut self, round: u32, result: &str, expected: Duration) {
        self.done += 1;
        self.expected_done += expected.as_secs_f64();
        match &self.bar {
            Some(bar) => {
                bar.println(result);
                bar.inc(1);
                bar.set_message(self.left());
            }
            None => {
                let width = self.all.to_string().len();
                output::note(&format!(
                    "[{:>width$}/{}] round {}  {result}  {}",
                    self.done,
                    self.all,
                    round + 1,
                    self.left()
                ));
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn left(&self) -> String {
        let slower =
            if self.expected_done > 0.0 { self.began.elapsed().as_secs_f64() / self.expected_done } else { 1.0 };
        let left = (self.expected - self.expected_done).max(0.0) * slower;
        format!("{} left", text::duration(Duration::from_secs_f64(left)))
    }
}
