//! A socket that never sleeps.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::STALL_MAX;

/// Calls between two looks at the clock: a quarter of a millisecond of them, so that it costs nothing.
const CALLS: u32 = 1024;

/// A socket whose reads and writes ask the kernel again and again, for [`STALL_MAX`] at most. Takes a CPU for as long.
#[derive(Debug)]
pub(super) struct Spinning(TcpStream);

impl Spinning {
    /// Of a connected socket.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub(super) fn new(stream: TcpStream) -> io::Result<Spinning> {
        stream.set_nonblocking(true)?;
        Ok(Spinning(stream))
    }

    fn spin<T>(&mut self, mut call: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        let mut begun = None;
        loop {
            for _ in 0..CALLS {
                match call(&mut self.0) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                    done => return done,
                }
            }
            if begun.get_or_insert_with(Instant::now).elapsed() >= STALL_MAX {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Read for Spinning {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.spin(|stream| stream.read(bytes))
    }
}

impl Write for Spinning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spin(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
