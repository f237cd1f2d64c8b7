//! Asking the kernel again and again instead of sleeping.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::STALL_MAX;

/// Calls in vain before others that wait for the same CPU may run: some 20 us of them. Both sides of a connection may be on
/// one CPU, and would wait for the end of each other's time slice; who is alone there goes on at once.
const CALLS: u32 = 64;

/// Counts calls in vain.
#[derive(Debug, Default)]
pub(super) struct Vain(u32);

impl Vain {
    /// One more call has brought something, or nothing. True when others have had their turn since.
    pub(super) fn called(&mut self, brought: bool) -> bool {
        self.0 = if brought { 0 } else { self.0 + 1 };
        let yields = self.0 == CALLS;
        if yields {
            self.0 = 0;
            std::thread::yield_now();
        }
        yields
    }
}

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
        let (mut vain, mut begun) = (Vain::default(), None);
        loop {
            match call(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            // The clock is read no more often than others run.
            if vain.called(false) && begun.get_or_insert_with(Instant::now).elapsed() >= STALL_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_run_after_so_many_calls_in_vain_and_not_while_there_is_something() {
        let mut vain = Vain::default();
        let mut turns = |calls: u32, brought| (0..calls).filter(|_| vain.called(brought)).count();
        assert_eq!(turns(CALLS - 1, false), 0);
        assert_eq!(turns(1, true), 0);
        assert_eq!(turns(CALLS - 1, false), 0);
        assert_eq!(turns(CALLS + 1, false), 2);
        assert_eq!(turns(3 * CALLS, true), 0);
    }
}
