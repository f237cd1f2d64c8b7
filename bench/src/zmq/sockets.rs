//! Sockets of libzmq, all with the same options, and calls that an interruption does not end.

use std::net::SocketAddr;

use anyhow::Context as _;
use zmq::{Context, Error, Message, PollEvents, Socket, SocketType};

use super::Version;
use super::frame::Header;
use crate::parse::SIZE_MAX;

/// Connections that may wait to be accepted: as many as with the messengers (`ms_tcp_listen_backlog`).
pub(super) const BACKLOG: i32 = 512;

/// The version of the libzmq that this program runs with.
///
/// # Errors
///
/// None: this program would not have started without it.
pub(crate) fn find() -> anyhow::Result<Version> {
    Ok(zmq::version())
}

/// A socket that goes to or comes from `address`, and gives up a receive after `patience` milliseconds (-1 for never).
///
/// # Errors
///
/// When libzmq cannot make one more.
pub(super) fn make(context: &Context, kind: SocketType, address: SocketAddr, patience: i32) -> anyhow::Result<Socket> {
    let make = || {
        let socket = context.socket(kind)?;
        // No bound on messages that are queued: the workloads have one each, and a queue that filled up before it would drop
        // what a ROUTER sends.
        socket.set_sndhwm(0)?;
        socket.set_rcvhwm(0)?;
        // What is under way at the end of a sample is of no interest.
        socket.set_linger(0)?;
        // A connection that broke stays so, to be noticed: by default libzmq dials again in silence, and what was under way is
        // lost.
        socket.set_reconnect_ivl(-1)?;
        // A lying header must not cost memory.
        socket.set_maxmsgsize(SIZE_MAX as i64 + Header::BYTES as i64)?;
        socket.set_ipv6(address.is_ipv6())?;
        socket.set_backlog(BACKLOG)?;
        socket.set_rcvtimeo(patience)?;
        Ok::<_, Error>(socket)
    };
    make().context("libzmq makes no socket: raise the limit on open files (`msgr-bench doctor` shows it)")
}

/// What libzmq calls `address`.
pub(super) fn endpoint(address: SocketAddr) -> String {
    format!("tcp://{address}")
}

/// Sends a copy of `bytes`.
///
/// # Errors
///
/// Those of libzmq: `EAGAIN` with [`zmq::DONTWAIT`] when there is no connection.
pub(super) fn send(socket: &Socket, bytes: &[u8], flags: i32) -> Result<(), Error> {
    loop {
        match socket.send(bytes, flags) {
            Err(Error::EINTR) => {}
            done => return done,
        }
    }
}

/// Receives a frame into `message`; false when none comes in the socket's patience, or none is there with
/// [`zmq::DONTWAIT`].
///
/// # Errors
///
/// Those of libzmq.
pub(super) fn receive(socket: &Socket, message: &mut Message, flags: i32) -> Result<bool, Error> {
    loop {
        match socket.recv(message, flags) {
            Ok(()) => return Ok(true),
            Err(Error::EAGAIN) => return Ok(false),
            Err(Error::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a DEALER socket has its connection, or tries to: as nothing bounds its queue, it takes messages for as long.
///
/// # Errors
///
/// Those of libzmq.
pub(super) fn connected(socket: &Socket) -> Result<bool, Error> {
    Ok(socket.get_events()?.contains(PollEvents::POLLOUT))
}
