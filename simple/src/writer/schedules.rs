//! The pipe under scheduled threads: whatever its session's callers tell it, its writer and reader hear of it.
//!
//! The writer is the real one and writes to a real socket. The reader is a stand-in that reads nothing, for a blocked system
//! call would stop all scheduled threads at once: its link is opened by the test, and it waits as a throttled reader does.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod accepted;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use msgr::session::{Cause, Driver, Link, Session, Step};
use msgr::sync::atomic::{AtomicBool, Ordering::SeqCst};
use msgr::sync::{Arc, Mutex, explore, thread};
use msgr::wire::frame::SMALL_FRAME_LEN;
use msgr::wire::{Connect, ConnectReply, HEADER_LEN, Header, features, footer, tag};
use msgr::{Config, Connection, EntityAddr, EntityName, EntityType, Messenger, Policy, Setup};
use msgr_sim::Node;
use msgr_sim::script::{greeting, reply};
use socket2::SockRef;

use super::{connect, write};
use crate::pipe::{Open, Pipe};

/// The end of a reader, as `reader::read` has it.
struct End<'a>(&'a Pipe);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.hang_up();
        self.0.end_reading();
    }
}

/// A node whose session with a peer is carried by a pipe, and the peer's end of every socket.
struct Piped {
    node: Arc<Node>,
    session: Arc<Session>,
    pipe: Arc<Pipe>,
    peer: EntityAddr,
    listener: TcpListener,
    /// Peer's end of each connection, and what came out of it.
    ends: Mutex<Vec<(TcpStream, Vec<u8>)>>,
    /// The session was marked down, and whoever did it goes on.
    down: AtomicBool,
}

impl Piped {
    fn new(policy: Policy) -> Arc<Piped> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = EntityAddr::new(listener.local_addr().unwrap(), 0);
        // No time passes here, so nothing may wait for it.
        let config = Config { ms_initial_backoff: Duration::ZERO, ms_max_backoff: Duration::ZERO, ..Config::default() };
        let setup = Setup::new(EntityName::client(1)).with_config(config);
        let node = Node::new(setup, "127.0.0.1:1".parse().unwrap(), policy);
        node.connect_to(EntityType::CLIENT, peer).unwrap();
        let session = node.take_dials().pop().unwrap();
        let pipe = Pipe::new(node.core());
        session.attach(pipe.id(), Arc::clone(&pipe) as _);
        Arc::new(Piped { node, session, pipe, peer, listener, ends: Mutex::default(), down: AtomicBool::new(false) })
    }

    fn connection(&self) -> Connection {
        self.node.connect_to(EntityType::CLIENT, self.peer).unwrap()
    }

    /// As [`super::run`].
    fn run(self: &Arc<Piped>) {
        loop {
            self.pipe.begin_step();
            match self.session.step(self.pipe.id(), Instant::now()) {
                Step::Dial(link) => self.dial(link),
                Step::Until(at) => self.pipe.rest(Some(at)),
                Step::Rest => self.pipe.rest(None),
                Step::Gone => return,
            }
        }
    }

    /// As [`super::dial`] and [`super::carry`].
    fn dial(self: &Arc<Piped>, mut link: Box<Link>) {
        let was_down = self.down.load(SeqCst);
        let Ok(local) = connect(&self.pipe, &link) else { return link.lost(Cause::Closed, Instant::now()) };
        self.accept();
        assert!(!was_down, "it connects for a session that was marked down before");
        link.connected(local);
        self.pipe.hand_over(link);
        self.pipe.begin_reading();
        let reader = thread::spawn({
            let this = Arc::clone(self);
            move || this.read(local)
        });
        if let Some(open) = self.pipe.wait_open() {
            write(&self.pipe, &open);
        }
        reader.join().unwrap();
    }

    fn accept(&self) {
        let (end, _) = self.listener.accept().unwrap();
        self.ends.lock().unwrap().push((settled(end), Vec::new()));
    }

    /// As `reader::run`.
    fn read(&self, local: SocketAddr) {
        let _end = End(&self.pipe);
        let Some((mut link, socket)) = self.pipe.take_link() else { return };
        link.chunk(greeting(&self.peer, &EntityAddr::new(local, 0)).into());
        // Fails when the session was closed meanwhile.
        let now = Instant::now();
        let opened = link.process(now).is_ok() && {
            let said = link.take_output().flatten().collect::<Vec<u8>>();
            let connect = Connect::parse(said.last_chunk().unwrap());
            let reply = ConnectReply { connect_seq: connect.connect_seq + 1, ..reply(tag::SEQ) };
            link.chunk([&reply.emit()[..], &[0; 8]].concat().into());
            link.process(now).is_ok_and(|progress| progress.opened)
        };
        if opened {
            let session = Arc::clone(link.session().unwrap());
            self.pipe.opened(Open { session, generation: link.generation(), socket });
            while self.pipe.wait_resume(link.deadline()).is_ok() {}
        }
        link.lost(Cause::Closed, now);
    }

    /// Numbers of the messages on the newest connection.
    fn written(&self) -> Vec<u64> {
        self.ends.lock().unwrap().last_mut().map_or(Vec::new(), |(end, bytes)| written(end, bytes))
    }
}

/// Reads what there is from a non-blocking socket to `bytes`; returns the numbers of all messages so far.
fn written(mut end: &TcpStream, bytes: &mut Vec<u8>) -> Vec<u64> {
    // Ends with an error: nothing more for now, or a connection that broke.
    let _ = end.read_to_end(bytes);
    let (mut tids, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((&tag, behind)) = rest.split_first() {
        if tag == tag::MSG {
            let Some(header) = behind.first_chunk().map(|raw| Header::parse(raw, true).unwrap()) else { break };
            tids.push(header.tid);
            rest = &behind[HEADER_LEN + footer::len(features::SUPPORTED)..];
        } else {
            rest = &rest[SMALL_FRAME_LEN..];
        }
    }
    tids
}

/// A socket that does not block and leaves nothing behind: thousands of connections are made.
fn settled(socket: TcpStream) -> TcpStream {
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Two threads send while two others hang the pipe up and give it spurious news. All of it must arrive at the peer, on the
/// last connection: it acknowledges nothing, so each connection begins with everything.
fn send_while_it_is_hung_up(policy: Policy, hang_ups: usize) {
    let piped = Piped::new(policy);
    let writer = thread::spawn({
        let piped = Arc::clone(&piped);
        move || piped.run()
    });
    let senders = [0..2, 10..12].map(|tids| {
        let piped = Arc::clone(&piped);
        thread::spawn(move || piped.node.send_all(&piped.connection(), tids))
    });
    let hangs_up = thread::spawn({
        let pipe = Arc::clone(&piped.pipe);
        move || (0..hang_ups).for_each(|_| pipe.hang_up())
    });
    let chatters = thread::spawn({
        let pipe = Arc::clone(&piped.pipe);
        move || {
            pipe.resume();
            pipe.step();
            pipe.transmit();
        }
    });
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    hangs_up.join().unwrap();
    chatters.join().unwrap();
    loop {
        let mut tids = piped.written();
        tids.sort_unstable();
        if tids == [0, 1, 10, 11] {
            break;
        }
        thread::yield_now();
    }
    piped.node.shutdown();
    writer.join().unwrap();
    piped.node.wait().unwrap();
}

#[test]
fn what_is_sent_is_written_without_another_nudge() {
    explore::schedules(10_000, || send_while_it_is_hung_up(Policy::lossless_client(), 0));
}

#[test]
fn a_pipe_that_is_hung_up_again_and_again_dials_and_writes_all() {
    explore::schedules(10_000, || send_while_it_is_hung_up(Policy::lossless_client(), 2));
}

#[test]
fn a_pipe_that_rests_in_standby_is_revived_by_a_send() {
    explore::schedules(10_000, || send_while_it_is_hung_up(Policy::lossless_peer(), 1));
}

#[test]
fn a_pipe_whose_session_ends_ends_whatever_it_was_doing() {
    explore::schedules(10_000, || {
        let piped = Piped::new(Policy::lossless_peer());
        let connection = piped.connection();
        let writer = thread::spawn({
            let piped = Arc::clone(&piped);
            move || piped.run()
        });
        let hangs_up = thread::spawn({
            let pipe = Arc::clone(&piped.pipe);
            move || pipe.hang_up()
        });
        let sender = thread::spawn({
            let (piped, connection) = (Arc::clone(&piped), connection.clone());
            move || piped.node.send_all(&connection, 0..1)
        });
        connection.mark_down();
        piped.down.store(true, SeqCst);
        for thread in [writer, hangs_up, sender] {
            thread.join().unwrap();
        }
        piped.node.shutdown();
        piped.node.wait().unwrap();
    });
}
