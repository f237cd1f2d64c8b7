//! The open loop: requests at fixed times, whatever becomes of them.
//!
//! A closed loop sends less while its peer stalls, and so hardly sees the stall (coordinated omission). Here each request
//! has a time at which it is to be sent, and its latency counts from there.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use super::Recorder;

/// Longest sleep: how late the thread notices that the sample is over.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// When requests are due, evenly spaced.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// When the first is, nanoseconds after the recorder's epoch.
    begins: u64,
    /// Nanoseconds between two.
    interval: f64,
    /// Number of the next, from 0.
    next: u64,
}

impl Schedule {
    /// From `begins` on, `rate` a second.
    pub(crate) fn new(begins: u64, rate: f64) -> Schedule {
        Schedule { begins, interval: 1e9 / rate, next: 0 }
    }

    /// When the next request is due.
    pub(crate) fn due(&self) -> u64 {
        // From the first and not from the last one: rounding must not add up.
        self.begins + (self.next as f64 * self.interval) as u64
    }

    /// The time from one request to the next.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval.max(1.0) as u64)
    }

    /// Sends what is due: calls `send` with the slot and the peer of each request.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    pub(crate) fn catch_up<E>(
        &mut self,
        recorder: &Recorder,
        mut send: impl FnMut(u32, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.due() <= recorder.now() && recorder.flowing() {
            if let Some((slot, peer)) = recorder.offered(self.next, self.due()) {
                send(slot, peer)?;
            }
            self.next += 1;
        }
        Ok(())
    }
}

/// Sends `rate` requests a second from a thread of its own, until the recorder stops.
///
/// # Errors
///
/// When the thread cannot be started.
pub(super) fn start(
    recorder: Arc<Recorder>,
    rate: f64,
    send: impl Fn(u32, u32) -> Result<(), msgr::Error> + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let offer = move || {
        // The kernel may wake a thread 50 us late to save power, which here would be measured.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut schedule = Schedule::new(recorder.now(), rate);
        while recorder.flowing() {
            if let Err(error) = schedule.catch_up(&recorder, &send) {
                return recorder.fail(error.to_string());
            }
            let left = Duration::from_nanos(schedule.due().saturating_sub(recorder.now()));
            std::thread::sleep(left.min(SLEEP_MAX));
        }
    };
    std::thread::Builder::new().name("bench-offer".into()).spawn(offer).context("cannot start a thread")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_evenly_and_none_is_left_out_when_the_thread_was_late() {
        let recorder = Recorder::open(3, 7);
        let mut schedule = Schedule::new(0, 1e6);
        while recorder.now() < 100_000 {}
        let mut slots = Vec::new();
        schedule
            .catch_up(&recorder, |slot, peer| {
                assert!(peer < 3);
                slots.push(slot);
                if slots.len() == 50 {
                    recorder.stop();
                }
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!(slots, (0..50).collect::<Vec<_>>());
        assert_eq!(schedule.due(), 50_000);
    }
}
