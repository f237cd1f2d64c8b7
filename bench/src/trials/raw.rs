//! A peer without a messenger: bytes on a socket, right or wrong as asked.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use msgr::wire::crc::crc32c;
use msgr::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, Connect, ConnectReply, Footer, Header, REPLY_LEN, address, features, protocol, tag,
};
use msgr::{EntityAddr, EntityName, EntityType};

/// How long a stranger waits for the server: a dropped SYN is sent again after 1 and 2 more seconds.
const WAIT: Duration = Duration::from_secs(10);

/// A connection of a stranger.
#[derive(Debug)]
pub(super) struct Stranger(TcpStream);

impl Stranger {
    /// Connects, and says nothing.
    pub(super) fn dial(server: SocketAddr) -> io::Result<Stranger> {
        let socket = TcpStream::connect_timeout(&server, WAIT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(WAIT))?;
        socket.set_write_timeout(Some(WAIT))?;
        Ok(Stranger(socket))
    }

    /// Connects and opens a session, as client `nonce`.
    pub(super) fn open(server: SocketAddr, nonce: u32) -> io::Result<Stranger> {
        let at = |step: &'static str| move |error: io::Error| io::Error::new(error.kind(), format!("{step}: {error}"));
        let mut stranger = Stranger::dial(server).map_err(at("connecting"))?;
        stranger.read_greeting().map_err(at("waiting for the greeting"))?;
        stranger.write(&[hello(nonce), connect(true)].concat()).map_err(at("asking to connect"))?;
        let tag = stranger.read_reply().map_err(at("waiting for the reply"))?;
        if tag != tag::SEQ {
            return Err(io::Error::other(format!("a session was refused with tag {tag}")));
        }
        stranger.0.read_exact(&mut [0; 8]).map_err(at("waiting for what the server has received"))?;
        stranger.write(&[0; 8]).map_err(at("saying what was received"))?;
        Ok(stranger)
    }

    /// Reads what an acceptor says first.
    pub(super) fn read_greeting(&mut self) -> io::Result<()> {
        self.0.read_exact(&mut [0; BANNER_LEN + 2 * ADDRESS_LEN])
    }

    /// Reads one reply to a connect.
    pub(super) fn read_reply(&mut self) -> io::Result<u8> {
        let mut raw = [0; REPLY_LEN];
        self.0.read_exact(&mut raw)?;
        Ok(ConnectReply::parse(&raw).tag)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Writes what the socket takes at once, and says how much that was.
    pub(super) fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set_nonblocking(true)?;
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Whether the server closes the connection; what it says before is ignored.
    pub(super) fn is_dropped(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }

    /// Closes with a reset, which leaves no port in TIME_WAIT: ten thousand of these would use up the ports there are.
    pub(super) fn close(self) {
        // Without it the port is merely taken for longer.
        let _ = rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }
}

/// What a connector says before its first connect.
pub(super) fn hello(nonce: u32) -> Vec<u8> {
    let mut hello = BANNER.to_vec();
    hello.extend(address::emit(&EntityAddr::blank(nonce)));
    hello
}

/// A client's connect to an OSD, or one whose protocol version is none, after which it may try again.
pub(super) fn connect(right: bool) -> Vec<u8> {
    let version = protocol::connecting(EntityType::CLIENT, EntityType::OSD, 0);
    let connect = Connect {
        features: features::SUPPORTED,
        host_type: u32::from(EntityType::CLIENT.0),
        global_seq: 1,
        protocol_version: if right { version } else { version + 1 },
        lossy: true,
        ..Connect::default()
    };
    connect.emit().to_vec()
}

/// A header of `kind` with number `seq`, in order but for what the caller changes.
pub(super) fn header(kind: u16, seq: u64, data: &[u8]) -> Header {
    Header {
        seq,
        tid: seq,
        kind,
        priority: msgr::PRIORITY_DEFAULT,
        version: 1,
        front_len: 0,
        middle_len: 0,
        // Strangers' data is short.
        data_len: data.len() as u32,
        data_off: 0,
        source: EntityName::client(EntityName::NEW),
        compat_version: 1,
    }
}

/// A message frame with this header and data. The footer's crc is right, unless `bad_crc`.
pub(super) fn frame(header: Header, data: &[u8], bad_crc: bool) -> Vec<u8> {
    let mut frame = vec![tag::MSG];
    frame.extend(header.emit(true));
    frame.extend(data);
    let data_crc = crc32c(0, data) ^ u32::from(bad_crc);
    let footer = Footer { front_crc: 0, middle_crc: 0, data_crc, no_data_crc: false, complete: true };
    let (footer, len) = footer.emit(features::SUPPORTED);
    frame.extend(&footer[..len]);
    frame
}
