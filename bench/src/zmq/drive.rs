//! The thread of the load side.
//!
//! A socket of libzmq is no file. Its file says only that something has happened since it was last asked, and a send asks as
//! well as a receive. So after either the socket is *unsettled*: it has to be received from until nothing comes before the
//! thread may sleep.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use zmq::{DONTWAIT, Error, Message, Socket};

use super::frame::{Frame, Header};
use super::sockets::{connected, receive, send};
use crate::floor::{Clock, retry};
use crate::load::Recorder;
use crate::wire::{CREDIT, REPLY, REQUEST, STREAM, STREAM_MARK, WINDOW_PARTS};

/// Events taken from the kernel at a time; more wait there for the next turn.
const EVENTS: usize = 1024;

/// Messages received from unsettled sockets before it is looked what else has happened and what is due: enough to make the
/// look cheap, and done in less than a millisecond.
const TURN: usize = 1024;

/// How often it is looked whether the sample is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    /// So many requests are under way at any time.
    Requests {
        /// In all.
        in_flight: u32,
    },
    /// Requests are sent at fixed times, whatever becomes of them.
    Rate {
        /// How many a second.
        per_second: f64,
    },
    /// Messages one way, as fast as there is credit.
    Stream {
        /// Messages that may be under way to each peer.
        window: u32,
    },
}

/// Does its work until `recorder` stops.
///
/// # Errors
///
/// When a connection breaks, or libzmq fails.
pub(super) fn run(sockets: &[Socket], work: Work, size: usize, recorder: &Recorder) -> anyhow::Result<()> {
    let rate = if let Work::Rate { per_second } = work { Some(per_second) } else { None };
    let part = if let Work::Stream { window } = work { window / WINDOW_PARTS } else { 0 };
    // One peer is waited for as any user of libzmq would: in the receive.
    let alone = sockets.len() == 1 && rate.is_none();
    let mut drive = Drive {
        sockets,
        recorder,
        frame: Frame::new(size),
        part,
        message: Message::new(),
        unsettled: if alone { Unsettled::default() } else { Unsettled::of(sockets.len()) },
    };
    match work {
        Work::Requests { in_flight } => {
            for slot in 0..in_flight {
                drive.request(recorder.first(slot), slot)?;
            }
        }
        Work::Stream { .. } => {
            for peer in 0..sockets.len() {
                for _ in 0..WINDOW_PARTS {
                    drive.part(peer)?;
                }
            }
        }
        Work::Rate { .. } => {}
    }
    if alone { drive.wait_for_one() } else { drive.wait_for_many(rate) }
}

struct Drive<'a> {
    sockets: &'a [Socket],
    recorder: &'a Recorder,
    /// A request, or a message of a stream.
    frame: Frame,
    /// Messages of a stream to send for each credit.
    part: u32,
    message: Message,
    unsettled: Unsettled,
}

impl Drive<'_> {
    /// Receives from the only socket until the recorder stops.
    fn wait_for_one(&mut self) -> anyhow::Result<()> {
        while self.recorder.flowing() {
            if !self.take(0, 0)? {
                self.check(0)?;
            }
        }
        Ok(())
    }

    /// Receives from all sockets until the recorder stops, and sends what is due at `rate` requests a second.
    fn wait_for_many(&mut self, rate: Option<f64>) -> anyhow::Result<()> {
        let mut poll = Poll::new()?;
        for (peer, socket) in self.sockets.iter().enumerate() {
            poll.registry().register(&mut SourceFd(&socket.get_fd()?), Token(peer), Interest::READABLE)?;
            // What has happened before is no event.
            self.unsettled.add(peer);
        }
        let mut clock = rate.map(|rate| Clock::start(self.recorder, rate, Some(&poll))).transpose()?;
        let mut events = Events::with_capacity(EVENTS);
        while self.recorder.flowing() {
            self.settle()?;
            let patience = if self.unsettled.is_empty() { LOOK_EVERY } else { Duration::ZERO };
            poll.poll(&mut events, Some(patience)).or_else(retry)?;
            for event in events.iter().filter(|event| event.token() != Clock::TOKEN) {
                let peer = event.token().0;
                if self.take(peer, DONTWAIT)? {
                    self.unsettled.add(peer);
                } else {
                    self.check(peer)?;
                }
            }
            if let Some(clock) = &mut clock {
                clock.catch_up(self.recorder, |slot, peer| self.request(peer, slot))?;
            }
        }
        Ok(())
    }

    /// Receives from unsettled sockets until none is, or [`TURN`] messages have come.
    fn settle(&mut self) -> anyhow::Result<()> {
        let mut left = TURN;
        while let Some(peer) = self.unsettled.first() {
            while self.take(peer, DONTWAIT)? {
                left -= 1;
                if left == 0 {
                    self.unsettled.rotate();
                    return Ok(());
                }
            }
            self.unsettled.remove_first();
        }
        Ok(())
    }

    /// Receives a message, and sends what follows; false when none came.
    fn take(&mut self, peer: usize, flags: i32) -> anyhow::Result<bool> {
        if !receive(&self.sockets[peer], &mut self.message, flags)? {
            return Ok(false);
        }
        match Header::parse(&self.message) {
            Some(Header { kind: REPLY, slot }) => {
                if let Some(next) = self.recorder.replied(u64::from(slot)) {
                    self.request(next, slot)?;
                }
            }
            Some(Header { kind: CREDIT, .. }) => {
                if self.recorder.flowing() {
                    self.recorder.credited();
                    self.part(peer)?;
                }
            }
            _ => bail!("the server sent what is no answer: use the same version of msgr-bench on both sides"),
        }
        Ok(true)
    }

    /// Sends the request of `slot` to `peer`.
    fn request(&mut self, peer: u32, slot: u32) -> anyhow::Result<()> {
        self.send(peer as usize, REQUEST, slot)
    }

    /// Sends one part of a window; its last message asks for credit.
    fn part(&mut self, peer: usize) -> anyhow::Result<()> {
        for left in (0..self.part).rev() {
            self.send(peer, if left == 0 { STREAM_MARK } else { STREAM }, 0)?;
        }
        Ok(())
    }

    fn send(&mut self, peer: usize, kind: u16, slot: u32) -> anyhow::Result<()> {
        self.unsettled.add(peer);
        match send(&self.sockets[peer], self.frame.with(kind, slot), DONTWAIT) {
            // Its queue has no bound, so it is no full one.
            Err(Error::EAGAIN) => bail!(BROKEN),
            sent => sent.context("libzmq takes no message"),
        }
    }

    /// Whether `peer`, which was silent when something had happened or for long, has its connection still.
    fn check(&self, peer: usize) -> anyhow::Result<()> {
        if connected(&self.sockets[peer])? { Ok(()) } else { bail!(BROKEN) }
    }
}

const BROKEN: &str = "the connection to `msgr-bench serve` broke: see what it says there";

/// Sockets that have to be received from before the thread may sleep, each once, the longest waiting first. By default it
/// takes none.
#[derive(Debug, Default)]
struct Unsettled {
    peers: VecDeque<usize>,
    /// For each socket, whether it is among them.
    listed: Box<[bool]>,
}

impl Unsettled {
    /// For so many sockets.
    fn of(sockets: usize) -> Unsettled {
        Unsettled { peers: VecDeque::with_capacity(sockets), listed: vec![false; sockets].into() }
    }

    fn add(&mut self, peer: usize) {
        if let Some(listed @ false) = self.listed.get_mut(peer) {
            *listed = true;
            self.peers.push_back(peer);
        }
    }

    fn first(&self) -> Option<usize> {
        self.peers.front().copied()
    }

    fn remove_first(&mut self) {
        if let Some(peer) = self.peers.pop_front() {
            self.listed[peer] = false;
        }
    }

    /// Lets the others go before the first.
    fn rotate(&mut self) {
        self.peers.rotate_left(self.peers.len().min(1));
    }

    fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_unsettled_once_until_nothing_comes() {
        let mut unsettled = Unsettled::of(3);
        for peer in [2, 0, 2] {
            unsettled.add(peer);
        }
        assert_eq!(unsettled.first(), Some(2));
        unsettled.rotate();
        unsettled.add(2);
        assert_eq!(unsettled.first(), Some(0));
        unsettled.remove_first();
        unsettled.remove_first();
        assert!(unsettled.is_empty());
        unsettled.add(2);
        assert_eq!(unsettled.first(), Some(2));
    }

    #[test]
    fn where_one_socket_is_waited_for_none_is_listed() {
        let mut unsettled = Unsettled::default();
        unsettled.add(0);
        assert!(unsettled.is_empty());
    }
}
