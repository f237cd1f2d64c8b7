//! A peer of the monitor without a messenger: its own hand on every byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use msgr::wire::{BANNER, Connect, ConnectReply, Footer, Header, address, crc::crc32c, tag};
use msgr::{EntityAddr, EntityType};

use super::body::kind;
use super::piece::{End, Piece, Received, Reply};
use super::pieces::{Handshake, Pieces};
use super::who::Who;
use crate::loopback;

/// How long a peer waits for what the monitor does at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing must come for a peer to believe that nothing will.
const SILENCE: Duration = Duration::from_millis(300);
/// Between two looks at whether the monitor has dialled.
const TICK: Duration = Duration::from_millis(2);
/// A message to be sent, with everything open to change.
pub struct Outgoing {
    /// Its header.
    pub header: Header,
    /// Its front.
    pub front: Vec<u8>,
    /// Its data.
    pub data: Vec<u8>,
    /// Its footer.
    pub footer: Footer,
}

impl Outgoing {
    /// The frame between peers with these features.
    pub fn frame(&self, features: u64) -> Vec<u8> {
        let mut frame = vec![tag::MSG];
        frame.extend(self.header.emit(true));
        frame.extend(&self.front);
        frame.extend(&self.data);
        let (footer, len) = self.footer.emit(features);
        frame.extend(&footer[..len]);
        frame
    }
}

/// One TCP connection with the monitor, dialled by either.
pub struct Peer {
    socket: TcpStream,
    theirs: Pieces,
    handshake: Mutex<Handshake>,
    who: Who,
    seq: u64,
}

impl Peer {
    fn new(socket: TcpStream, they: End, who: &Who) -> io::Result<Peer> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let (theirs, who) = (Pieces::new(they), who.clone());
        Ok(Peer { socket, theirs, handshake: Mutex::default(), who, seq: 0 })
    }

    /// Dials, lets the monitor greet, and says nothing.
    pub fn hush(mon: SocketAddr, who: &Who) -> io::Result<Peer> {
        let mut peer = Peer::new(TcpStream::connect(mon)?, End::Acceptor, who)?;
        peer.read()?;
        Ok(peer)
    }

    /// Dials and exchanges banners and addresses.
    pub fn dial(mon: SocketAddr, who: &Who) -> io::Result<Peer> {
        let mut peer = Peer::hush(mon, who)?;
        let mut hello = BANNER.to_vec();
        hello.extend(address::emit(&who.addr));
        peer.say(&hello)?;
        Ok(peer)
    }

    /// Dials and opens a new session.
    pub fn open(mon: SocketAddr, who: &Who) -> io::Result<(Peer, Reply)> {
        let mut peer = Peer::dial(mon, who)?;
        let reply = peer.connect(1, 0)?;
        peer.settle(&reply, 0)?;
        Ok((peer, reply))
    }

    /// Asks to open the session.
    pub fn connect(&mut self, global_seq: u32, connect_seq: u32) -> io::Result<Reply> {
        let Who { name, features, protocol, authorizer, .. } = &self.who;
        let connect = Connect {
            features: *features,
            host_type: name.kind.0.into(),
            global_seq,
            connect_seq,
            protocol_version: *protocol,
            authorizer_protocol: authorizer.protocol,
            authorizer_len: authorizer.data.len() as u32,
            lossy: name.kind != EntityType::MON,
        };
        let mut bytes = connect.emit().to_vec();
        bytes.extend(&authorizer.data);
        self.handshake.lock().unwrap().connect(&connect);
        self.say(&bytes)?;
        match self.read()? {
            Piece::Reply(reply) => Ok(reply),
            other => Err(io::Error::other(format!("no reply but {other}"))),
        }
    }

    /// Says what it has received, if the reply opened the session and asks for it.
    pub fn settle(&mut self, reply: &Reply, in_seq: u64) -> io::Result<()> {
        if reply.in_seq.is_some() { self.say(&in_seq.to_le_bytes()) } else { Ok(()) }
    }

    /// As acceptor: greets, and lets the monitor say who it is.
    pub fn greet(&mut self) -> io::Result<()> {
        let mut greeting = BANNER.to_vec();
        greeting.extend(address::emit(&self.who.addr));
        greeting.extend(address::emit(&EntityAddr::new(self.socket.peer_addr()?, 0)));
        self.say(&greeting)
    }

    /// As acceptor: opens the session that the monitor asked for with SEQ.
    pub fn accept(&mut self, connect: &Connect, in_seq: u64) -> io::Result<()> {
        let fixed = ConnectReply {
            tag: tag::SEQ,
            features: self.who.features,
            global_seq: 1,
            connect_seq: connect.connect_seq + 1,
            protocol_version: self.who.protocol,
            ..ConnectReply::default()
        };
        let mut bytes = fixed.emit().to_vec();
        bytes.extend(in_seq.to_le_bytes());
        self.handshake.lock().unwrap().reply(&Reply { fixed, in_seq: Some(in_seq) });
        self.say(&bytes)
    }

    /// The next message to send, of this type.
    pub fn outgoing(&mut self, kind: u16, front: Vec<u8>, data: Vec<u8>) -> Outgoing {
        self.seq += 1;
        let [front_crc, data_crc] = [&front, &data].map(|section| crc32c(0, section));
        let header = Header {
            seq: self.seq,
            tid: 0,
            kind,
            priority: 127,
            version: 1,
            front_len: front.len() as u32,
            middle_len: 0,
            data_len: data.len() as u32,
            data_off: 0,
            source: self.who.name,
            compat_version: 1,
        };
        let footer = Footer { front_crc, data_crc, complete: true, ..Footer::default() };
        Outgoing { header, front, data, footer }
    }

    /// Counts messages that another connection of the session has carried.
    pub fn skip(&mut self, messages: u64) {
        self.seq += messages;
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Outgoing) -> io::Result<()> {
        let frame = message.frame(self.features());
        self.say(&frame)
    }

    /// Sends a ping.
    pub fn ping(&mut self) -> io::Result<()> {
        let ping = self.outgoing(kind::PING, Vec::new(), Vec::new());
        self.send(&ping)
    }

    /// Writes these bytes.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// The features in common.
    pub fn features(&self) -> u64 {
        self.handshake.lock().unwrap().features()
    }

    /// The monitor's next piece.
    pub fn read(&mut self) -> io::Result<Piece> {
        Ok(self.theirs.next(&mut self.socket, &self.handshake)?.0)
    }

    /// The next message; whatever comes before it is passed over.
    pub fn message(&mut self) -> io::Result<Received> {
        loop {
            match self.read()? {
                Piece::Message(message) => return Ok(message),
                Piece::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// Whether nothing comes for a while.
    pub fn is_silent(&mut self) -> io::Result<bool> {
        self.socket.set_read_timeout(Some(SILENCE))?;
        let read = self.socket.read(&mut [0]);
        self.socket.set_read_timeout(Some(PATIENCE))?;
        match read {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(true),
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        }
    }

    /// Hangs up.
    pub fn hang_up(self) {
        // A peer that has hung up first is no news.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Waits for the monitor to dial.
pub struct Listening {
    listener: TcpListener,
    who: Who,
}

impl Listening {
    /// Listens as a monitor of ours with this nonce, on a port below those of any real monitor here.
    pub fn mon(nonce: u32) -> io::Result<Listening> {
        let mut at = loopback();
        let listener = loop {
            at.set_port(fastrand::u16(1024..6000));
            match TcpListener::bind(at) {
                Ok(listener) => break listener,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        };
        listener.set_nonblocking(true)?;
        let who = Who { addr: EntityAddr::new(at, nonce), ..Who::mon() };
        Ok(Listening { listener, who })
    }

    /// Who it says it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The monitor's next dial.
    pub fn next(&self) -> io::Result<Peer> {
        let begun = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => return Peer::new(socket, End::Connector, &self.who),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < PATIENCE => {
                    thread::sleep(TICK);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
