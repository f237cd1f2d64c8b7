//! Recording round trips from inside the callbacks of a load side, and telling its main thread what happened.
//!
//! A reply costs one clock read, one uncontended lock and one slot of a table: a request in flight owns its slot (its `tid`),
//! and each receiving thread owns its histograms. The table of an open loop is in [`open`](super::open).

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use crossbeam::utils::CachePadded;
use hdrhistogram::Histogram;
use msgr_reports::record::{Latency, OpenLoop};

use super::histograms::{encode, record};
use super::news::{News, Waited};
use super::open::{Open, Times};
use crate::serve::thread_number;

/// Histograms to record in, a few times the receiving threads of any load side (24 workers at most). More threads than
/// that share them, which costs time and no counts.
const SHARDS: usize = 64;

/// Requests are sent and nothing is recorded.
const WARMING: u8 = 0;
/// Replies are recorded.
const MEASURING: u8 = 1;
/// Traffic goes on for the probes; nothing is recorded.
const COOLING: u8 = 2;
/// Nothing is sent any more.
const STOPPED: u8 = 3;

/// What the callbacks of a load side share.
#[derive(Debug)]
pub(crate) struct Recorder {
    phase: AtomicU8,
    epoch: Instant,
    peers: u32,
    /// When the request of each slot was sent, nanoseconds after `epoch`.
    sent: Box<[CachePadded<AtomicU64>]>,
    /// What only an open loop needs.
    open: Option<Open>,
    manner: Manner,
    /// Times that a receiver granted credit.
    credits: CachePadded<AtomicU64>,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    news: News,
}

/// What becomes of a reply beside its being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The next request.
    Usual,
    /// The same, after so long: a slow reader.
    Slow(Duration),
    /// Nothing: the first reply is the last.
    Once,
}

/// What one receiving thread works with.
#[derive(Debug)]
struct Shard {
    random: fastrand::Rng,
    /// From when a request was to be sent.
    latency: Option<Histogram<u64>>,
    /// From when it was, of an open loop.
    service: Option<Histogram<u64>>,
}

impl Recorder {
    /// For `in_flight` requests over `peers` peers drawn at random, from `seed` on.
    pub(crate) fn new(in_flight: u32, peers: u32, seed: u64) -> Recorder {
        Recorder::with(in_flight, None, peers, seed)
    }

    /// For requests at fixed times, to one of `peers` peers drawn at random each, from `seed` on.
    pub(crate) fn open(peers: u32, seed: u64) -> Recorder {
        Recorder::with(0, Some(Open::new(peers, seed)), peers, seed)
    }

    /// The same, with a receiver that takes `pause` for each reply.
    pub(crate) fn slowed(mut self, pause: Duration) -> Recorder {
        self.manner = Manner::Slow(pause);
        self
    }

    /// For one request to one peer, see [`Recorder::wait_reply`].
    pub(crate) fn once() -> Recorder {
        let mut recorder = Recorder::new(1, 1, 0);
        recorder.manner = Manner::Once;
        recorder
    }

    fn with(in_flight: u32, open: Option<Open>, peers: u32, seed: u64) -> Recorder {
        let mut seeds = fastrand::Rng::with_seed(seed);
        let shard = || CachePadded::new(Mutex::new(Shard::new(seeds.fork())));
        Recorder {
            phase: AtomicU8::new(WARMING),
            epoch: Instant::now(),
            peers,
            sent: (0..in_flight).map(|_| CachePadded::default()).collect(),
            open,
            manner: Manner::Usual,
            credits: CachePadded::default(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            news: News::default(),
        }
    }

    /// Starts the clock of the first request of `slot`, and draws the peer that it goes to.
    pub(crate) fn first(&self, slot: u32) -> u32 {
        if let Some(sent) = self.sent.get(slot as usize) {
            sent.store(self.now(), Relaxed);
        }
        self.draw(&mut self.shard())
    }

    /// The request `number` of an open loop is due at `due`, and now it is sent: gives its slot, and the peer that it goes
    /// to; `None` when its slot is taken by one that is unanswered still.
    pub(crate) fn offered(&self, number: u64, due: u64) -> Option<(u32, u32)> {
        let measuring = self.phase.load(Relaxed) == MEASURING;
        self.open.as_ref()?.offered(number, due, self.now(), measuring)
    }

    fn answered(&self, open: &Open, slot: u64) {
        let now = self.now();
        let Some(Times { due, sent }) = open.answered(slot) else {
            return self.fail(format!("a reply came for request {slot}, which was never sent"));
        };
        if self.phase.load(Relaxed) == MEASURING {
            let mut shard = self.shard();
            record(&mut shard.latency, now.saturating_sub(due));
            record(&mut shard.service, now.saturating_sub(sent));
        }
    }

    /// A reply has come for `slot`. Records its round trip, and starts the clock of the slot's next request: gives the
    /// peer that it goes to, or `None` when nothing is to be sent any more.
    pub(crate) fn replied(&self, slot: u64) -> Option<u32> {
        if let Some(open) = &self.open {
            self.answered(open, slot);
            return None;
        }
        let Some(sent) = usize::try_from(slot).ok().and_then(|slot| self.sent.get(slot)) else {
            self.fail(format!("a reply came for request {slot}, which was never sent"));
            return None;
        };
        let now = self.now();
        let phase = self.phase.load(Relaxed);
        if phase == STOPPED {
            return None;
        }
        let mut shard = self.shard();
        if phase == MEASURING {
            record(&mut shard.latency, now.saturating_sub(sent.load(Relaxed)));
        }
        sent.store(now, Relaxed);
        let next = self.draw(&mut shard);
        match self.manner {
            Manner::Usual => {}
            Manner::Slow(pause) => {
                drop(shard);
                std::thread::sleep(pause);
            }
            Manner::Once => {
                self.stop();
                self.news.tell(|told| told.answered = true);
                return None;
            }
        }
        Some(next)
    }

    /// A receiver has granted credit for another part of a window.
    pub(crate) fn credited(&self) {
        self.credits.fetch_add(1, Relaxed);
    }

    /// How often credit was granted.
    pub(crate) fn credits(&self) -> u64 {
        self.credits.load(Relaxed)
    }

    /// True until [`Recorder::stop`].
    pub(crate) fn flowing(&self) -> bool {
        self.phase.load(Relaxed) != STOPPED
    }

    /// Begins to record.
    pub(crate) fn measure(&self) {
        self.phase.store(MEASURING, Relaxed);
    }

    /// Records no more; traffic goes on.
    pub(crate) fn cool(&self) {
        self.phase.store(COOLING, Relaxed);
    }

    /// Ends the traffic: what is in flight is the last.
    pub(crate) fn stop(&self) {
        self.phase.store(STOPPED, Relaxed);
    }

    /// One more peer is connected.
    pub(crate) fn opened(&self) {
        self.news.tell(|told| told.opened += 1);
    }

    /// Something went wrong; the first such sentence ends the sample. After [`Recorder::stop`] nothing counts.
    pub(crate) fn fail(&self, what: String) {
        if self.flowing() {
            self.news.fail(what);
        }
    }

    /// Waits until `peers` peers are connected, or `time` is over. Gives how many are.
    ///
    /// # Errors
    ///
    /// When one of them fails.
    pub(crate) fn wait_open(&self, peers: u32, time: Duration) -> anyhow::Result<(u32, Waited)> {
        let (opened, _, waited) = self.news.wait(time, |told| told.opened >= peers)?;
        Ok((opened, waited))
    }

    /// Waits for `time`.
    ///
    /// # Errors
    ///
    /// When something fails meanwhile.
    pub(crate) fn wait(&self, time: Duration) -> anyhow::Result<Waited> {
        Ok(self.news.wait(time, |_| false)?.2)
    }

    /// Waits for the reply to the request of [`Recorder::once`].
    ///
    /// # Errors
    ///
    /// When something fails meanwhile, or it does not come `within` that time.
    pub(crate) fn wait_reply(&self, within: Duration) -> anyhow::Result<()> {
        let (_, answered, _) = self.news.wait(within, |told| told.answered)?;
        if answered { Ok(()) } else { Err(anyhow!("no answer within {} s", within.as_secs())) }
    }

    /// The round trips recorded so far, or `None` when there are none.
    ///
    /// # Errors
    ///
    /// When they cannot be encoded.
    pub(crate) fn latency(&self) -> anyhow::Result<Option<Latency>> {
        encode(self.shards.iter().filter_map(|shard| lock(shard).latency.clone()))
    }

    /// What an open loop that offered `rate` requests a second has to say beside it.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded.
    pub(crate) fn open_loop(&self, rate: f64) -> anyhow::Result<Option<OpenLoop>> {
        let Some(open) = &self.open else { return Ok(None) };
        let service = encode(self.shards.iter().filter_map(|shard| lock(shard).service.clone()))?;
        Ok(Some(OpenLoop {
            offered_per_s: rate,
            share: None,
            unsent: open.unsent(),
            service,
            late: encode(open.late())?,
        }))
    }

    /// Nanoseconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        // 580 years fit.
        self.epoch.elapsed().as_nanos() as u64
    }

    fn shard(&self) -> MutexGuard<'_, Shard> {
        lock(&self.shards[thread_number() % SHARDS])
    }

    fn draw(&self, shard: &mut Shard) -> u32 {
        if self.peers == 1 { 0 } else { shard.random.u32(0..self.peers) }
    }
}

impl Shard {
    fn new(random: fastrand::Rng) -> Shard {
        Shard { random, latency: None, service: None }
    }
}

/// Takes a lock whose content stays sound when a thread panics while it holds it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
