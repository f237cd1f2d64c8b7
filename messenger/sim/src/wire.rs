//! One TCP connection in memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest time under way once the weather has cleared up.
const CLEAR_LATENCY: Duration = Duration::from_millis(10);

/// How a wire breaks. The default is what a calm net does: at once, for both sides, with nothing lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Break {
    /// Bytes, of both directions together, after which it breaks.
    pub after: usize,
    /// How much later each side learns of it; meanwhile what it writes goes nowhere.
    pub noticed: [Duration; 2],
    /// What is under way never arrives. Otherwise it arrives when the side that reads it learns of the end.
    pub loses: bool,
}

/// One direction of a wire.
#[derive(Default)]
struct Lane {
    /// Written, from the oldest byte that may still be unread.
    bytes: Vec<u8>,
    read: usize,
    /// How many of the bytes have arrived.
    arrived: usize,
    /// When the others arrive: batches, in order.
    flight: VecDeque<(Instant, usize)>,
    /// When the reader learns that nothing more comes.
    end: Option<Instant>,
}

/// What a side finds when it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Bytes,
    End,
}

/// One TCP connection. Side 0 dialled.
#[derive(Default)]
pub(crate) struct Wire {
    /// Bytes on their way to each side.
    lanes: [Lane; 2],
    pub(crate) closed: bool,
    pub(crate) breaks: Option<Break>,
    pub(crate) carried: usize,
    /// How long bytes are on their way to each side.
    pub(crate) latency: [Duration; 2],
    /// Everything each side wrote, if asked for.
    pub(crate) transcript: Option<[Vec<u8>; 2]>,
}

impl Lane {
    fn push(&mut self, bytes: &[u8], now: Instant, arrives: Instant) {
        self.bytes.extend_from_slice(bytes);
        if arrives <= now && self.flight.is_empty() {
            self.arrived = self.bytes.len();
        } else {
            let after = self.flight.back().map_or(arrives, |(last, _)| arrives.max(*last));
            self.flight.push_back((after, bytes.len()));
        }
    }

    fn settle(&mut self, now: Instant) {
        while let Some((at, len)) = self.flight.front()
            && *at <= now
        {
            self.arrived += len;
            self.flight.pop_front();
        }
    }
}

impl Wire {
    pub(crate) fn new(breaks: Option<Break>, transcript: Option<[Vec<u8>; 2]>) -> Wire {
        Wire { breaks, transcript, ..Wire::default() }
    }

    /// Takes bytes from a side. Whoever has not noticed that the wire is closed writes into the void.
    pub(crate) fn write(&mut self, from: usize, bytes: &[u8], now: Instant) {
        if self.closed {
            return;
        }
        let n = self.breaks.map_or(bytes.len(), |broken| bytes.len().min(broken.after - self.carried));
        self.lanes[1 - from].push(&bytes[..n], now, now + self.latency[1 - from]);
        if let Some(transcript) = &mut self.transcript {
            transcript[from].extend_from_slice(&bytes[..n]);
        }
        self.carried += n;
        if let Some(broken) = self.breaks.filter(|broken| self.carried == broken.after) {
            self.cut(broken, now);
        }
    }

    /// Breaks the wire now.
    pub(crate) fn cut(&mut self, how: Break, now: Instant) {
        if self.closed {
            return;
        }
        self.closed = true;
        for (lane, noticed) in self.lanes.iter_mut().zip(how.noticed) {
            let noticed = now + noticed;
            lane.settle(now);
            if how.loses {
                lane.flight.clear();
                lane.bytes.truncate(lane.arrived);
            }
            lane.flight.iter_mut().for_each(|(at, _)| *at = noticed.max(*at));
            lane.end = Some(lane.flight.back().map_or(noticed, |(at, _)| *at));
        }
    }

    /// A side closes its end. The other learns of it behind what is on its way, and `late` after that.
    pub(crate) fn close(&mut self, side: usize, now: Instant, late: Duration) {
        if self.closed {
            return;
        }
        self.closed = true;
        let lane = &mut self.lanes[1 - side];
        let last = lane.flight.back().map_or(now, |(at, _)| *at);
        lane.end = Some(last.max(now + self.latency[1 - side]) + late);
        self.lanes[side].end = Some(now);
    }

    pub(crate) fn found(&mut self, side: usize, now: Instant) -> Found {
        let lane = &mut self.lanes[side];
        if !lane.flight.is_empty() {
            lane.settle(now);
        }
        if lane.read < lane.arrived {
            Found::Bytes
        } else if lane.flight.is_empty() && lane.end.is_some_and(|end| end <= now) {
            Found::End
        } else {
            Found::Nothing
        }
    }

    /// When a side next finds something that it does not find yet.
    pub(crate) fn next(&self, side: usize) -> Option<Instant> {
        let lane = &self.lanes[side];
        lane.flight.front().map(|(at, _)| *at).or(lane.end)
    }

    /// Lets everything that is on its way arrive, and an end that is not noticed yet be noticed.
    pub(crate) fn clear_up(&mut self, now: Instant) {
        self.latency = self.latency.map(|latency| latency.min(CLEAR_LATENCY));
        for lane in &mut self.lanes {
            lane.flight.clear();
            lane.arrived = lane.bytes.len();
            lane.end = lane.end.map(|end| end.min(now));
        }
        if !self.closed {
            self.breaks = None;
        }
    }

    /// What has arrived and was not read.
    pub(crate) fn unread(&self, side: usize) -> &[u8] {
        let lane = &self.lanes[side];
        &lane.bytes[lane.read..lane.arrived]
    }

    /// Bytes written to a side and not read by it.
    pub(crate) fn outstanding(&self, side: usize) -> usize {
        self.lanes[side].bytes.len() - self.lanes[side].read
    }

    pub(crate) fn consume(&mut self, side: usize, n: usize) {
        let lane = &mut self.lanes[side];
        lane.read += n;
        if lane.read == lane.bytes.len() {
            lane.bytes.clear();
            (lane.read, lane.arrived) = (0, 0);
        }
    }
}
