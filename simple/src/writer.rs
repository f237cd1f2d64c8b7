//! The writer: owns a pipe. It dials when the session says so, starts a reader for each TCP connection, and writes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use msgr::session::{Cause, Driver, Link, Outbox, Refill, Session, Step};
use rustix::io::Errno;

use crate::pipe::{Open, Pipe};
use crate::{reader, socket, threads};

/// Drives a pipe as its session says.
pub(crate) fn run(pipe: &Arc<Pipe>, session: &Arc<Session>) {
    loop {
        pipe.begin_step();
        match session.step(pipe.id(), Instant::now()) {
            Step::Dial(link) => dial(pipe, link),
            Step::Until(at) => pipe.rest(Some(at)),
            Step::Rest => pipe.rest(None),
            Step::Gone => return,
        }
    }
}

/// Drives a pipe that was accepted, from its opening on: first its link, then the session that came of it.
pub(crate) fn run_accepted(pipe: &Arc<Pipe>, open: &Open) {
    write(pipe, open);
    run(pipe, &open.session);
}

/// One TCP connection of our own making, from its attempt to its end.
fn dial(pipe: &Arc<Pipe>, mut link: Box<Link>) {
    match connect(pipe, &link) {
        Ok(local) => {
            link.connected(local);
            pipe.hand_over(link);
            carry(pipe);
        }
        Err(error) => {
            let peer = link.target();
            tracing::info!(?peer, %error, "cannot connect");
            let cause = match error.kind() {
                io::ErrorKind::ConnectionRefused => Cause::Refused,
                _ => link.timed_out(Instant::now()).unwrap_or(Cause::Closed),
            };
            link.lost(cause, Instant::now());
        }
    }
}

/// Connects to where the link points; returns the address of this end.
fn connect(pipe: &Pipe, link: &Link) -> io::Result<SocketAddr> {
    let target = link.target().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = Arc::new(socket::for_dialling(target, link.bind_ip(), pipe.core().config())?);
    pipe.connect(&socket, target)?;
    socket::finish_connect(&socket, link.deadline())?;
    socket.local_addr()
}

/// Has the pipe's link read by a thread of its own and writes until that ends.
fn carry(pipe: &Arc<Pipe>) {
    pipe.begin_reading();
    let its_pipe = Arc::clone(pipe);
    let reader = match threads::spawn(pipe.core(), "ms_pipe_read", move || reader::run(&its_pipe)) {
        Ok(reader) => reader,
        Err(error) => {
            tracing::error!(%error, "a connection is dropped");
            if let Some((link, _socket)) = pipe.take_link() {
                link.lost(Cause::Closed, Instant::now());
            }
            return;
        }
    };
    if let Some(open) = &pipe.wait_open() {
        write(pipe, open);
    }
    if reader.join().is_err() {
        tracing::error!("a dispatcher panicked while its connection was being closed");
    }
}

/// Writes what the session has, whenever it has something, until the link ends.
fn write(pipe: &Pipe, open: &Open) {
    let mut outbox = Outbox::new();
    while pipe.wait_transmit() {
        if let Err(error) = flush(pipe, open, &mut outbox) {
            tracing::debug!(%error, "socket broke");
            // The reader sees the end of the stream and reports the loss.
            pipe.hang_up();
        }
    }
}

/// Writes all that the session has, in as few calls as it takes. No lock is held during one.
fn flush(pipe: &Pipe, open: &Open, outbox: &mut Outbox) -> rustix::io::Result<()> {
    let begun = Instant::now();
    let mut now = begun;
    let mut calls = 0;
    let mut write = |outbox: &mut Outbox| {
        while outbox.refill(&open.session, open.generation) == Refill::Some {
            while !outbox.is_empty() {
                if open.session.inject_socket_failure() {
                    return Err(Errno::CONNRESET);
                }
                calls += 1;
                let written = socket::write(&open.socket, outbox)?;
                outbox.sent(written);
                if let Some(stages) = pipe.core().stages() {
                    outbox.time_written(stages);
                }
                now = Instant::now();
                pipe.note_write(now);
            }
        }
        Ok(())
    };
    let outcome = write(outbox);
    pipe.core().note_sending(calls, now - begun);
    outcome
}

#[cfg(all(test, msgr_shuttle))]
mod schedules;
