//! Socket options and the few calls that move bytes.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use msgr::Config;
use msgr::session::{Outbox, ReadInto};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

/// Segments gathered into one write. A payload of its own segment has more than 1 KiB and comes with one of framing,
/// so this many carry at least 64 KiB, and a longer list would only cost the stack that holds it.
const SEGMENTS_MAX: usize = 128;
/// Bytes handed to one write. More saves no system calls worth counting, and a blocking call that takes for ever looks
/// like an idle connection while it lasts.
const WRITE_BYTES_MAX: usize = 1 << 20;
/// Shortest time-out set on a socket: 0 would mean none at all.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// Sets the receive buffer if the options give a size. To be called before connecting or listening, which is when the
/// window scale is settled; accepted sockets inherit it.
pub(crate) fn set_buffers(socket: &Socket, config: &Config) -> io::Result<()> {
    match usize::try_from(config.ms_tcp_rcvbuf).unwrap_or(usize::MAX) {
        0 => Ok(()),
        bytes => socket.set_recv_buffer_size(bytes),
    }
}

/// A non-blocking socket that is about to be connected to `target`, bound to `from` if that is given.
pub(crate) fn for_dialling(target: SocketAddr, from: Option<IpAddr>, config: &Config) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(config.ms_tcp_nodelay)?;
    set_buffers(&socket, config)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Starts connecting; [`finish_connect`] waits for the outcome.
pub(crate) fn begin_connect(socket: &TcpStream, target: SocketAddr) -> io::Result<()> {
    match SockRef::from(socket).connect(&SockAddr::from(target)) {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => Ok(()),
        other => other,
    }
}

/// Waits until the socket is connected and makes it a blocking one. Shutting it down ends the wait.
///
/// # Errors
/// Why it could not be connected; [`io::ErrorKind::TimedOut`] when that was not known at the `deadline`.
pub(crate) fn finish_connect(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    socket.set_nonblocking(false)
}

/// Sets how long a read may block.
pub(crate) fn set_read_timeout(socket: &TcpStream, left: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(left.max(TIMEOUT_MIN)))
}

/// Sets how long a write may block; `None` for as long as the socket lives.
pub(crate) fn set_write_timeout(socket: &TcpStream, left: Option<Duration>) -> io::Result<()> {
    socket.set_write_timeout(left.map(|left| left.max(TIMEOUT_MIN)))
}

/// Reads what is there, blocking for the first byte. 0 is the end of the stream.
pub(crate) fn read(socket: &TcpStream, into: ReadInto<'_>) -> Result<usize, Errno> {
    match into {
        ReadInto::Slice(slice) => rustix::io::read(socket, slice),
        ReadInto::Append(vec) => rustix::io::read(socket, rustix::buffer::spare_capacity(vec)),
    }
}

/// Blocks until there is something to read, the end of the stream included, as [`read`] would, and leaves it there.
pub(crate) fn await_input(socket: &TcpStream) -> Result<(), Errno> {
    recv(socket, &mut [0; 1], RecvFlags::PEEK).map(drop)
}

/// Writes as much of the outbox as one call takes, blocking until all of that is with the kernel; returns how many
/// bytes that was. MSG_NOSIGNAL, for a program around this library may not ignore SIGPIPE.
pub(crate) fn write(socket: &TcpStream, outbox: &Outbox) -> Result<usize, Errno> {
    let mut segments = outbox.segments();
    if let (Some(only), None) = (segments.next(), segments.next()) {
        // Small messages end up in one segment, however many they are.
        return write_slice(socket, &only[..only.len().min(WRITE_BYTES_MAX)]);
    }
    let mut slices = [IoSlice::new(&[]); SEGMENTS_MAX];
    let (mut count, mut left) = (0, WRITE_BYTES_MAX);
    for (slice, segment) in slices.iter_mut().zip(outbox.segments()) {
        if left == 0 {
            break;
        }
        let len = segment.len().min(left);
        *slice = IoSlice::new(&segment[..len]);
        left -= len;
        count += 1;
    }
    retry_on_intr(|| sendmsg(socket, &slices[..count], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL))
}

/// Writes from `bytes`, as [`write()`] does.
pub(crate) fn write_slice(socket: &TcpStream, bytes: &[u8]) -> Result<usize, Errno> {
    retry_on_intr(|| send(socket, bytes, SendFlags::NOSIGNAL))
}
