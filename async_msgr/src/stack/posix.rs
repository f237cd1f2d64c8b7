//! The kernel's TCP.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use msgr::Config;
use msgr::session::{Outbox, ReadInto};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{ConnectedSocket, NetworkStack, ServerSocket};
use crate::driver::{EventDriver, Token};

/// Segments gathered into one write. With small messages a single segment carries hundreds; with large ones this is
/// already several times what a socket buffer takes.
const SEGMENTS_PER_WRITE: usize = 64;

/// See the module.
pub struct PosixStack;

struct Listener {
    fd: Arc<OwnedFd>,
}

struct Stream {
    fd: Arc<OwnedFd>,
}

impl NetworkStack for PosixStack {
    fn listen(&self, address: SocketAddr, config: &Config) -> io::Result<Box<dyn ServerSocket>> {
        Ok(Box::new(Listener { fd: Arc::new(listening(address, config)?.into()) }))
    }

    fn connect(&self, peer: SocketAddr, bind: Option<IpAddr>, config: &Config) -> io::Result<Arc<dyn ConnectedSocket>> {
        Ok(Arc::new(Stream { fd: Arc::new(connecting(peer, bind, config)?.into()) }))
    }
}

/// A socket that listens and never blocks, as the options want it; also for stacks that begin with TCP.
///
/// # Errors
/// When the operating system refuses; `AddrInUse` when somebody else listens there.
pub fn listening(address: SocketAddr, config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // An IPv4 peer would otherwise be told a mapped address that nobody else knows it by.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    set_receive_buffer(&socket, config)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(config.ms_tcp_listen_backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// A socket that is being connected and never blocks, likewise.
///
/// # Errors
/// When the operating system refuses at once.
pub fn connecting(peer: SocketAddr, bind: Option<IpAddr>, config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(config.ms_tcp_nodelay)?;
    set_receive_buffer(&socket, config)?;
    if let Some(ip) = bind {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    match socket.connect(&peer.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket),
    }
}

/// The next connection of a listening socket, likewise, and where it comes from.
///
/// # Errors
/// `WouldBlock` when there is none.
pub fn accepted(listener: &OwnedFd, config: &Config) -> io::Result<(Socket, SocketAddr)> {
    let (socket, from) = SockRef::from(listener).accept()?;
    let from = from.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(config.ms_tcp_nodelay)?;
    Ok((socket, from))
}

fn set_receive_buffer(socket: &Socket, config: &Config) -> io::Result<()> {
    match usize::try_from(config.ms_tcp_rcvbuf) {
        Ok(0) => Ok(()),
        size => socket.set_recv_buffer_size(size.unwrap_or(usize::MAX)),
    }
}

impl ServerSocket for Listener {
    fn accept(&self, config: &Config) -> io::Result<(Arc<dyn ConnectedSocket>, SocketAddr)> {
        let (socket, from) = accepted(&self.fd, config)?;
        Ok((Arc::new(Stream { fd: Arc::new(socket.into()) }), from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.fd, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.remove(&self.fd, token)
    }
}

fn local_addr(fd: &OwnedFd) -> io::Result<SocketAddr> {
    SockRef::from(fd).local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl ConnectedSocket for Stream {
    fn is_connected(&self) -> io::Result<bool> {
        sockopt::socket_error(&self.fd)??;
        match SockRef::from(&self.fd).peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    fn read(&self, into: ReadInto<'_>) -> io::Result<usize> {
        Ok(match into {
            ReadInto::Slice(buffer) => recv(&self.fd, buffer, RecvFlags::empty())?.0,
            ReadInto::Append(buffer) => rustix::io::read(&self.fd, spare_capacity(buffer))?,
        })
    }

    fn send(&self, outbox: &Outbox) -> io::Result<usize> {
        let mut segments = outbox.segments();
        if let (Some(only), None) = (segments.next(), segments.next()) {
            // Small messages come as one segment, which spares the kernel checking and copying a message header.
            return Ok(send(&self.fd, only, SendFlags::NOSIGNAL)?);
        }
        let mut slices = [IoSlice::new(&[]); SEGMENTS_PER_WRITE];
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(outbox.segments()) {
            *slice = IoSlice::new(segment);
            count += 1;
        }
        let mut no_ancillary = SendAncillaryBuffer::default();
        Ok(sendmsg(&self.fd, &slices[..count], &mut no_ancillary, SendFlags::NOSIGNAL)?)
    }

    fn shutdown(&self) {
        // Fails only when it is not connected any more, which is what is wanted.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    fn can_send_inline(&self) -> bool {
        true
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.fd, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.remove(&self.fd, token)
    }
}
