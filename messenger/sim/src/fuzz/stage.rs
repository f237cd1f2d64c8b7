//! A node among a friend and peers that the input plays, and what must hold all the time.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use msgr::{Config, Connection, EntityAddr, EntityName, EntityType, Message, Messenger, Policy, Setup, Throttle};

use super::Source;
use super::ear::{Ear, Opening, Role};
use super::watch::{Note, Watch};
use crate::script::addr;
use crate::{Net, Node};

const NODE: &str = "10.0.0.1:6800";
const FRIEND: &str = "10.0.0.9:6800";
/// Of the friend's address, so that no peer takes it by accident.
const FRIEND_NONCE: u32 = 0x5eed_f00d;
/// Where peers are. The input chooses one by its place.
const PEERS: [&str; 2] = ["10.0.0.2:6800", "10.0.0.3:6800"];
/// Time that the friend may be silent for: well below `ms_connection_idle_timeout`.
const SILENCE_MAX: Duration = Duration::from_secs(200);

/// Seconds that it may take until all is through that peers have sent, with one message in a second.
const BACKLOG_MAX: usize = 600;

/// See the module.
pub(super) struct Stage {
    pub(super) net: Net,
    pub(super) node: Arc<Node>,
    pub(super) watch: Arc<Watch>,
    pub(super) ears: Vec<Ear>,
    /// Wires that were looked at.
    wires: usize,
    friend: Arc<Node>,
    listens: Arc<Watch>,
    chat: Connection,
    chats: u64,
    silence: Duration,
    throttle: Option<Arc<Throttle>>,
    /// Last message received, by the number of the connection, as far as it is known.
    last: HashMap<u64, Option<u64>>,
    /// Peers that asked to forget a session since one last opened.
    resets: HashSet<EntityAddr>,
    /// Peers that ever said something that a peer does not, or started over.
    strange: HashSet<EntityAddr>,
    /// Whether messages are delivered in the moment in which they are received.
    delivers_at_once: bool,
    /// All peers share a small budget for undispatched bytes, so one that announces a message and does not send it holds
    /// the others up.
    scarce: bool,
    checks_crc: bool,
}

/// The address of a peer.
pub(super) fn peer(at: usize) -> EntityAddr {
    addr(PEERS[at % PEERS.len()], 0)
}

impl Stage {
    /// A node as the input wants it, connected to its friend.
    pub(super) fn new(source: &mut Source) -> Stage {
        let (policy, flags) = (source.byte(), source.byte());
        let delays = flags & 0x30 == 0x10;
        let scarce = flags & 4 != 0;
        let config = Config {
            ms_crc_header: flags & 1 == 0,
            ms_crc_data: flags & 2 == 0,
            ms_dispatch_throttle_bytes: if scarce { 2000 } else { 0 },
            ms_inject_delay_type: if delays { "client osd".into() } else { String::new() },
            ms_inject_delay_probability: if delays { 0.5 } else { 0.0 },
            ms_inject_internal_delays: Duration::from_millis(if flags & 0x30 == 0x20 { 3 } else { 0 }),
            ms_out_queue_max_bytes: if flags & 0x40 == 0 { 1 << 30 } else { 5000 },
            ..Config::default()
        };
        let setup = |name, config| Setup { seed: 1, ..Setup::new(name) }.with_config(config);
        let mut net = Net::new();
        net.trace = std::env::var_os("MSGR_TRACE").is_some();
        let node = Node::without_dispatcher(
            setup(EntityName::osd(1), config.clone()),
            NODE.parse().unwrap(),
            policy_of(policy),
        );
        node.set_policy(EntityType::MDS, Policy::lossless_peer());
        let throttle = (policy & 0x80 != 0).then(|| Throttle::new(2));
        node.set_policy_throttlers(EntityType::CLIENT, None, throttle.clone());
        let friend_addr = addr(FRIEND, FRIEND_NONCE);
        let watch = Arc::new(Watch::new(friend_addr, flags & 8 != 0));
        node.add_dispatcher_head(Arc::clone(&watch) as _);
        node.start().unwrap();
        net.add(&node);
        // Both must agree on checksums.
        let friendly = Config {
            ms_crc_header: config.ms_crc_header,
            ms_crc_data: config.ms_crc_data,
            ms_out_queue_max_bytes: 1 << 30,
            ..Config::default()
        };
        let setup = setup(EntityName { kind: EntityType::MDS, num: 9 }, friendly).with_nonce(FRIEND_NONCE);
        let friend = Node::without_dispatcher(setup, FRIEND.parse().unwrap(), Policy::lossless_peer());
        let listens = Arc::new(Watch::new(addr(NODE, 0), false));
        friend.add_dispatcher_head(Arc::clone(&listens) as _);
        friend.start().unwrap();
        net.add(&friend);
        let chat = friend.connect(&node);
        net.run();
        for _ in 0..10 {
            net.advance(Duration::from_millis(10));
        }
        assert!(chat.is_connected(), "the friend is not connected");
        PEERS.iter().for_each(|peer| net.play(peer));
        watch.take_notes();
        net.read_max = [usize::MAX, usize::MAX, 16, 57, 1000][source.below(5)];
        Stage {
            net,
            node,
            watch,
            ears: Vec::new(),
            wires: 1,
            friend,
            listens,
            chat,
            chats: 0,
            silence: Duration::ZERO,
            throttle,
            last: HashMap::new(),
            resets: HashSet::new(),
            strange: HashSet::new(),
            delivers_at_once: !delays,
            scarce,
            checks_crc: config.ms_crc_header,
        }
    }

    /// The connection to a peer, if the node can have one.
    pub(super) fn connection(&self, at: usize) -> Option<Connection> {
        self.node.connect_to(EntityType::CLIENT, peer(at)).ok()
    }

    /// A peer dials the node.
    pub(super) fn dial(&mut self, at: usize) -> usize {
        let wire = self.net.dial(&self.node, PEERS[at % PEERS.len()]);
        self.ears.push(Ear::new(wire, Role::Connector, self.checks_crc));
        self.wires = wire + 1;
        self.settle();
        self.ears.len() - 1
    }

    /// Writes as the peer of a wire, something that a peer may not say just then.
    pub(super) fn say(&mut self, ear: usize, bytes: &[u8]) {
        let Some(known) = self.ears.get_mut(ear) else { return };
        known.is_honest = false;
        self.say_honestly(ear, bytes);
    }

    /// Writes as the peer of a wire, what a peer should.
    pub(super) fn say_honestly(&mut self, ear: usize, bytes: &[u8]) {
        let Some(ear) = self.ears.get_mut(ear) else { return };
        ear.say(bytes);
        self.net.write(ear.wire, ear.side(), bytes);
        self.settle();
    }

    /// Time passes, and the friend says something now and then.
    pub(super) fn pass(&mut self, time: Duration) {
        self.net.advance(time);
        self.settle();
        self.silence += time;
        if self.silence > SILENCE_MAX {
            self.chat();
        }
    }

    /// The friend and the node send each other a message, which must arrive whatever the peers do.
    pub(super) fn chat(&mut self) {
        self.silence = Duration::ZERO;
        let back = self.node.connect_to(EntityType::MDS, addr(FRIEND, FRIEND_NONCE)).unwrap();
        let sent = back.send_message(Message::new(1).with_tid(self.chats));
        if self.scarce && sent.is_err() {
            // What the friend acknowledges is held up behind what it sends.
            return;
        }
        sent.unwrap();
        self.friend.send_all(&self.chat, [self.chats]);
        self.chats += 1;
        self.settle();
        if !self.scarce {
            self.hears_all();
        }
    }

    fn hears_all(&self) {
        let all: Vec<u64> = (0..self.chats).collect();
        assert_eq!(self.watch.heard(), all, "from the friend");
        assert_eq!(self.listens.heard(), all, "to the friend");
    }

    /// Lets everything happen that can happen now, and looks at what did.
    pub(super) fn settle(&mut self) {
        self.net.run();
        for wire in self.wires..self.net.dialled() {
            // The others are the friend's, or go to whom a peer said that it was.
            if let Some(at) = PEERS.iter().position(|peer| self.net.target(wire) == Some(peer.parse().unwrap())) {
                self.ears.push(Ear::new(wire, Role::Acceptor(peer(at)), self.checks_crc));
            }
        }
        self.wires = self.net.dialled();
        for ear in &mut self.ears {
            let bytes = self.net.read(ear.wire, ear.side());
            ear.listen(&bytes);
            if !ear.is_honest {
                self.strange.extend(ear.peer);
            }
            if std::mem::take(&mut ear.reset)
                && let Some(peer) = ear.peer
            {
                self.resets.insert(peer);
            }
        }
        let notes = self.watch.take_notes();
        let mut openings: HashMap<EntityAddr, u32> = HashMap::new();
        for note in &notes {
            if let Note::Opened { peer, .. } = note {
                *openings.entry(*peer).or_default() += 1;
            }
        }
        for note in notes {
            self.account(note, &openings);
        }
        for ear in &self.ears {
            // Whoever acknowledges nothing gets everything again.
            if let Some((first, peer)) = ear.first_seq.zip(ear.peer)
                && !self.strange.contains(&peer)
            {
                assert_eq!(first, 1, "the node does not replay from the start");
            }
        }
        for ear in &mut self.ears {
            let acked = std::mem::take(&mut ear.acked);
            let last = ear.connection.and_then(|id| self.last.get(&id).copied().flatten());
            if self.delivers_at_once {
                assert!(last.is_none_or(|last| acked <= last), "{acked} acknowledged, {last:?} received");
            }
        }
    }

    /// Takes note of what the node has told. `openings` has how often it opened a session with each peer in this turn.
    fn account(&mut self, note: Note, openings: &HashMap<EntityAddr, u32>) {
        match note {
            Note::Opened { id, peer } => {
                // Which wire it was is sure if only one may have been it. One that broke may have opened for the node, which
                // said so into the void.
                let broken = |ear: &Ear| ear.peer == Some(peer) && !ear.is_open && self.net.is_cut(ear.wire);
                let sure = openings.get(&peer) == Some(&1) && !self.ears.iter().any(broken);
                let opened = self.ears.iter_mut().filter(|ear| ear.peer == Some(peer) && ear.opening.is_some());
                let opened: Vec<&mut Ear> = opened.collect();
                let known = sure && opened.len() == 1;
                let mut opening = None;
                for ear in opened {
                    opening = ear.opening.take();
                    ear.connection = known.then_some(id);
                }
                let starts_over = self.resets.remove(&peer);
                if starts_over && self.last.contains_key(&id) {
                    self.strange.insert(peer);
                }
                let last = opening.filter(|_| known).and_then(|opening| self.announced(id, opening, starts_over));
                self.last.insert(id, last);
            }
            Note::Queued { id, seq } => {
                let last = self.last.entry(id).or_insert(Some(seq));
                *last = last.map(|last| last.max(seq));
            }
            Note::Message { id, seq } => {
                let last = self.last.insert(id, Some(seq)).flatten();
                assert!(last.is_none_or(|last| seq > last), "message {seq} after {last:?}");
            }
        }
    }

    /// Checks what the node says that it has received when a session opens; returns it.
    fn announced(&self, id: u64, opening: Opening, may_start_over: bool) -> Option<u64> {
        let last = self.last.get(&id).copied();
        match (opening.announced, last) {
            (Some(announced), _) if opening.starts_over => assert_eq!(announced, 0, "it should have started over"),
            (announced, None) => assert_eq!(announced.unwrap_or(0), 0, "a new session has received something"),
            (Some(announced), Some(Some(last))) if self.delivers_at_once => {
                assert!(
                    announced == last || may_start_over && announced == 0,
                    "{announced} announced, {last} received, may start over: {may_start_over}"
                );
            }
            _ => {}
        }
        match opening.announced {
            None if may_start_over || opening.starts_over => None,
            // What is not known stays so.
            None => last.unwrap_or(Some(0)),
            announced => announced,
        }
    }

    /// An honest peer has sent all messages before this number: they must have been received.
    pub(super) fn must_have(&self, ear: usize, next_seq: u64) {
        let Some(ear) = self.ears.get(ear).filter(|ear| ear.is_honest && !self.net.is_cut(ear.wire)) else { return };
        let (Some(id), true) = (ear.connection, self.delivers_at_once && !self.scarce && self.throttle.is_none())
        else {
            return;
        };
        let last = self.last.get(&id).copied().flatten();
        assert!(last.is_none_or(|last| last + 1 == next_seq), "{last:?} received of what comes before {next_seq}");
    }

    /// The end: all is let go, time passes, the node ends, and nothing is left.
    pub(super) fn finish(mut self) {
        for seconds in [0, 1, 20, 100] {
            self.watch.release();
            self.pass(Duration::from_secs(seconds));
            self.chat();
        }
        // Whatever the peers held up goes on without them, once what is delayed or kept is through.
        self.ears.iter().for_each(|ear| self.net.cut(ear.wire));
        for _ in 0..BACKLOG_MAX {
            if self.watch.heard().len() as u64 == self.chats {
                break;
            }
            self.watch.release();
            self.net.advance(Duration::from_secs(1));
            self.settle();
        }
        self.hears_all();
        self.node.shutdown();
        self.settle();
        assert_eq!(self.node.stats().msgr_active_connections, 0);
        self.watch.release();
        self.net.run();
        let taken = self.throttle.map_or(0, |throttle| throttle.taken());
        assert_eq!(taken, 0, "a throttle is held by nobody");
    }
}

/// One of the policies for peers; bits above choose other things.
fn policy_of(byte: u8) -> Policy {
    match byte % 8 {
        0 => Policy::stateful_server(),
        1 => Policy::lossless_peer(),
        2 => Policy::lossless_peer_reuse(),
        3 => Policy::lossless_client(),
        4 => Policy::stateless_server(),
        5 => Policy::stateless_registered_server(),
        6 => Policy::lossy_client(),
        _ => Policy::lossless_peer().requiring(msgr::wire::features::KEEPALIVE2),
    }
}

impl Net {
    /// Where a node's dial went, while nobody has dialled again.
    fn target(&self, wire: usize) -> Option<SocketAddr> {
        let actor = self.actors.iter().find(|actor| actor.side == 0 && actor.wire == wire)?;
        actor.session.as_ref()?.peer_addr().socket
    }
}
