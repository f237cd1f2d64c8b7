//! What a net that is not calm does to the bytes and the threads in it, by chance.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::wire::Break;

/// Something that happens with a chance, for a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lag {
    /// How often, in thousandths.
    pub chance: u32,
    /// For how long at most.
    pub longest: Duration,
}

/// How rough a net is. The default is calm.
#[derive(Clone, Debug)]
pub struct Climate {
    /// Most bytes one read returns; sizes are spread over their orders of magnitude.
    pub read_max: usize,
    /// Most bytes one write takes.
    pub write_max: usize,
    /// Unread bytes of a direction beyond which nothing more is written.
    pub window: usize,
    /// The time bytes of a direction are under way, drawn for each wire.
    pub latency: Duration,
    /// Wires on which one direction takes much longer.
    pub slow: Lag,
    /// Reading or writing stops after some work, as a thread does that loses its processor.
    pub stall: Lag,
    /// The dispatch thread falls behind.
    pub dispatch: Lag,
    /// The end of a connection that the other side closed is noticed late.
    pub half_open: Lag,
    /// A connection waits to be accepted while the dialling side already has it.
    pub backlog: Lag,
    /// A dial gets no answer at all, in thousandths.
    pub lost_dials: u32,
    /// A second link of the messenger does its work in the middle of a callback of the first, in thousandths.
    pub interludes: u32,
}

impl Default for Climate {
    fn default() -> Climate {
        Climate {
            read_max: usize::MAX,
            write_max: usize::MAX,
            window: usize::MAX,
            latency: Duration::ZERO,
            slow: Lag::default(),
            stall: Lag::default(),
            dispatch: Lag::default(),
            half_open: Lag::default(),
            backlog: Lag::default(),
            lost_dials: 0,
            interludes: 0,
        }
    }
}

/// A climate and the chance in it.
pub struct Weather {
    /// May change at any time.
    pub climate: Climate,
    /// What the next wire that is dialled will do.
    pub next_break: Option<Break>,
    pub(crate) rng: Rng,
}

impl Weather {
    /// Weather that is the same for the same seed.
    pub fn new(climate: Climate, seed: u64) -> Weather {
        Weather { climate, next_break: None, rng: Rng::with_seed(seed) }
    }

    fn hits(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.rng.u32(..1000) < thousandths
    }

    fn lag(&mut self, lag: Lag) -> Option<Duration> {
        self.hits(lag.chance).then(|| spread(&mut self.rng, lag.longest))
    }

    /// Whether an actor does the second of two things first.
    pub(crate) fn swaps(&mut self) -> bool {
        self.rng.bool()
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.rng.usize(..len)
    }

    pub(crate) fn read_size(&mut self) -> usize {
        size(&mut self.rng, self.climate.read_max)
    }

    pub(crate) fn write_size(&mut self) -> usize {
        size(&mut self.rng, self.climate.write_max)
    }

    pub(crate) fn latency(&mut self) -> [Duration; 2] {
        let Climate { latency, slow, .. } = self.climate;
        if latency.is_zero() && slow.chance == 0 {
            return [Duration::ZERO; 2];
        }
        let mut both = [(); 2].map(|()| spread(&mut self.rng, latency));
        if let Some(long) = self.lag(slow) {
            both[self.rng.usize(..2)] = long;
        }
        both
    }

    pub(crate) fn stall(&mut self, now: Instant) -> Option<Instant> {
        self.lag(self.climate.stall).map(|lag| now + lag)
    }

    pub(crate) fn dispatch_stall(&mut self, now: Instant) -> Option<Instant> {
        self.lag(self.climate.dispatch).map(|lag| now + lag)
    }

    pub(crate) fn half_open(&mut self) -> Duration {
        self.lag(self.climate.half_open).unwrap_or_default()
    }

    pub(crate) fn backlog(&mut self) -> Duration {
        self.lag(self.climate.backlog).unwrap_or_default()
    }

    pub(crate) fn loses_dial(&mut self) -> bool {
        self.hits(self.climate.lost_dials)
    }

    pub(crate) fn interlude(&mut self) -> bool {
        self.hits(self.climate.interludes)
    }
}

/// A time up to `longest`, as likely of one order of magnitude as of another, down to a microsecond.
pub(crate) fn spread(rng: &mut Rng, longest: Duration) -> Duration {
    let longest = longest.as_micros() as u64;
    if longest == 0 {
        return Duration::ZERO;
    }
    let bits = rng.u32(..=longest.ilog2());
    Duration::from_micros(rng.u64(1 << bits..=longest.min((2 << bits) - 1)))
}

/// A size from 1 to `max`, spread likewise; `max` itself every other time.
pub(crate) fn size(rng: &mut Rng, max: usize) -> usize {
    if max == usize::MAX || rng.bool() {
        return max;
    }
    let bits = rng.u32(..=max.ilog2());
    rng.usize(1 << bits..=max.min((2 << bits) - 1))
}
