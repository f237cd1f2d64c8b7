//! Between TCP and another network stack: lets cases that speak raw bytes, or cut and hold up connections, do so to
//! messengers on a stack of their own.
//!
//! A test file of such a stack calls [`install`] before its first case; without, everything is TCP and nothing is between.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msgr::Config;
use msgr::session::{Outbox, ReadInto};
use msgr_async::driver::{EpollDriver, Token};
use msgr_async::pollers::Pollers;
use msgr_async::stack::posix::PosixStack;
use msgr_async::stack::{ConnectedSocket, NetworkStack, ServerSocket};

/// Bytes on their way through in one direction beyond which it reads no more, so that who writes feels who reads.
const PENDING_MAX: usize = 64 << 10;
/// A gateway that nobody has used for so long has done its work.
const IDLE: Duration = Duration::from_secs(60);

static STACK: OnceLock<Arc<dyn NetworkStack>> = OnceLock::new();

/// Says what stack the messengers of this process are on.
pub fn install(stack: impl FnOnce() -> Arc<dyn NetworkStack>) {
    STACK.get_or_init(stack);
}

/// Where a TCP connection reaches the messenger at `server`.
pub fn tcp_to(server: SocketAddr) -> SocketAddr {
    match STACK.get() {
        Some(stack) => open(Arc::new(PosixStack), Arc::clone(stack), server),
        None => server,
    }
}

/// Where a messenger reaches the TCP socket that listens at `address`.
pub fn to_tcp(address: SocketAddr) -> SocketAddr {
    match STACK.get() {
        Some(stack) => open(Arc::clone(stack), Arc::new(PosixStack), address),
        None => address,
    }
}

/// Listens with one stack; whoever comes is connected to `target` by the other.
fn open(listens: Arc<dyn NetworkStack>, dials: Arc<dyn NetworkStack>, target: SocketAddr) -> SocketAddr {
    // On the target's IP, which a greeting that is passed on names.
    let socket = listens.listen(SocketAddr::new(target.ip(), 0), &Config::default()).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let gateway = Gateway {
            driver: EpollDriver::new().unwrap(),
            pollers: Pollers::default(),
            config: Config::default(),
            pairs: Vec::new(),
            next: 1,
        };
        gateway.serve(&*socket, &*dials, target);
    });
    address
}

struct Gateway {
    driver: EpollDriver,
    pollers: Pollers,
    config: Config,
    pairs: Vec<[End; 2]>,
    next: usize,
}

/// One side of a connection, and what waits to be written to it.
struct End {
    socket: Arc<dyn ConnectedSocket>,
    token: Token,
    connecting: bool,
    pending: Outbox,
}

impl Gateway {
    fn serve(mut self, listening: &dyn ServerSocket, dials: &dyn NetworkStack, target: SocketAddr) {
        listening.register(&mut self.driver, Token(0)).unwrap();
        let mut used = Instant::now();
        while used.elapsed() < IDLE {
            while let Ok((accepted, _)) = listening.accept(&self.config) {
                if let Ok(dialled) = dials.connect(target, None, &self.config) {
                    let pair = [self.end(accepted, false), self.end(dialled, true)];
                    self.pairs.push(pair);
                }
            }
            let mut pairs = std::mem::take(&mut self.pairs);
            pairs.retain_mut(|pair| {
                let goes_on = carry(pair).is_ok();
                if !goes_on {
                    self.close(pair);
                }
                goes_on
            });
            self.pairs = pairs;
            if !self.pairs.is_empty() {
                used = Instant::now();
            }
            self.pollers.wait(&mut self.driver, &mut Vec::new(), Some(Duration::from_secs(1))).unwrap();
        }
    }

    fn end(&mut self, socket: Arc<dyn ConnectedSocket>, connecting: bool) -> End {
        let token = Token(self.next);
        self.next += 1;
        socket.join(&mut self.pollers, token).unwrap();
        socket.register(&mut self.driver, token).unwrap();
        End { socket, token, connecting, pending: Outbox::new() }
    }

    fn close(&mut self, pair: &[End; 2]) {
        for end in pair {
            end.socket.deregister(&mut self.driver, end.token).unwrap();
            end.socket.shutdown();
        }
    }
}

/// Carries what there is, both ways, until nothing moves.
///
/// # Errors
/// When either side has ended, and what it said before was passed on.
fn carry(pair: &mut [End; 2]) -> io::Result<()> {
    let [one, other] = pair;
    loop {
        let (there, back) = (pass(one, other), pass(other, one));
        if !(there? | back?) {
            return Ok(());
        }
    }
}

/// Passes on what one side has said; whether anything moved.
fn pass(from: &End, to: &mut End) -> io::Result<bool> {
    let mut moved = false;
    let mut end = None;
    if to.connecting {
        to.connecting = !to.socket.is_connected()?;
    }
    while !from.connecting && to.pending.len() < PENDING_MAX {
        let mut buffer = vec![0; PENDING_MAX];
        match from.socket.read(ReadInto::Slice(&mut buffer)) {
            Ok(0) => end = Some(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer.truncate(n);
                to.pending.push(Bytes::from(buffer));
                moved = true;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => end = Some(error),
        }
        break;
    }
    while !to.connecting && !to.pending.is_empty() {
        match to.socket.send(&to.pending) {
            Ok(n) => {
                to.pending.sent(n);
                moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    match end {
        // What it said last is passed on first, as far as it is taken.
        Some(error) if to.pending.is_empty() || !moved => Err(error),
        _ => Ok(moved),
    }
}
