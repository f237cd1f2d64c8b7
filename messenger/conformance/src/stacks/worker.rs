//! A thread's own event loop, reduced to what the cases need: it does one thing at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use msgr::Config;
use msgr::session::{Outbox, ReadInto};
use msgr_async::driver::{EventDriver, Ready, Token};
use msgr_async::pollers::Pollers;
use msgr_async::stack::{ConnectedSocket, ServerSocket};

use super::Testbed;
use crate::PATIENCE;

pub(super) struct Worker<'a> {
    testbed: &'a Testbed,
    pub(super) driver: Box<dyn EventDriver>,
    pollers: Pollers,
    pub(super) config: Config,
    next: usize,
}

/// A listening socket and its token.
pub(super) struct Listening {
    pub(super) socket: Box<dyn ServerSocket>,
    token: Token,
}

/// A connection and its token.
pub(super) struct Stream {
    pub(super) socket: Arc<dyn ConnectedSocket>,
    pub(super) token: Token,
}

impl<'a> Worker<'a> {
    pub(super) fn new(testbed: &'a Testbed) -> Worker<'a> {
        let (driver, pollers) = ((testbed.driver)(), Pollers::default());
        Worker { testbed, driver, pollers, config: Config::default(), next: 0 }
    }

    fn token(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    pub(super) fn listen(&mut self) -> (Listening, SocketAddr) {
        let socket = self.testbed.stack.listen((self.testbed.address)(), &self.config).unwrap();
        let (token, address) = (self.token(), socket.local_addr().unwrap());
        socket.register(&mut *self.driver, token).unwrap();
        self.driver.interest(token, true, false);
        (Listening { socket, token }, address)
    }

    /// Starts connecting.
    pub(super) fn connect(&mut self, address: SocketAddr) -> Stream {
        self.try_connect(address).unwrap()
    }

    /// Starts connecting, which may fail at once.
    pub(super) fn try_connect(&mut self, address: SocketAddr) -> io::Result<Stream> {
        let socket = self.testbed.stack.connect(address, None, &self.config)?;
        Ok(self.watch(socket))
    }

    fn watch(&mut self, socket: Arc<dyn ConnectedSocket>) -> Stream {
        let token = self.token();
        socket.join(&mut self.pollers, token).unwrap();
        socket.register(&mut *self.driver, token).unwrap();
        self.driver.interest(token, true, false);
        Stream { socket, token }
    }

    /// Accepts one connection.
    pub(super) fn accept(&mut self, listening: &Listening) -> Stream {
        let config = self.config.clone();
        let (socket, _) = self.retry(listening.token, false, || listening.socket.accept(&config)).unwrap();
        self.watch(socket)
    }

    /// Connects and accepts.
    pub(super) fn pair(&mut self) -> (Stream, Stream) {
        let (listening, address) = self.listen();
        let here = self.connect(address);
        let there = self.accept(&listening);
        self.finish_connect(&here).unwrap();
        self.unlisten(&listening);
        (here, there)
    }

    /// Waits for the outcome of a connection attempt.
    pub(super) fn finish_connect(&mut self, stream: &Stream) -> io::Result<()> {
        self.retry(stream.token, true, || match stream.socket.is_connected() {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        })
    }

    pub(super) fn read(&mut self, stream: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(stream.token, false, || stream.socket.read(ReadInto::Slice(buffer)))
    }

    pub(super) fn send(&mut self, stream: &Stream, outbox: &Outbox) -> io::Result<usize> {
        self.retry(stream.token, true, || stream.socket.send(outbox))
    }

    /// Lets go of a listening socket.
    pub(super) fn unlisten(&mut self, listening: &Listening) {
        listening.socket.deregister(&mut *self.driver, listening.token).unwrap();
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, stream: Stream) {
        stream.socket.deregister(&mut *self.driver, stream.token).unwrap();
    }

    /// Tries until it would not block; in between, the driver must report something.
    fn retry<T>(&mut self, token: Token, write: bool, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.driver.interest(token, true, write);
        let begun = Instant::now();
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    self.driver.interest(token, true, false);
                    return outcome;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on blocking");
            assert!(!self.turn().is_empty(), "no readiness is reported");
        }
    }

    /// Waits until somebody waits to be accepted.
    pub(super) fn await_arrival(&mut self, listening: &Listening) {
        let begun = Instant::now();
        while !self.turn().iter().any(|ready| ready.token == listening.token) {
            assert!(begun.elapsed() < PATIENCE, "nobody arrives");
        }
    }

    /// Waits for readiness, which pollers may make the driver do in several steps.
    pub(super) fn turn(&mut self) -> Vec<Ready> {
        let (mut ready, begun) = (Vec::new(), Instant::now());
        while ready.is_empty() && begun.elapsed() < PATIENCE {
            self.pollers.wait(&mut *self.driver, &mut ready, Some(PATIENCE)).unwrap();
        }
        ready
    }
}
