//! The event loop of the load side: requests over many connections from one thread, drawn like those of the messengers.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::spin::Vain;
use super::{Backlog, CHUNK, Clock, LOOK_EVERY, Preamble, retry};
use crate::kinds::Wait;
use crate::load::Recorder;
use crate::wire::payload;

/// Events taken from the kernel at a time; more wait there for the next turn.
const EVENTS: usize = 1024;

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    /// So many requests are under way at any time.
    InFlight(u32),
    /// So many requests are sent a second, whatever becomes of them.
    Rate(f64),
}

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    requests: Backlog,
    /// The slots of the requests under way, in the order of their replies.
    slots: VecDeque<u32>,
    /// Bytes of an unfinished reply.
    partial: usize,
    /// Whether it is in the list of those to be written to.
    listed: bool,
}

/// Does its work until `recorder` stops.
pub(super) fn run(
    streams: Vec<TcpStream>,
    sizes: Preamble,
    work: Work,
    wait: Wait,
    recorder: &Recorder,
) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut peers = Vec::with_capacity(streams.len());
    for (number, stream) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), Token(number), both)?;
        peers.push(Peer { stream, requests: Backlog::default(), slots: VecDeque::new(), partial: 0, listed: false });
    }
    let size = usize::try_from(sizes.size).map_err(|_| ErrorKind::InvalidInput)?;
    let reply = usize::try_from(sizes.reply).map_err(|_| ErrorKind::InvalidInput)?;
    let mut load = Load { recorder, request: requests(size), size, reply, chunk: vec![0; CHUNK], to_write: Vec::new() };
    let mut clock = None;
    match work {
        Work::InFlight(requests) => {
            for slot in 0..requests {
                load.send(&mut peers, recorder.first(slot), slot);
            }
        }
        Work::Rate(rate) => clock = Some(Clock::start(recorder, rate, (wait != Wait::Spin).then_some(&poll))?),
    }
    load.write(&mut peers)?;

    let mut events = Events::with_capacity(EVENTS);
    let patience = if wait == Wait::Spin { Duration::ZERO } else { LOOK_EVERY };
    let mut vain = Vain::default();
    while recorder.flowing() {
        poll.poll(&mut events, Some(patience)).or_else(retry)?;
        if wait == Wait::Spin {
            vain.called(!events.is_empty());
        }
        for event in events.iter().filter(|event| event.token() != Clock::TOKEN) {
            load.turn(&mut peers, event.token().0)?;
        }
        if let Some(clock) = &mut clock {
            clock.catch_up(recorder, |slot, peer| {
                load.send(&mut peers, peer, slot);
                Ok::<_, io::Error>(())
            })?;
        }
        load.write(&mut peers)?;
    }
    Ok(())
}

/// Requests one after another, so that several to one peer leave in one write: at most a chunk of them.
fn requests(size: usize) -> Vec<u8> {
    payload(size).repeat((CHUNK / size).max(1))
}

struct Load<'a> {
    recorder: &'a Recorder,
    request: Vec<u8>,
    size: usize,
    reply: usize,
    chunk: Vec<u8>,
    to_write: Vec<usize>,
}

impl Load<'_> {
    /// The next request of `slot` goes to `peer`, with the next [`Load::write`].
    fn send(&mut self, peers: &mut [Peer], peer: u32, slot: u32) {
        let number = peer as usize;
        let peer = &mut peers[number];
        peer.requests.push(1);
        peer.slots.push_back(slot);
        if !std::mem::replace(&mut peer.listed, true) {
            self.to_write.push(number);
        }
    }

    /// Reads the replies there are, and draws the peers of the requests that follow.
    fn turn(&mut self, peers: &mut [Peer], number: usize) -> io::Result<()> {
        loop {
            let peer = &mut peers[number];
            let read = match peer.stream.read(&mut self.chunk) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed it")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let replies = (peer.partial + read) / self.reply;
            peer.partial = (peer.partial + read) % self.reply;
            for _ in 0..replies {
                let slot = peers[number].slots.pop_front();
                let slot = slot.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a reply without a request"))?;
                if let Some(next) = self.recorder.replied(u64::from(slot)) {
                    self.send(peers, next, slot);
                }
            }
            // A read that does not fill the chunk has emptied the socket.
            if read < self.chunk.len() {
                break;
            }
        }
        // It may be writable again.
        let peer = &mut peers[number];
        peer.requests.write(&mut peer.stream, &self.request, self.size).map(|_| ())
    }

    /// Writes what was sent since the last time. What a socket does not take waits until it is writable again.
    fn write(&mut self, peers: &mut [Peer]) -> io::Result<()> {
        for number in self.to_write.drain(..) {
            let peer = &mut peers[number];
            peer.listed = false;
            peer.requests.write(&mut peer.stream, &self.request, self.size)?;
        }
        Ok(())
    }
}
