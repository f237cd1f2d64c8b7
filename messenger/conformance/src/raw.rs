//! A peer without a messenger: raw bytes on a socket.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use msgr::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, Footer, Header, REPLY_LEN, address, features,
    protocol, tag,
};
use msgr::{EntityAddr, EntityName, EntityType};
use socket2::{Domain, Socket, Type};

use crate::{PATIENCE, gateway, loopback};

/// An address of this host that does not answer: somebody listens, whose queue of connections is full, so that TCP drops
/// what comes and a dialler goes on trying. Nothing leaves the host, and no route has to be missing for it.
pub struct Unanswering {
    listener: Socket,
    _in_its_queue: TcpStream,
}

impl Unanswering {
    /// An address of its own.
    pub fn new() -> Unanswering {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&loopback().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Unanswering { listener, _in_its_queue: TcpStream::connect(address).unwrap() }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }

    /// Whether somebody dials it: the kernel lists the attempt as SYN_SENT (02).
    pub fn is_dialled(&self) -> bool {
        let address = self.address();
        let IpAddr::V4(ip) = address.ip() else { unreachable!("it was bound to an IPv4 address") };
        let attempt = format!("{:08X}:{:04X} 02", u32::from_ne_bytes(ip.octets()), address.port());
        fs::read_to_string("/proc/net/tcp").unwrap().contains(&attempt)
    }
}

impl Default for Unanswering {
    fn default() -> Unanswering {
        Unanswering::new()
    }
}

/// Connects, and nothing more.
pub fn dial(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(gateway::tcp_to(server)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Banner, address and connect: what the client at `address` says to an OSD until it needs an answer.
pub fn hello(address: &EntityAddr, lossy: bool) -> Vec<u8> {
    let connect = Connect {
        features: features::SUPPORTED,
        host_type: u32::from(EntityType::CLIENT.0),
        global_seq: 1,
        protocol_version: protocol::connecting(EntityType::CLIENT, EntityType::OSD, 0),
        lossy,
        ..Connect::default()
    };
    let mut hello = BANNER.to_vec();
    hello.extend(address::emit(address));
    let connect: [u8; CONNECT_LEN] = connect.emit();
    hello.extend(connect);
    hello
}

/// Reads the greeting and the reply of a server that lets its peer in.
pub fn read_welcome(socket: &mut TcpStream) {
    let mut greeting = [0; BANNER_LEN + 2 * ADDRESS_LEN];
    socket.read_exact(&mut greeting).unwrap();
    let mut reply = [0; REPLY_LEN];
    socket.read_exact(&mut reply).unwrap();
    let reply = ConnectReply::parse(&reply);
    assert_eq!(reply.tag, tag::SEQ);
    let mut seq = [0; 8];
    socket.read_exact(&mut seq).unwrap();
}

/// Connects and opens a session, as client `nonce` of an OSD.
pub fn open(server: SocketAddr, nonce: u32) -> TcpStream {
    let mut socket = dial(server);
    socket.write_all(&hello(&EntityAddr::blank(nonce), true)).unwrap();
    read_welcome(&mut socket);
    socket.write_all(&[0; 8]).unwrap();
    socket
}

/// A header as a good peer would send it.
pub fn header(data: &[u8]) -> Header {
    Header {
        seq: 1,
        tid: 1,
        kind: 1,
        priority: 127,
        version: 1,
        front_len: 0,
        middle_len: 0,
        data_len: u32::try_from(data.len()).unwrap(),
        data_off: 0,
        source: EntityName::client(9),
        compat_version: 1,
    }
}

/// A message frame with this header and data, whose footer has `data_crc`.
pub fn frame(header: Header, data: &[u8], data_crc: u32) -> Vec<u8> {
    let mut frame = vec![tag::MSG];
    frame.extend(header.emit(true));
    frame.extend(data);
    let footer = Footer { front_crc: 0, middle_crc: 0, data_crc, no_data_crc: false, complete: true };
    let (footer, len) = footer.emit(features::SUPPORTED);
    frame.extend(&footer[..len]);
    frame
}

/// Reads until the other side closes; a reset counts as that.
pub fn read_to_end(mut socket: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = socket.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the peer does not close");
    }
    rest
}
