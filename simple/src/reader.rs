//! The reader: one TCP connection, from its handshake to its end.

use std::convert::Infallible;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use msgr::session::{Cause, Driver, Link, Progress, ReadAhead, Session};
use rustix::io::Errno;

use crate::pipe::{Open, Pipe};
use crate::reaper::Reaper;
use crate::{socket, writer};

/// A link with what its reader needs. The read-ahead buffer is the reader's own and no other connection waits for it,
/// so [`Link::settle`] is never called: a remainder stays where it is.
struct Reader<'a, F> {
    pipe: &'a Pipe,
    link: &'a mut Link,
    socket: &'a Arc<TcpStream>,
    ahead: ReadAhead,
    /// To be called when the link opens.
    opened: Option<F>,
}

/// Reads the link that waits in `pipe` until it ends.
pub(crate) fn run(pipe: &Pipe) {
    read(pipe, |_| Ok(()));
}

/// Reads the link of an accepted pipe. The writer starts when the link opens: a peer that never gets there costs one
/// thread. But the link may have taken a session over before it broke; then the pipe is that session's, and the writer
/// starts after all, to ask it what comes next.
pub(crate) fn run_accepted(pipe: &Arc<Pipe>, reaper: &Arc<Reaper>) {
    pipe.begin_reading();
    let mut has_writer = false;
    let session = read(pipe, |open| {
        let its_pipe = Arc::clone(pipe);
        reaper.start(pipe.core(), "ms_pipe_write", move || writer::run_accepted(&its_pipe, &open)).map_err(broken)?;
        has_writer = true;
        Ok(())
    });
    let Some(session) = session.filter(|_| !has_writer) else { return };
    let (its_pipe, its_session) = (Arc::clone(pipe), Arc::clone(&session));
    let body = move || writer::run(&its_pipe, &its_session);
    if let Err(error) = reaper.start(pipe.core(), "ms_pipe_write", body) {
        tracing::error!(peer = %session.peer_addr(), %error, "a connection is given up");
        session.give_up();
    }
}

/// Returns the link's session, if it ever had one.
fn read(pipe: &Pipe, opened: impl FnOnce(Open) -> Result<(), Cause>) -> Option<Arc<Session>> {
    /// Ends the writing too, even if a dispatcher panics. Last of all: whoever sees the end of the stream, or is a writer
    /// that was blocked, finds the session told and the loss counted.
    struct End<'a>(&'a Pipe);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.hang_up();
            self.0.end_reading();
        }
    }
    let _end = End(pipe);
    let (mut link, socket) = pipe.take_link()?;
    let mut reader = Reader { pipe, link: &mut link, socket: &socket, ahead: ReadAhead::new(), opened: Some(opened) };
    // What a panic may leave half done is the link's, and that is given up.
    let cause = match catch_unwind(AssertUnwindSafe(|| reader.read())) {
        Ok(Err(cause)) => cause,
        Err(_) => {
            tracing::error!("a dispatcher panicked; its connection is given up");
            // What it had received is lost with it, so the session cannot go on.
            if let Some(session) = link.session() {
                session.give_up();
            }
            Cause::Closed
        }
    };
    let session = link.session().cloned();
    link.lost(cause, Instant::now());
    session
}

impl<F: FnOnce(Open) -> Result<(), Cause>> Reader<'_, F> {
    fn read(&mut self) -> Result<Infallible, Cause> {
        let mut waiting = self.handshake()?;
        loop {
            waiting = self.go_on(waiting)?.waiting;
        }
    }

    /// Waits for input, or for it to be let through if it is held back (`waiting`), or until something else is due;
    /// then works on that.
    fn go_on(&mut self, waiting: bool) -> Result<Progress, Cause> {
        let progress = if waiting && self.pipe.wait_resume(self.link.deadline())? {
            self.link.resume(Instant::now())?
        } else if !waiting && self.fill()? {
            self.link.process(Instant::now())?
        } else {
            // Only now does it matter whether the writer was busy meanwhile.
            self.link.wrote(self.pipe.last_write());
            let progress = self.link.on_time(Instant::now())?;
            self.arm()?;
            return Ok(progress);
        };
        if waiting || progress.due.is_some() {
            self.arm()?;
        }
        Ok(progress)
    }

    /// Brings the link to its opening; returns whether its first message is held back.
    fn handshake(&mut self) -> Result<bool, Cause> {
        let mut waiting = false;
        loop {
            self.write_output()?;
            // Before each read, so that a peer that sends a byte now and then gains no time.
            if let Some(cause) = self.link.timed_out(Instant::now()) {
                return Err(cause);
            }
            self.arm()?;
            let progress = match self.go_on(waiting) {
                Ok(progress) => progress,
                Err(cause) => {
                    // A reply that says why may be waiting; the link is over whether or not it can be written.
                    let _ = self.write_output();
                    return Err(cause);
                }
            };
            waiting = progress.waiting;
            if progress.opened {
                self.write_output()?;
                socket::set_write_timeout(self.socket, None).map_err(broken)?;
                self.arm()?;
                let Some(session) = self.link.session().cloned() else { return Err(Cause::Closed) };
                let (generation, socket) = (self.link.generation(), Arc::clone(self.socket));
                let open = Open { session, generation, socket };
                self.pipe.opened(open.clone());
                self.opened.take().map_or(Ok(()), |opened| opened(open))?;
                return Ok(progress.waiting);
            }
        }
    }

    /// Writes what the handshake has to say.
    fn write_output(&mut self) -> Result<(), Cause> {
        let left = self.link.deadline().saturating_duration_since(Instant::now());
        let mut output = self.link.take_output().peekable();
        if output.peek().is_some() {
            socket::set_write_timeout(self.socket, Some(left)).map_err(broken)?;
        }
        for bytes in output {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let begun = Instant::now();
                let written = socket::write_slice(self.socket, rest);
                self.pipe.core().note_sending(1, begun.elapsed());
                rest = &rest[written.map_err(broken)?..];
            }
        }
        Ok(())
    }

    /// Reads once, blocking until something comes; false when the time it was armed with is over.
    fn fill(&mut self) -> Result<bool, Cause> {
        let core = self.pipe.core();
        loop {
            if let Some(stages) = core.stages() {
                // A blocked read does not tell its waiting from its copying, so the waiting is done first.
                core.note_read_call();
                match socket::await_input(self.socket) {
                    Ok(()) => self.link.note_input(stages.now()),
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => return Ok(false),
                    Err(error) => return Err(broken(error)),
                }
            }
            match self.link.read_with(&mut self.ahead, |into| socket::read(self.socket, into)) {
                Ok(Some(_)) => return Ok(true),
                Ok(None) => return Err(Cause::Closed),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Lets the next read block until the link's deadline. Every read and write moves the deadline, but the time-out is
    /// set anew only when it strikes, or when the deadline comes nearer.
    fn arm(&self) -> Result<(), Cause> {
        let left = self.link.deadline().saturating_duration_since(Instant::now());
        socket::set_read_timeout(self.socket, left).map_err(broken)
    }
}

fn broken(error: impl std::fmt::Display) -> Cause {
    tracing::debug!(%error, "socket broke");
    Cause::Closed
}
