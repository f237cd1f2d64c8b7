//! Injected stalls: all that a side under test answers is held up for a while, again and again.

use std::thread;
use std::time::{Duration, Instant};

use crate::parse::Stall;

/// When to stall, by the clock: what arrives meanwhile waits.
#[derive(Debug)]
pub(crate) struct Stalls {
    stall: Stall,
    begun: Instant,
}

impl Stalls {
    /// The first comes after a whole period.
    pub(crate) fn new(stall: Stall) -> Stalls {
        Stalls { stall, begun: Instant::now() }
    }

    /// Returns when no stall is on.
    pub(crate) fn wait(&self) {
        if let Some(left) = self.left(self.begun.elapsed()) {
            thread::sleep(left);
        }
    }

    /// What is left of the stall that is on `after` so long, if one is.
    fn left(&self, after: Duration) -> Option<Duration> {
        let every = self.stall.every.as_nanos();
        let into = Duration::from_nanos(u64::try_from(after.as_nanos() % every).unwrap_or(u64::MAX));
        if after < self.stall.every { None } else { self.stall.length.checked_sub(into).filter(|left| !left.is_zero()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_on_for_its_length_at_the_beginning_of_each_period_but_the_first() {
        let ms = Duration::from_millis;
        let stalls = Stalls::new(Stall { length: ms(100), every: ms(1000) });
        let left = [0, 50, 999, 1000, 1060, 1100, 1999, 2099, 2500].map(|after| stalls.left(ms(after)));
        let (none, some) = (None, |left| Some(ms(left)));
        assert_eq!(left, [none, none, none, some(100), some(40), none, none, some(1), none]);
    }
}
