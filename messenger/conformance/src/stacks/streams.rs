//! Cases: bytes arrive, all of them and in order.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::time::Instant;

use bytes::Bytes;
use msgr::session::{Outbox, ReadInto};
use msgr_async::driver::{Ready, Token};

use super::worker::{Stream, Worker};
use super::{Testbed, on_every_worker};
use crate::{PATIENCE, random};

/// Twice a hundred segments of 10 KiB, sent as one list as far as the socket takes it, and read in small pieces.
pub fn a_long_list_of_segments_arrives_in_order(testbed: &Testbed) {
    const SEGMENTS: usize = 200;
    const SEGMENT: usize = 10_240;
    const PIECE: usize = 1000;
    let pattern: Vec<u8> = (0..SEGMENT).map(|i| (i % 251) as u8).collect();
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (here, there) = worker.pair();
        let mut outbox = Outbox::new();
        let segment = Bytes::from(pattern.clone());
        for _ in 0..SEGMENTS {
            outbox.push(segment.clone());
        }
        let mut received = 0;
        let mut piece = [0; PIECE];
        while received < SEGMENTS * SEGMENT {
            if !outbox.is_empty() {
                match here.socket.send(&outbox) {
                    Ok(n) => outbox.sent(n),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            let n = match there.socket.read(ReadInto::Slice(&mut piece)) {
                Ok(n) => n,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    // Whichever comes first: something to read, or room to write.
                    worker.driver.interest(here.token, true, !outbox.is_empty());
                    assert!(!worker.turn().is_empty(), "no readiness is reported");
                    continue;
                }
            };
            assert!(n > 0, "the stream ends after {received} bytes");
            let expected = (received..received + n).map(|at| pattern[at % SEGMENT]);
            assert!(piece[..n].iter().copied().eq(expected), "wrong bytes behind {received}");
            received += n;
        }
        assert!(outbox.is_empty());
        worker.close(here);
        worker.close(there);
    });
}

/// Messages each client sends, by chance.
const MESSAGES: std::ops::Range<usize> = 100..400;
/// Longest message, bytes.
const MESSAGE_MAX: usize = 1024;
/// Messages under way for each client.
const DEPTH: usize = 16;
const CLIENTS: usize = 16;

/// A client: what it still has to send, and the echoes it expects.
struct Client {
    stream: Stream,
    outbox: Outbox,
    expected: VecDeque<Bytes>,
    left: usize,
    connected: bool,
}

/// The server's end of a connection: it sends back what it reads.
struct Echo {
    stream: Stream,
    outbox: Outbox,
}

enum End {
    Client(Client),
    Echo(Echo),
}

/// On each worker 16 clients send random messages to a server on the same worker, 16 at a time, and get them back.
pub fn many_connections_echo_random_messages(testbed: &Testbed) {
    let seed = random("many_connections_echo_random_messages").u64(..);
    on_every_worker(|| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut worker = Worker::new(testbed);
        let mut ends = HashMap::new();
        let (listening, address) = worker.listen();
        for _ in 0..CLIENTS {
            let stream = worker.connect(address);
            worker.driver.interest(stream.token, true, true);
            let left = random.usize(MESSAGES);
            let (outbox, expected) = (Outbox::new(), VecDeque::new());
            let client = Client { stream, outbox, expected, left, connected: false };
            let echo = Echo { stream: worker.accept(&listening), outbox: Outbox::new() };
            ends.insert(client.stream.token, End::Client(client));
            ends.insert(echo.stream.token, End::Echo(echo));
        }
        // What the accepting saw of the clients is not reported again.
        let all = ends.keys().map(|token| Ready { token: *token, readable: true, writable: true, closed: false });
        let mut ready: Vec<Ready> = all.collect();
        let begun = Instant::now();
        let mut running = CLIENTS;
        while running > 0 {
            assert!(begun.elapsed() < 4 * PATIENCE, "{running} clients are not done");
            for event in ready {
                let Some(end) = ends.get_mut(&event.token) else { continue };
                let done = match end {
                    End::Client(client) => client.go_on(&mut worker, &mut random),
                    End::Echo(echo) => echo.go_on(&mut worker),
                };
                if done {
                    running -= usize::from(matches!(end, End::Client(_)));
                    close(&mut worker, &mut ends, event.token);
                }
            }
            ready = if running > 0 { worker.turn() } else { Vec::new() };
        }
    });
}

fn close(worker: &mut Worker<'_>, ends: &mut HashMap<Token, End>, token: Token) {
    if let Some(End::Client(Client { stream, .. }) | End::Echo(Echo { stream, .. })) = ends.remove(&token) {
        worker.close(stream);
    }
}

/// Sends what the socket takes, and asks to be told of room if that is not all.
fn send(worker: &mut Worker<'_>, stream: &Stream, outbox: &mut Outbox) {
    while !outbox.is_empty() {
        match stream.socket.send(outbox) {
            Ok(n) => outbox.sent(n),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    worker.driver.interest(stream.token, true, !outbox.is_empty());
}

impl Client {
    /// True when the last echo has come.
    fn go_on(&mut self, worker: &mut Worker<'_>, random: &mut fastrand::Rng) -> bool {
        if !self.connected {
            self.connected = self.stream.socket.is_connected().unwrap();
            if !self.connected {
                return false;
            }
        }
        loop {
            while self.left > 0 && self.expected.len() < DEPTH {
                let mut message = vec![0; random.usize(..MESSAGE_MAX)];
                random.fill(&mut message);
                let message = Bytes::from(message);
                // An empty message leaves no trace in a stream.
                if !message.is_empty() {
                    self.outbox.push(message.clone());
                    self.expected.push_back(message);
                }
                self.left -= 1;
            }
            send(worker, &self.stream, &mut self.outbox);
            if self.left == 0 && self.expected.is_empty() {
                return true;
            }
            let mut buffer = [0; MESSAGE_MAX];
            match self.stream.socket.read(ReadInto::Slice(&mut buffer)) {
                Ok(n) => self.check(&buffer[..n]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return false;
                }
            }
        }
    }

    /// Compares what came with the oldest messages that are not back yet.
    fn check(&mut self, mut came: &[u8]) {
        assert!(!came.is_empty(), "the server is gone");
        while !came.is_empty() {
            let expected = self.expected.front_mut().expect("more comes back than was sent");
            let n = came.len().min(expected.len());
            assert_eq!(came[..n], expected[..n]);
            came = &came[n..];
            if n == expected.len() {
                self.expected.pop_front();
            } else {
                *expected = expected.slice(n..);
            }
        }
    }
}

impl Echo {
    /// True when the client is gone.
    fn go_on(&mut self, worker: &mut Worker<'_>) -> bool {
        loop {
            let mut buffer = [0; MESSAGE_MAX];
            match self.stream.socket.read(ReadInto::Slice(&mut buffer)) {
                Ok(0) => return true,
                Ok(n) => self.outbox.push(Bytes::copy_from_slice(&buffer[..n])),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    send(worker, &self.stream, &mut self.outbox);
                    return false;
                }
            }
        }
    }
}
