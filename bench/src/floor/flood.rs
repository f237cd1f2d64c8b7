//! Streams over any number of connections from one thread: each socket is written to for as long as it takes something.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::spin::Vain;
use super::{Backlog, LOOK_EVERY, retry};
use crate::kinds::Wait;
use crate::load::Recorder;
use crate::wire::payload;

/// Events taken from the kernel at a time; more wait there for the next turn.
const EVENTS: usize = 1024;

/// Messages written to one socket before the others have their turn: the look at all others then costs little a message.
const BURST: usize = 64;

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    messages: Backlog,
    /// Whether it is in the list of those that may take something.
    listed: bool,
}

impl Peer {
    /// Writes messages, one write each; false when the socket takes no more.
    fn burst(&mut self, message: &[u8]) -> io::Result<bool> {
        for _ in 0..BURST {
            // What is left of the last one comes first.
            if self.messages.units == 0 {
                self.messages.push(1);
            }
            if !self.messages.write(&mut self.stream, message, message.len())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Sends messages of `size` bytes over all `streams` until `recorder` stops.
pub(super) fn run(streams: Vec<TcpStream>, size: u64, wait: Wait, recorder: &Recorder) -> io::Result<()> {
    let message = payload(usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut peers = Vec::with_capacity(streams.len());
    for (number, stream) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), Token(number), Interest::WRITABLE)?;
        peers.push(Peer { stream, messages: Backlog::default(), listed: true });
    }
    let mut writable: VecDeque<usize> = (0..peers.len()).collect();
    let mut vain = Vain::default();
    while recorder.flowing() {
        for _ in 0..writable.len() {
            let Some(number) = writable.pop_front() else { break };
            let peer = &mut peers[number];
            peer.listed = peer.burst(&message)?;
            if peer.listed {
                writable.push_back(number);
            }
        }
        let patience = if writable.is_empty() && wait != Wait::Spin { LOOK_EVERY } else { Duration::ZERO };
        poll.poll(&mut events, Some(patience)).or_else(retry)?;
        if wait == Wait::Spin {
            vain.called(!(events.is_empty() && writable.is_empty()));
        }
        for event in &events {
            let number = event.token().0;
            if !std::mem::replace(&mut peers[number].listed, true) {
                writable.push_back(number);
            }
        }
    }
    Ok(())
}
