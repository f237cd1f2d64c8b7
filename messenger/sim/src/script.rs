//! The bytes of a peer that a test plays itself.

use std::sync::Arc;

use msgr::EntityAddr;
use msgr::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, Footer, Header, REPLY_LEN, address,
    crc::crc32c, features, tag,
};
use msgr::{EntityName, EntityType, Messenger};

use crate::{Net, Node};

/// What an acceptor says first: banner, its own address and the connector's.
pub const GREETING_LEN: usize = BANNER_LEN + 2 * ADDRESS_LEN;
/// What a connector says before its first connect.
pub const HELLO_LEN: usize = BANNER_LEN + ADDRESS_LEN;

/// The address `text` with `nonce`.
pub fn addr(text: &str, nonce: u32) -> EntityAddr {
    EntityAddr::new(text.parse().unwrap(), nonce)
}

/// An acceptor's first words.
pub fn greeting(mine: &EntityAddr, seen: &EntityAddr) -> Vec<u8> {
    [&BANNER[..], &address::emit(mine), &address::emit(seen)].concat()
}

/// A connector's first words.
pub fn hello(mine: &EntityAddr) -> Vec<u8> {
    [&BANNER[..], &address::emit(mine)].concat()
}

/// A client's connect to an osd.
pub fn connect(global_seq: u32, connect_seq: u32) -> Connect {
    Connect {
        features: features::SUPPORTED,
        host_type: EntityType::CLIENT.0.into(),
        global_seq,
        connect_seq,
        protocol_version: 24,
        ..Connect::default()
    }
}

/// An acceptor's reply to a client that says it is protocol version 0.
pub fn reply(tag: u8) -> ConnectReply {
    ConnectReply { tag, features: features::SUPPORTED, connect_seq: 1, global_seq: 1, ..ConnectReply::default() }
}

/// A connector played by the test.
pub struct Connector {
    /// Its wire.
    pub wire: usize,
}

impl Connector {
    /// Dials `node` from `from` and says hello.
    pub fn dial(net: &mut Net, node: &Arc<Node>, from: EntityAddr) -> Connector {
        let wire = net.dial(node, &from.socket.unwrap().to_string());
        net.write(wire, 0, &hello(&from));
        net.run();
        assert_eq!(net.read(wire, 0).len(), GREETING_LEN);
        Connector { wire }
    }

    /// Sends a connect and returns the reply, with what follows it.
    pub fn ask(&self, net: &mut Net, connect: &Connect) -> (ConnectReply, Vec<u8>) {
        net.write(self.wire, 0, &connect.emit());
        net.run();
        self.reply(net)
    }

    /// The reply that is there.
    pub fn reply(&self, net: &mut Net) -> (ConnectReply, Vec<u8>) {
        let mut bytes = net.read(self.wire, 0);
        assert!(bytes.len() >= REPLY_LEN, "no reply but {bytes:?}");
        let rest = bytes.split_off(REPLY_LEN);
        (ConnectReply::parse(&bytes.try_into().unwrap()), rest)
    }

    /// As [`Connector::ask`], going on through RETRY_GLOBAL as a real connector would.
    pub fn ask_until_settled(&self, net: &mut Net, mut connect: Connect) -> (ConnectReply, Vec<u8>) {
        loop {
            let (reply, rest) = self.ask(net, &connect);
            if reply.tag != tag::RETRY_GLOBAL {
                return (reply, rest);
            }
            connect.global_seq = reply.global_seq + 1;
        }
    }

    /// Opens a session: connects, expects SEQ, and says that `in_seq` was received.
    pub fn open(&self, net: &mut Net, connect: Connect, in_seq: u64) -> ConnectReply {
        let (reply, _) = self.ask_until_settled(net, connect);
        assert_eq!(reply.tag, tag::SEQ, "{reply:?}");
        net.write(self.wire, 0, &in_seq.to_le_bytes());
        net.run();
        reply
    }
}

/// The header of a message whose front, middle and data have these lengths.
pub fn header(seq: u64, [front_len, middle_len, data_len]: [u32; 3]) -> Header {
    Header {
        seq,
        tid: seq,
        kind: 1,
        priority: 127,
        version: 1,
        front_len,
        middle_len,
        data_len,
        data_off: 0,
        source: EntityName::client(1),
        compat_version: 1,
    }
}

/// A message frame with these sections, as a peer with the new footer sends it.
pub fn frame(seq: u64, sections: [&[u8]; 3]) -> Vec<u8> {
    let header = header(seq, sections.map(|section| section.len() as u32)).emit(true);
    let [front_crc, middle_crc, data_crc] = sections.map(|section| crc32c(0, section));
    let footer = Footer { front_crc, middle_crc, data_crc, complete: true, no_data_crc: false };
    let (footer, len) = footer.emit(features::MSG_AUTH);
    [&[tag::MSG], &header[..], &sections.concat(), &footer[..len]].concat()
}

/// A message frame with data only.
pub fn message_frame(seq: u64, data: &[u8]) -> Vec<u8> {
    frame(seq, [&[], &[], data])
}

/// An acceptor played by the test, at the address that a node dials.
pub struct Acceptor {
    /// Its wire.
    pub wire: usize,
    addr: EntityAddr,
}

impl Acceptor {
    /// Lets `node` dial `addr`, and takes its banner.
    pub fn dialled_by(net: &mut Net, node: &Arc<Node>, addr: EntityAddr) -> Acceptor {
        net.play(&addr.socket.unwrap().to_string());
        node.connect_to(EntityType::CLIENT, addr).unwrap();
        let wire = net.dialled();
        net.run();
        assert_eq!(net.read(wire, 1), BANNER);
        Acceptor { wire, addr }
    }

    /// Greets, and returns the connector's address and its first connect.
    pub fn greet(&self, net: &mut Net) -> (EntityAddr, Connect) {
        net.write(self.wire, 1, &greeting(&self.addr, &addr("10.0.0.9:1234", 0)));
        net.run();
        let said = net.read(self.wire, 1);
        let (own, connect) = said.split_at(ADDRESS_LEN);
        let connect = Connect::parse(connect[..CONNECT_LEN].try_into().unwrap());
        (address::parse(own.try_into().unwrap()).unwrap(), connect)
    }

    /// Replies, and returns what the connector says next.
    pub fn say(&self, net: &mut Net, reply: &ConnectReply, rest: &[u8]) -> Vec<u8> {
        net.write(self.wire, 1, &[&reply.emit()[..], rest].concat());
        net.run();
        net.read(self.wire, 1)
    }
}
