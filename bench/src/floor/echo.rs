//! The event loop of the side under test: answers requests, or counts messages, over any number of connections from one
//! thread.

use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::spin::Vain;
use super::{Backlog, CHUNK, Preamble, Traffic, replies, retry};
use crate::kinds::Wait;
use crate::serve::Tally;

const LISTENER: Token = Token(usize::MAX);

/// Events taken from the kernel at a time; more wait there for the next turn.
const EVENTS: usize = 1024;

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    /// Bytes of the preamble still to come; the first connection's has been read.
    preamble: usize,
    /// Bytes of an unfinished request.
    partial: u64,
    replies: Backlog,
}

/// Answers requests, or counts messages, on `first` and on every connection that `listener` gives, until all are closed. All
/// carry what the first has announced.
pub(super) fn serve(
    first: TcpStream,
    listener: &TcpListener,
    preamble: Preamble,
    wait: Wait,
    tally: &Tally,
) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut peers = Vec::new();
    let mut open = 1;
    add(&poll, &mut peers, first, 0)?;
    listener.set_nonblocking(true)?;
    poll.registry().register(&mut SourceFd(&listener.as_raw_fd()), LISTENER, Interest::READABLE)?;

    let mut chunk = vec![0; CHUNK];
    let reply = usize::try_from(preamble.reply).map_err(|_| ErrorKind::InvalidInput)?;
    let replies = (preamble.traffic != Traffic::Streams).then(|| Replies { unit: reply, units: replies(reply) });
    let patience = (wait == Wait::Spin).then_some(Duration::ZERO);
    let mut vain = Vain::default();
    while open > 0 {
        poll.poll(&mut events, patience).or_else(retry)?;
        if wait == Wait::Spin {
            vain.called(!events.is_empty());
        }
        for event in &events {
            if event.token() == LISTENER {
                open += accept(&poll, listener, &mut peers)?;
                continue;
            }
            let Some(slot) = peers.get_mut(event.token().0) else {
                continue;
            };
            let Some(peer) = slot else {
                continue;
            };
            // A connection that breaks is closed like one that ends: its load side says what happened.
            if !peer.turn(preamble.size, &mut chunk, replies.as_ref(), tally).unwrap_or(false) {
                *slot = None;
                open -= 1;
            }
        }
    }
    listener.set_nonblocking(false)
}

fn accept(poll: &Poll, listener: &TcpListener, peers: &mut Vec<Option<Peer>>) -> io::Result<usize> {
    let mut accepted = 0;
    loop {
        match listener.accept() {
            Ok((stream, _)) => add(poll, peers, stream, Preamble::BYTES)?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(accepted),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
            Err(error) => return Err(error),
        }
        accepted += 1;
    }
}

fn add(poll: &Poll, peers: &mut Vec<Option<Peer>>, stream: TcpStream, preamble: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), Token(peers.len()), both)?;
    peers.push(Some(Peer { stream, preamble, partial: 0, replies: Backlog::default() }));
    Ok(())
}

/// Replies one after another, and the size of one.
struct Replies {
    unit: usize,
    units: Vec<u8>,
}

impl Peer {
    /// Reads all there is and answers it, or counts it where there are no replies; false when the peer has closed.
    fn turn(&mut self, size: u64, chunk: &mut [u8], replies: Option<&Replies>, tally: &Tally) -> io::Result<bool> {
        loop {
            let mut read = match self.stream.read(chunk) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let full = read == chunk.len();
            let preamble = read.min(self.preamble);
            self.preamble -= preamble;
            read -= preamble;

            self.partial += read as u64;
            let requests = self.partial / size;
            self.partial %= size;
            tally.add(requests);
            if replies.is_some() {
                self.replies.push(usize::try_from(requests).unwrap_or(usize::MAX));
            }
            // A read that does not fill the chunk has emptied the socket.
            if !full {
                break;
            }
        }
        if let Some(replies) = replies {
            self.replies.write(&mut self.stream, &replies.units, replies.unit)?;
        }
        Ok(true)
    }
}
