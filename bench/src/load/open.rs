//! The requests of an open loop that are under way: when each was to be sent, and when it was.

use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use hdrhistogram::Histogram;

use super::histograms::record;
use super::recorder::lock;

/// Requests that may be unanswered: a second of 65,536 a second, and memory for it.
const SLOTS: usize = 1 << 16;

/// See the module. A slot is used again when its request has been answered.
#[derive(Debug)]
pub(super) struct Open {
    peers: u32,
    slots: Box<[Slot]>,
    sender: Mutex<Sender>,
    /// Requests that met a slot whose request was unanswered, and were not sent.
    unsent: AtomicU64,
}

/// One request, nanoseconds after the recorder's epoch.
#[derive(Debug, Default)]
struct Slot {
    /// When it was to be sent; 0 when it has been answered.
    due: AtomicU64,
    /// When it was.
    sent: AtomicU64,
}

/// What the one thread that sends works with.
#[derive(Debug)]
struct Sender {
    random: fastrand::Rng,
    late: Option<Histogram<u64>>,
}

/// Of a request that has been answered, nanoseconds after the recorder's epoch.
pub(super) struct Times {
    /// When it was to be sent.
    pub(super) due: u64,
    /// When it was.
    pub(super) sent: u64,
}

impl Open {
    /// For requests to one of `peers` peers drawn at random each, from `seed` on.
    pub(super) fn new(peers: u32, seed: u64) -> Open {
        let sender = Sender { random: fastrand::Rng::with_seed(seed), late: None };
        let slots = std::iter::repeat_with(Slot::default).take(SLOTS).collect();
        Open { peers, slots, sender: Mutex::new(sender), unsent: AtomicU64::new(0) }
    }

    /// See [`Recorder::offered`](super::Recorder::offered).
    pub(super) fn offered(&self, number: u64, due: u64, now: u64, measuring: bool) -> Option<(u32, u32)> {
        let index = (number % SLOTS as u64) as usize;
        let slot = &self.slots[index];
        if slot.due.load(Acquire) != 0 {
            self.unsent.fetch_add(u64::from(measuring), Relaxed);
            return None;
        }
        slot.sent.store(now, Relaxed);
        // Before its reply can come; 0 means free.
        slot.due.store(due.max(1), Release);
        let mut sender = lock(&self.sender);
        if measuring {
            record(&mut sender.late, now.saturating_sub(due));
        }
        Some((index as u32, sender.random.u32(0..self.peers)))
    }

    /// The request of `slot` has been answered; `None` when there is none.
    pub(super) fn answered(&self, slot: u64) -> Option<Times> {
        let slot = self.slots.get(usize::try_from(slot).ok()?)?;
        let times = Times { due: slot.due.load(Acquire), sent: slot.sent.load(Relaxed) };
        slot.due.store(0, Release);
        (times.due != 0).then_some(times)
    }

    /// Requests that were due and not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Relaxed)
    }

    /// How late requests were sent.
    pub(super) fn late(&self) -> Option<Histogram<u64>> {
        lock(&self.sender).late.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::*;

    #[test]
    fn the_latency_of_an_open_loop_counts_from_when_a_request_was_due() {
        let recorder = Recorder::open(1, 7);
        recorder.measure();
        while recorder.now() < 5_000_000 {}
        let (slot, peer) = recorder.offered(0, 1).unwrap();
        assert_eq!((slot, peer), (0, 0));
        assert_eq!(recorder.offered(SLOTS as u64, 2), None, "its slot is taken");
        assert_eq!(recorder.replied(u64::from(slot)), None, "nothing follows");
        let (response, open) = (recorder.latency().unwrap().unwrap(), recorder.open_loop(10.0).unwrap().unwrap());
        assert!(response.max_ns >= 5_000_000 - 5_000, "0.1 % is lost to digits: {response:?}");
        assert!(open.service.unwrap().max_ns < response.max_ns);
        assert!(open.late.unwrap().max_ns >= 5_000_000 - 5_000);
        assert_eq!((open.unsent, open.offered_per_s), (1, 10.0));
        assert!(recorder.offered(SLOTS as u64, 3).is_some(), "it is free again");
    }

    #[test]
    fn an_answer_to_nothing_is_none() {
        let open = Open::new(1, 7);
        assert!(open.answered(0).is_none() && open.answered(SLOTS as u64).is_none());
        assert_eq!(open.offered(0, 5, 9, false), Some((0, 0)));
        assert!(open.answered(0).is_some_and(|times| (times.due, times.sent) == (5, 9)));
        assert!(open.answered(0).is_none(), "once");
    }
}
