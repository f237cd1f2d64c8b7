//! What a node says on one wire: it must be well formed, whatever it was told.

use msgr::EntityAddr;
use msgr::wire::frame::SMALL_FRAME_LEN;
use msgr::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, Footer, HEADER_LEN, Header, REPLY_LEN,
    address, crc::crc32c, features, footer, tag,
};

use crate::script::{GREETING_LEN, HELLO_LEN};

/// Who a peer on a wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The peer dialled the node.
    Connector,
    /// The node dialled the peer, at this address.
    Acceptor(EntityAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of the node's was heard yet.
    Begun,
    /// The node's address is still to come.
    Greeted,
    /// Connects and replies go to and fro.
    Asking,
    /// The node's own sequence number is to come.
    Opening,
    Open,
}

/// A session that opened on the wire, or is about to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// What the node said that it had received.
    pub(super) announced: Option<u64>,
    /// The peer started over, or the session keeps nothing: there is nothing that was received.
    pub(super) starts_over: bool,
}

/// One wire as its peer follows it.
pub(super) struct Ear {
    pub(super) wire: usize,
    pub(super) role: Role,
    /// The peer's address, once it said one.
    pub(super) peer: Option<EntityAddr>,
    /// An opening that was not accounted for yet.
    pub(super) opening: Option<Opening>,
    /// The connection that opened.
    pub(super) connection: Option<u64>,
    /// The highest acknowledgement that was not looked at yet.
    pub(super) acked: u64,
    /// The last connect of the node's, or the number that the peer's next one should have.
    pub(super) connect_seq: u32,
    /// The last attempt number that the node gave.
    pub(super) global_seq: u32,
    /// Sequence number of the next message that the peer sends.
    pub(super) next_seq: u64,
    /// The peer has said nothing yet.
    pub(super) is_silent: bool,
    /// The peer has said nothing but what a peer should.
    pub(super) is_honest: bool,
    /// Number of the first message that the node sent.
    pub(super) first_seq: Option<u64>,
    /// Tag of the node's last reply.
    pub(super) replied: u8,
    /// How many replies it gave.
    pub(super) replies: usize,
    /// The peer was answered SEQ, and has not said anything since.
    pub(super) owes_in_seq: bool,
    /// How many connects an honest peer has sent.
    pub(super) asks: usize,
    /// Whether frames are the next thing to say.
    pub(super) is_open: bool,
    /// The peer asked to forget a session, and was understood.
    pub(super) reset: bool,
    phase: Phase,
    /// What was heard and said, as far as it is not parsed.
    heard: Vec<u8>,
    said: Vec<u8>,
    /// In common.
    features: u64,
    last_seq: Option<u64>,
    /// A connect of the node's waits for its reply.
    asked: bool,
    /// The peer was told RETRY_GLOBAL when it asked to go on with a session.
    continued: bool,
    /// The node was told on this wire that its session is not known.
    forgot: bool,
    checks_crc: bool,
}

impl Ear {
    pub(super) fn new(wire: usize, role: Role, checks_crc: bool) -> Ear {
        let peer = if let Role::Acceptor(addr) = role { Some(addr) } else { None };
        Ear {
            wire,
            role,
            peer,
            opening: None,
            connection: None,
            acked: 0,
            connect_seq: 0,
            global_seq: 0,
            is_silent: true,
            is_honest: true,
            first_seq: None,
            replied: 0,
            replies: 0,
            owes_in_seq: false,
            asks: 0,
            next_seq: 1,
            is_open: false,
            reset: false,
            phase: Phase::Begun,
            heard: Vec::new(),
            said: Vec::new(),
            features: 0,
            last_seq: None,
            asked: false,
            continued: false,
            forgot: false,
            checks_crc,
        }
    }

    /// The side of the wire that is played.
    pub(super) fn side(&self) -> usize {
        if self.role == Role::Connector { 0 } else { 1 }
    }

    pub(super) fn features(&self) -> u64 {
        if self.is_open { self.features } else { features::SUPPORTED }
    }

    /// The peer says something.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.is_silent = false;
        self.owes_in_seq = false;
        if !self.is_open {
            self.said.extend(bytes);
        }
    }

    /// The node said something.
    pub(super) fn listen(&mut self, bytes: &[u8]) {
        self.heard.extend(bytes);
        while match self.phase {
            Phase::Begun | Phase::Greeted => self.greeting(),
            Phase::Asking if self.role == Role::Connector => self.reply(),
            Phase::Asking => self.connect(),
            Phase::Opening => self.in_seq(),
            Phase::Open => self.frame(),
        } {}
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        self.heard.drain(..n).collect()
    }

    fn greeting(&mut self) -> bool {
        let (len, next) = match (self.role, self.phase) {
            (Role::Connector, _) => (GREETING_LEN, Phase::Asking),
            (_, Phase::Begun) => (BANNER_LEN, Phase::Greeted),
            _ => (ADDRESS_LEN, Phase::Asking),
        };
        if self.heard.len() < len {
            return false;
        }
        let said = self.take(len);
        if self.phase == Phase::Begun {
            assert_eq!(said[..BANNER_LEN], BANNER);
        } else {
            // What made the node say its address.
            self.said.drain(..GREETING_LEN);
        }
        self.phase = next;
        true
    }

    /// A reply to the peer's connect.
    fn reply(&mut self) -> bool {
        let Some(raw) = self.heard.first_chunk::<REPLY_LEN>() else { return false };
        let reply = ConnectReply::parse(raw);
        let len = REPLY_LEN + reply.authorizer_len as usize;
        let whole = len + if reply.tag == tag::SEQ { 8 } else { 0 };
        if self.heard.len() < whole {
            return false;
        }
        let bytes = self.take(whole);
        if self.peer.is_none() {
            let hello: Vec<u8> = self.said.drain(..HELLO_LEN).collect();
            self.peer = Some(address::parse(hello[BANNER_LEN..].try_into().unwrap()).unwrap());
        }
        let connect = Connect::parse(self.said.first_chunk::<CONNECT_LEN>().unwrap());
        self.said.drain(..CONNECT_LEN + connect.authorizer_len as usize);
        self.connect_seq = match reply.tag {
            tag::RETRY_SESSION => reply.connect_seq,
            tag::RESETSESSION => 0,
            _ => connect.connect_seq,
        };
        self.global_seq = reply.global_seq;
        self.replied = reply.tag;
        self.continued |= reply.tag == tag::RETRY_GLOBAL && connect.connect_seq > 0;
        self.replies += 1;
        // The node may have kept a session that keeps nothing, and tells a peer that goes on with it to start over.
        self.reset |= connect.connect_seq == 0 || reply.tag == tag::RESETSESSION;
        if matches!(reply.tag, tag::SEQ | tag::READY) {
            let announced = match reply.tag {
                tag::SEQ => bytes.last_chunk().map(|raw| u64::from_le_bytes(*raw)),
                // Said without a word.
                _ => (connect.connect_seq == 0 && !self.continued).then_some(0),
            };
            // A link that has taken a session over to go on with it is not judged anew.
            let starts_over = (connect.connect_seq == 0 || reply.lossy) && !self.continued;
            self.opens(connect.features, announced, starts_over);
            self.owes_in_seq = reply.tag == tag::SEQ;
        }
        true
    }

    /// A connect of the node's, which answers the peer's last reply.
    fn connect(&mut self) -> bool {
        let replied = self.said.first_chunk::<REPLY_LEN>().map(ConnectReply::parse);
        if let Some(reply) = replied.filter(|_| self.asked) {
            let len = REPLY_LEN + reply.authorizer_len as usize;
            let whole = len + if reply.tag == tag::SEQ { 8 } else { 0 };
            if self.said.len() < whole {
                return false;
            }
            self.said.drain(..whole);
            self.reset |= reply.tag == tag::RESETSESSION;
            self.forgot |= reply.tag == tag::RESETSESSION;
            self.asked = false;
            match reply.tag {
                tag::READY => self.opens(reply.features, None, reply.lossy),
                tag::SEQ => {
                    self.features = reply.features & features::SUPPORTED;
                    self.phase = Phase::Opening;
                }
                _ => {}
            }
            return true;
        }
        let Some(raw) = self.heard.first_chunk::<CONNECT_LEN>() else { return false };
        let connect = Connect::parse(raw);
        let len = CONNECT_LEN + connect.authorizer_len as usize;
        if self.heard.len() < len {
            return false;
        }
        self.take(len);
        self.connect_seq = connect.connect_seq;
        self.asked = true;
        true
    }

    fn in_seq(&mut self) -> bool {
        let Some(raw) = self.heard.first_chunk().copied() else { return false };
        self.take(8);
        self.opens(self.features, Some(u64::from_le_bytes(raw)), self.forgot);
        true
    }

    fn opens(&mut self, features: u64, announced: Option<u64>, starts_over: bool) {
        self.features = features & features::SUPPORTED;
        self.opening = Some(Opening { announced, starts_over });
        self.next_seq = announced.unwrap_or(0) + 1;
        self.phase = Phase::Open;
        self.is_open = true;
        self.said.clear();
    }

    fn frame(&mut self) -> bool {
        let Some((&tag, behind)) = self.heard.split_first() else { return false };
        let len = match tag {
            tag::MSG => {
                let Some(raw) = behind.first_chunk::<HEADER_LEN>() else { return false };
                let header = Header::parse(raw, self.checks_crc).unwrap();
                let footer_len = footer::len(self.features);
                let len = 1 + HEADER_LEN + header.payload_len() as usize + footer_len;
                let Some(frame) = self.heard.get(..len) else { return false };
                let footer = Footer::parse(&frame[len - footer_len..]).unwrap();
                assert!(footer.complete, "the node aborted a message");
                let front = &frame[1 + HEADER_LEN..][..header.front_len as usize];
                assert!(!self.checks_crc || crc32c(0, front) == footer.front_crc);
                let expected = self.last_seq.map_or(header.seq, |last| last + 1);
                assert_eq!(header.seq, expected, "the node skips or repeats a number");
                self.last_seq = Some(header.seq);
                self.first_seq.get_or_insert(header.seq);
                len
            }
            tag::ACK | tag::KEEPALIVE2 | tag::KEEPALIVE2_ACK => {
                let Some(raw) = behind.first_chunk() else { return false };
                if tag == tag::ACK {
                    self.acked = self.acked.max(u64::from_le_bytes(*raw));
                }
                SMALL_FRAME_LEN
            }
            tag::KEEPALIVE => 1,
            tag => panic!("the node wrote a frame with tag {tag}"),
        };
        self.take(len);
        true
    }
}
