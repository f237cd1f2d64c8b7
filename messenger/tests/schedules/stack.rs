//! A stack of threads around one session: signals that a session gives its driver, and links whose peer is the test.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use msgr::session::{Cause, Driver, Link, Outbox, Refill, Session, Step};
use msgr::sync::{Arc, Condvar, Mutex};
use msgr::wire::frame::SMALL_FRAME_LEN;
use msgr::wire::{Connect, ConnectReply, HEADER_LEN, Header, REPLY_LEN, features, footer, tag};
use msgr::{EntityName, EntityType, Messenger, Policy, Setup};
use msgr_sim::Node;
use msgr_sim::script::{GREETING_LEN, addr, connect, greeting, hello, reply};

/// Where the node is.
pub(crate) const NODE: &str = "10.0.0.1:6800";
/// Where the peer is that the test plays.
pub(crate) const PEER: &str = "10.0.0.2:6800";

/// What a driver was told and has not done yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) transmit: bool,
    pub(crate) step: bool,
    pub(crate) resume: bool,
    pub(crate) hang_up: bool,
}

/// A driver whose thread can wait for what it is told.
#[derive(Default)]
pub(crate) struct Signals {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Signals {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits for something that `wanted` picks, and takes all there is.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Told) -> bool) -> Told {
        let mut told = self.told.lock().unwrap();
        while !wanted(&told) {
            told = self.changed.wait(told).unwrap();
        }
        std::mem::take(&mut *told)
    }

    /// Whether the link was hung up. It stays so.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.told.lock().unwrap().hang_up
    }

    /// Waits until there is something to write, or the link is hung up. True for the latter; that stays.
    pub(crate) fn wait_for_transmit_or_end(&self) -> bool {
        let mut told = self.told.lock().unwrap();
        while !told.transmit && !told.hang_up {
            told = self.changed.wait(told).unwrap();
        }
        told.transmit = false;
        told.hang_up
    }

    /// Waits until it was.
    pub(crate) fn wait_for_hang_up(&self) {
        let mut told = self.told.lock().unwrap();
        while !told.hang_up {
            told = self.changed.wait(told).unwrap();
        }
    }
}

impl Driver for Signals {
    fn transmit(&self) {
        self.tell(|told| told.transmit = true);
    }

    fn step(&self) {
        self.tell(|told| told.step = true);
    }

    fn resume(&self) {
        self.tell(|told| told.resume = true);
    }

    fn hang_up(&self) {
        self.tell(|told| told.hang_up = true);
    }
}

/// A node that takes `policy` for its peers.
pub(crate) fn node(policy: Policy) -> Arc<Node> {
    Node::new(Setup::new(EntityName::osd(1)), NODE.parse().unwrap(), policy)
}

/// Ends a node as its application would.
pub(crate) fn end(node: &Node) {
    node.shutdown();
    node.wait().unwrap();
}

/// A session of `node` with the peer, and who drives it.
pub(crate) struct Driven {
    pub(crate) session: Arc<Session>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) driver: u64,
}

/// Lets `node` connect to the peer, as far as a session that wants to dial.
pub(crate) fn connecting(node: &Arc<Node>) -> Driven {
    node.connect_to(EntityType::CLIENT, addr(PEER, 0)).unwrap();
    let session = node.take_dials().pop().unwrap();
    let (signals, driver) = (Arc::new(Signals::default()), node.core().next_id());
    session.attach(driver, Arc::clone(&signals) as _);
    Driven { session, signals, driver }
}

/// The dial that the session is known to want.
pub(crate) fn dial(driven: &Driven) -> Box<Link> {
    match driven.session.step(driven.driver, Instant::now()) {
        Step::Dial(link) => link,
        _ => panic!("it does not dial"),
    }
}

/// Opens a link that dialled: the peer accepts `connect_seq` as the number of the opening, and has received `in_seq`.
pub(crate) fn open(link: &mut Link, connect_seq: u32, in_seq: u64, lossy: bool) {
    link.connected(NODE.parse().unwrap());
    link.chunk(greeting(&addr(PEER, 0), &addr(NODE, 0)).into());
    assert!(!link.process(Instant::now()).unwrap().opened);
    let reply = ConnectReply { connect_seq, lossy, ..reply(tag::SEQ) };
    link.chunk([&reply.emit()[..], &in_seq.to_le_bytes()].concat().into());
    assert!(link.process(Instant::now()).unwrap().opened);
    link.take_output();
}

/// A link that the peer dialled and that has said hello, with its driver.
pub(crate) fn accepted(node: &Node) -> (Box<Link>, Arc<Signals>) {
    let signals = Arc::new(Signals::default());
    let (driver, peer) = (Arc::clone(&signals) as Arc<dyn Driver>, addr(PEER, 0));
    let core = Arc::clone(node.core());
    let id = core.next_id();
    let mut link = Link::accept(core, id, driver, NODE.parse().unwrap(), PEER.parse().unwrap(), Instant::now());
    link.chunk(hello(&peer).into());
    link.process(Instant::now()).unwrap();
    assert_eq!(link.take_output().map(|bytes| bytes.len()).sum::<usize>(), GREETING_LEN);
    (Box::new(link), signals)
}

/// Gives an accepted link a connect to answer, and lets the time pass for which it then wants to be left alone.
pub(crate) fn feed(link: &mut Link, connect: &Connect) -> Result<(), Cause> {
    link.chunk(Bytes::copy_from_slice(&connect.emit()));
    let progress = link.process(Instant::now())?;
    match progress.due {
        Some(due) => link.on_time(due).map(drop),
        None => Ok(()),
    }
}

/// Asks to connect on an accepted link, and returns the reply with what follows it.
pub(crate) fn ask(link: &mut Link, connect: &Connect) -> (ConnectReply, Vec<u8>) {
    feed(link, connect).unwrap();
    let said = link.take_output().flatten().collect::<Vec<u8>>();
    let (reply, rest) = said.split_at(REPLY_LEN);
    (ConnectReply::parse(reply.try_into().unwrap()), rest.to_vec())
}

/// Asks until the node has an answer other than to ask again, and returns its tag with the sequence number behind SEQ.
pub(crate) fn ask_until_settled(link: &mut Link, connect_seq: u32) -> (u8, u64) {
    let mut connect = connect(1, connect_seq);
    loop {
        let (reply, rest) = ask(link, &connect);
        if reply.tag != tag::RETRY_GLOBAL {
            let seq = rest.try_into().map_or(0, u64::from_le_bytes);
            return (reply.tag, seq);
        }
        connect.global_seq = reply.global_seq + 1;
        msgr::sync::thread::yield_now();
    }
}

/// Says what the peer has received, which opens an accepted link that was answered SEQ.
pub(crate) fn confirm(link: &mut Link, in_seq: u64) {
    link.chunk(Bytes::copy_from_slice(&in_seq.to_le_bytes()));
    assert!(link.process(Instant::now()).unwrap().opened);
}

/// What was written on a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Sequence number and transaction id of each message.
    pub(crate) messages: Vec<(u64, u64)>,
    /// The acknowledgements.
    pub(crate) acks: Vec<u64>,
}

impl Written {
    /// The transaction ids.
    pub(crate) fn tids(&self) -> Vec<u64> {
        self.messages.iter().map(|(_, tid)| *tid).collect()
    }

    /// Takes everything that `outbox` holds: whole frames, for it is always emptied.
    pub(crate) fn take(&mut self, outbox: &mut Outbox) {
        let bytes: VecDeque<u8> = outbox.segments().flatten().copied().collect();
        outbox.sent(bytes.len());
        let bytes: Vec<u8> = bytes.into();
        let mut rest = &bytes[..];
        while let Some((&tag, behind)) = rest.split_first() {
            rest = match tag {
                tag::MSG => {
                    let header = Header::parse(behind.first_chunk().unwrap(), true).unwrap();
                    self.messages.push((header.seq, header.tid));
                    &behind[HEADER_LEN + header.payload_len() as usize + footer::len(features::SUPPORTED)..]
                }
                tag::ACK => {
                    self.acks.push(u64::from_le_bytes(*behind.first_chunk().unwrap()));
                    &rest[SMALL_FRAME_LEN..]
                }
                _ => &rest[SMALL_FRAME_LEN..],
            };
        }
    }
}

/// Writes all that the session has for this link, as a stack does that was told to transmit.
pub(crate) fn flush(session: &Session, generation: u64, written: &mut Written) {
    let mut outbox = Outbox::new();
    while outbox.refill(session, generation) == Refill::Some {
        written.take(&mut outbox);
    }
}
