//! What wakes an event loop that sends at fixed times.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::load::{Recorder, Schedule};

/// When an open loop sends, and what wakes it then.
pub(crate) struct Clock {
    schedule: Schedule,
    /// None where nobody sleeps.
    timer: Option<OwnedFd>,
}

impl Clock {
    /// Of its events; no peer has so high a number.
    pub(crate) const TOKEN: Token = Token(usize::MAX);

    /// Sends `rate` requests a second, for which `poll` wakes from now on; without it, for those who never sleep.
    ///
    /// # Errors
    ///
    /// When the kernel has no timer, or the rate is none.
    pub(crate) fn start(recorder: &Recorder, rate: f64, poll: Option<&Poll>) -> io::Result<Clock> {
        let schedule = Schedule::new(recorder.now(), rate);
        let timer = poll.map(|poll| timer(schedule.interval(), poll)).transpose()?;
        Ok(Clock { schedule, timer })
    }

    /// As [`Schedule::catch_up`], at the end of each turn.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    pub(crate) fn catch_up<E>(
        &mut self,
        recorder: &Recorder,
        send: impl FnMut(u32, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        // What is due is known from the schedule; the timer is read so that it wakes again.
        if let Some(timer) = &self.timer {
            let _ = rustix::io::read(timer, &mut [0; 8]);
        }
        self.schedule.catch_up(recorder, send)
    }
}

fn timer(interval: Duration, poll: &Poll) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let interval = Timespec::try_from(interval).map_err(|_| ErrorKind::InvalidInput)?;
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: interval, it_value: interval })?;
    poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), Clock::TOKEN, Interest::READABLE)?;
    Ok(timer)
}
