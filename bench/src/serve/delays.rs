//! Injected delays, to see which figures show them: the side under test answers nothing for a while, again and again, or
//! each message takes it longer.

use std::thread;
use std::time::{Duration, Instant};

use crate::parse::Stall;

/// What holds up answers.
#[derive(Debug)]
pub(crate) struct Delays {
    /// When to stall, by the clock: what arrives meanwhile waits.
    stall: Option<Stall>,
    /// How long to spin for each message, as slower code would.
    spin: Duration,
    begun: Instant,
}

impl Delays {
    /// The first stall comes after a whole period. None when nothing is to be held up.
    pub(crate) fn new(stall: Option<Stall>, spin: Option<Duration>) -> Option<Delays> {
        let delays = Delays { stall, spin: spin.unwrap_or_default(), begun: Instant::now() };
        (stall.is_some() || !delays.spin.is_zero()).then_some(delays)
    }

    /// Holds up a message.
    pub(crate) fn wait(&self) {
        if let Some(left) = self.stall.and_then(|stall| left(stall, self.begun.elapsed())) {
            thread::sleep(left);
        }
        if !self.spin.is_zero() {
            let from = Instant::now();
            while from.elapsed() < self.spin {
                std::hint::spin_loop();
            }
        }
    }
}

/// What is left of the stall that is on `after` so long, if one is.
fn left(stall: Stall, after: Duration) -> Option<Duration> {
    let every = stall.every.as_nanos();
    let into = Duration::from_nanos(u64::try_from(after.as_nanos() % every).unwrap_or(u64::MAX));
    if after < stall.every { None } else { stall.length.checked_sub(into).filter(|left| !left.is_zero()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_on_for_its_length_at_the_beginning_of_each_period_but_the_first() {
        let ms = Duration::from_millis;
        let stall = Stall { length: ms(100), every: ms(1000) };
        let left = [0, 50, 999, 1000, 1060, 1100, 1999, 2099, 2500].map(|after| left(stall, ms(after)));
        let (none, some) = (None, |left| Some(ms(left)));
        assert_eq!(left, [none, none, none, some(100), some(40), none, none, some(1), none]);
    }
    #[test]
    fn each_message_is_spun_for() {
        assert!(Delays::new(None, None).is_none());
        let delays = Delays::new(None, Some(Duration::from_micros(50))).unwrap();
        let from = Instant::now();
        (0..20).for_each(|_| delays.wait());
        assert!(from.elapsed() >= Duration::from_millis(1));
    }
}
