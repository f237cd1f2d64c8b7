//! Pipes that were accepted, and one that takes a session over from another.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use msgr::session::Cause;
use msgr::sync::{Arc, explore, thread};
use msgr::wire::tag;
use msgr::{EntityAddr, EntityName, Messenger, Policy, Setup};
use msgr_sim::Node;
use msgr_sim::script::{connect, hello};

use super::super::run_accepted;
use super::{End, settled, written};
use crate::pipe::{Open, Pipe};

/// A pipe of `node` that a peer's connection was accepted for, with the peer's end. Its reader, a stand-in, opens the link
/// as opening number `connect_seq` and starts the writer; then it waits for the end.
fn accepted(node: &Arc<Node>, listener: &TcpListener, connect_seq: u32) -> (TcpStream, thread::JoinHandle<()>) {
    let end = settled(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let (socket, from) = listener.accept().unwrap();
    // The same peer each time, whatever its port.
    let peer = SocketAddr::new(from.ip(), 6800);
    let pipe = Pipe::accept(node.core(), socket, listener.local_addr().unwrap(), peer);
    pipe.begin_reading();
    let reader = thread::spawn(move || {
        let end = End(&pipe);
        let Some((mut link, socket)) = pipe.take_link() else { return };
        let now = Instant::now();
        let mut request = connect(1, connect_seq);
        link.chunk(hello(&EntityAddr::new(peer, 0)).into());
        let mut writer = None;
        let mut opened = link.process(now);
        while let Ok(false) = opened.as_ref().map(|progress| progress.opened) {
            let said = link.take_output().flatten().collect::<Vec<u8>>();
            match said.first() {
                Some(&tag::SEQ) => link.chunk(vec![0; 8].into()),
                _ => {
                    request.global_seq += 1;
                    link.chunk(request.emit().to_vec().into());
                    thread::yield_now();
                }
            }
            opened = link.process(now);
            // The time that it wants to be left alone for.
            if let Some(due) = opened.as_ref().ok().and_then(|progress| progress.due) {
                opened = link.on_time(due);
            }
        }
        if opened.is_ok() {
            let open = Open { session: Arc::clone(link.session().unwrap()), generation: link.generation(), socket };
            pipe.opened(open.clone());
            let its_pipe = Arc::clone(&pipe);
            writer = Some(thread::spawn(move || run_accepted(&its_pipe, &open)));
            while pipe.wait_resume(link.deadline()).is_ok() {}
        }
        link.lost(Cause::Closed, now);
        drop(end);
        if let Some(writer) = writer {
            writer.join().unwrap();
        }
    });
    (end, reader)
}

#[test]
fn a_pipe_whose_session_is_taken_over_ends_and_the_next_one_writes_all() {
    explore::schedules(10_000, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let node = Node::new(Setup::new(EntityName::osd(1)), "127.0.0.1:1".parse().unwrap(), Policy::stateful_server());
        let (_first_end, first) = accepted(&node, &listener, 0);
        let sender = thread::spawn({
            let node = Arc::clone(&node);
            move || {
                while node.connections().is_empty() {
                    thread::yield_now();
                }
                node.send_all(&node.connections()[0], 0..3);
            }
        });
        while node.connections().is_empty() {
            thread::yield_now();
        }
        let (second_end, second) = accepted(&node, &listener, 2);
        sender.join().unwrap();
        // By itself: nobody tells it but the session's new link.
        first.join().unwrap();
        let mut bytes = Vec::new();
        while written(&second_end, &mut bytes) != [0, 1, 2] {
            thread::yield_now();
        }
        node.shutdown();
        second.join().unwrap();
        node.wait().unwrap();
    });
}
