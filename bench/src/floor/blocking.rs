//! One connection and one thread a side, that waits in the calls: the ping-pong with one request in flight, and the stream.
//! Whether the calls sleep is up to the socket, see [`Spinning`](super::spin::Spinning).

use std::io::{self, ErrorKind, Read, Write};

use super::CHUNK;
use crate::load::Recorder;
use crate::serve::Tally;
use crate::wire::payload;

/// Answers requests of `size` bytes by replies of `reply` until the peer closes.
pub(super) fn answer(mut stream: impl Read + Write, size: u64, reply: u64, tally: &Tally) -> io::Result<()> {
    let mut request = buffer(size)?;
    let reply = payload(length(reply)?);
    loop {
        match stream.read_exact(&mut request) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        tally.add(1);
        stream.write_all(&reply)?;
    }
}

/// Counts messages of `size` bytes until the peer closes.
pub(super) fn receive(mut stream: impl Read, size: u64, tally: &Tally) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut partial = 0;
    loop {
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => read as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        partial += read;
        tally.add(partial / size);
        partial %= size;
    }
}

/// Sends one request after another, as slot 0 of `recorder`.
pub(super) fn request(mut stream: impl Read + Write, size: u64, reply: u64, recorder: &Recorder) -> io::Result<()> {
    let request = payload(length(size)?);
    let mut reply = buffer(reply)?;
    recorder.first(0);
    loop {
        stream.write_all(&request)?;
        stream.read_exact(&mut reply)?;
        if recorder.replied(0).is_none() {
            return Ok(());
        }
    }
}

/// Sends messages, one write each, until `recorder` stops.
pub(super) fn send(mut stream: impl Write, size: u64, recorder: &Recorder) -> io::Result<()> {
    let message = payload(length(size)?);
    while recorder.flowing() {
        stream.write_all(&message)?;
    }
    Ok(())
}

/// A buffer for one message. The other side announced the size, so a lie must end in an error, not in an abort.
fn buffer(size: u64) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length(size)?).map_err(|_| ErrorKind::OutOfMemory)?;
    buffer.resize(length(size)?, 0);
    Ok(buffer)
}

fn length(size: u64) -> io::Result<usize> {
    usize::try_from(size).map_err(|_| ErrorKind::InvalidInput.into())
}
