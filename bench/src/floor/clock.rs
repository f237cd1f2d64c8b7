//! What wakes an event loop that sends at fixed times.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::load::{Recorder, Schedule};

/// When an open loop sends, and what wakes it then.
pub(crate) struct Clock {
    schedule: Schedule,
    timer: OwnedFd,
}

impl Clock {
    /// Of its events; no peer has so high a number.
    pub(crate) const TOKEN: Token = Token(usize::MAX);

    /// Lets `poll` wake from now on whenever one of `rate` requests a second is due.
    ///
    /// # Errors
    ///
    /// When the kernel has no timer, or the rate is none.
    pub(crate) fn start(recorder: &Recorder, rate: f64, poll: &Poll) -> io::Result<Clock> {
        let schedule = Schedule::new(recorder.now(), rate);
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let interval = Timespec::try_from(schedule.interval()).map_err(|_| ErrorKind::InvalidInput)?;
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: interval, it_value: interval })?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), Clock::TOKEN, Interest::READABLE)?;
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
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        self.schedule.catch_up(recorder, send)
    }
}
