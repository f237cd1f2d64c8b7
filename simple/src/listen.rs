//! Listening sockets: which port, and what to do when it is taken.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::thread;

use msgr::{Config, Error};
use socket2::{Domain, Protocol, Socket, Type};

use crate::socket;

/// Listens on `address`. Port 0 takes the first free port of `ms_bind_port_min..=ms_bind_port_max` that is not in
/// `avoid`. While there is none it tries again, `ms_bind_retry_count` times every `ms_bind_retry_delay`.
///
/// # Errors
/// [`Error::AddressInUse`], misuse when the options give no range of ports, or what the system said.
pub(crate) fn listen(address: SocketAddr, avoid: &[u16], config: &Config) -> Result<(Socket, SocketAddr), Error> {
    let ports = if address.port() == 0 { ports(config)? } else { address.port()..=address.port() };
    let mut tries_left = config.ms_bind_retry_count;
    loop {
        for port in ports.clone().filter(|port| !avoid.contains(port)) {
            let address_tried = SocketAddr::new(address.ip(), port);
            match try_listen(address_tried, address.port() != 0, config) {
                Ok(socket) => return Ok((socket, address_tried)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(Error::local(format!("cannot listen on {address_tried}"), error)),
            }
        }
        if tries_left == 0 {
            return Err(Error::AddressInUse { address });
        }
        tries_left -= 1;
        tracing::warn!(%address, tries_left, delay = ?config.ms_bind_retry_delay, "in use, trying again");
        thread::sleep(config.ms_bind_retry_delay);
    }
}

fn ports(config: &Config) -> Result<RangeInclusive<u16>, Error> {
    match (u16::try_from(config.ms_bind_port_min), u16::try_from(config.ms_bind_port_max)) {
        (Ok(min), Ok(max)) if 0 < min && min <= max => Ok(min..=max),
        _ => Err(Error::Misuse("ms_bind_port_min..=ms_bind_port_max is not a range of ports (1 to 65535)")),
    }
}

/// `chosen` says that it must be this port: then it is taken even if connections of a process that ended linger on it.
fn try_listen(address: SocketAddr, chosen: bool, config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // An IPv4 peer would otherwise be told a mapped address that nobody else knows it by.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(chosen)?;
    socket::set_buffers(&socket, config)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(config.ms_tcp_listen_backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}
