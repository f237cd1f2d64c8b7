//! What a trial found: figures for its table, and the promises that were broken.

use super::nodes::Halt;
use crate::exit::Exit;
use crate::output;

/// Broken promises that are told one by one; more of them say no more.
const TOLD_MAX: usize = 20;

/// Collects what is broken.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    broken: Vec<String>,
    more: usize,
}

impl Verdict {
    /// Holds the messenger to a promise; `words` say what is wrong when it is not kept.
    pub(crate) fn expect(&mut self, kept: bool, words: impl FnOnce() -> String) {
        if kept {
        } else if self.broken.len() < TOLD_MAX {
            self.broken.push(words());
        } else {
            self.more += 1;
        }
    }

    /// Takes the outcome of a part of the trial: what it gives, or nothing when a promise is broken so that this part
    /// cannot go on.
    ///
    /// # Errors
    ///
    /// What stops the trial as a whole.
    pub(crate) fn take<T>(&mut self, what: &str, outcome: Result<T, Halt>) -> Result<Option<T>, Halt> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Halt::Broken(words)) => {
                self.expect(false, || format!("{what}: {words}"));
                Ok(None)
            }
            Err(halt) => Err(halt),
        }
    }

    /// Nothing is broken so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints the table and the verdict, and gives the exit code that says the same.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub(crate) fn print(&self, headline: &str, table: &[Vec<String>]) -> anyhow::Result<Exit> {
        output::line(headline)?;
        output::line(output::table(table).trim_end())?;
        if self.is_clean() {
            output::line("every promise was kept")?;
            return Ok(Exit::Done);
        }
        for words in &self.broken {
            output::line(&format!("BROKEN {words}"))?;
        }
        if self.more > 0 {
            output::line(&format!("BROKEN {} more", self.more))?;
        }
        Ok(Exit::Broken)
    }
}

/// The exit of a trial that was halted.
///
/// # Errors
///
/// What the trial itself could not do.
pub(crate) fn halted(halt: Halt) -> anyhow::Result<Exit> {
    match halt {
        Halt::Interrupted => {
            output::note("interrupted: no verdict");
            Ok(Exit::Interrupted)
        }
        Halt::Tool(error) => Err(error),
        Halt::Broken(words) => {
            output::line(&format!("BROKEN {words}"))?;
            Ok(Exit::Broken)
        }
    }
}

/// The middle of some figures, and the least and the most of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Spread> {
        figures.sort_by(f64::total_cmp);
        let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
        Some(Spread {
            median: f64::midpoint(figures[low], figures[high]),
            least: figures[0],
            most: figures[figures.len() - 1],
        })
    }

    /// `1.20 [1.10 .. 1.40]`.
    pub(crate) fn show(self) -> String {
        format!("{:.2} [{:.2} .. {:.2}]", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_a_middle_and_two_ends() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of(vec![1.0, 2.0]).map(Spread::show).as_deref(), Some("1.50 [1.00 .. 2.00]"));
    }

    #[test]
    fn a_broken_promise_is_remembered_and_the_trial_goes_on() {
        let mut verdict = Verdict::default();
        verdict.expect(true, || "never".into());
        assert!(verdict.is_clean());
        let outcome: Result<(), Halt> = Err(Halt::Broken("it hangs".into()));
        assert!(matches!(verdict.take("soak", outcome), Ok(None)));
        assert_eq!(verdict.broken, ["soak: it hangs"]);
        assert!(matches!(verdict.take::<()>("soak", Err(Halt::Interrupted)), Err(Halt::Interrupted)));
    }
}
