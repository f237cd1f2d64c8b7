//! A TCP proxy that cuts connections in the middle, or holds them up.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use msgr::EntityAddr;
use msgr::wire::{ADDRESS_LEN, BANNER_LEN};

use crate::gateway;

/// Where the port stands in the acceptor's greeting: the connector checks that who answers is who it dialled.
const PORT_AT: usize = BANNER_LEN + 10;

/// Bytes passed on at once.
const BUFFER: usize = 16 << 10;

/// When a connection is cut: after how many bytes, counted in both directions together; `None` for never.
type Budget = Box<dyn FnMut() -> Option<u64> + Send>;

/// Stands between a server and those who dial the proxy instead.
pub struct Proxy {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Where it listens.
    inner: SocketAddr,
    address: EntityAddr,
}

struct Shared {
    listener: TcpListener,
    server: SocketAddr,
    port: u16,
    stopping: AtomicBool,
    connections: AtomicU64,
    live: Mutex<Vec<TcpStream>>,
    budget: Mutex<Budget>,
    held: Mutex<bool>,
    released: Condvar,
}

impl Proxy {
    /// A proxy to `server` that gives each connection the next budget.
    pub fn new(server: EntityAddr, budget: impl FnMut() -> Option<u64> + Send + 'static) -> Proxy {
        let at = server.socket.unwrap();
        // On the server's IP, for only the port is rewritten.
        let listener = TcpListener::bind(SocketAddr::new(at.ip(), 0)).unwrap();
        let inner = listener.local_addr().unwrap();
        let socket = gateway::to_tcp(inner);
        let shared = Arc::new(Shared {
            listener,
            server: gateway::tcp_to(at),
            port: socket.port(),
            stopping: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            live: Mutex::default(),
            budget: Mutex::new(Box::new(budget)),
            held: Mutex::new(false),
            released: Condvar::new(),
        });
        let its = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || its.accept()));
        Proxy { shared, acceptor, inner, address: EntityAddr::new(socket, server.nonce) }
    }

    /// What to dial.
    pub fn address(&self) -> EntityAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(SeqCst)
    }

    /// Holds all bytes up, or lets them go on, as a congested network does.
    pub fn hold(&self, held: bool) {
        *self.shared.held.lock().unwrap() = held;
        self.shared.released.notify_all();
    }

    /// Cuts every connection there is.
    pub fn cut_all(&self) {
        for socket in self.shared.live.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        self.hold(false);
        drop(TcpStream::connect(self.inner));
        self.cut_all();
        let ended = self.acceptor.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

impl Shared {
    fn accept(self: &Arc<Shared>) {
        let mut pumps = Vec::new();
        for client in self.listener.incoming() {
            let Ok(client) = client else { continue };
            if self.stopping.load(SeqCst) {
                break;
            }
            let Ok(server) = TcpStream::connect(self.server) else { continue };
            self.connections.fetch_add(1, SeqCst);
            let budget = (self.budget.lock().unwrap())().unwrap_or(i64::MAX as u64);
            let left = Arc::new(AtomicI64::new(i64::try_from(budget).unwrap()));
            self.live.lock().unwrap().push(client.try_clone().unwrap());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (its, its_left) = (Arc::clone(self), Arc::clone(&left));
            pumps.push(thread::spawn(move || its.pump(from, to, &its_left, None)));
            let its = Arc::clone(self);
            pumps.push(thread::spawn(move || its.pump(server, client, &left, Some(its.port))));
        }
        self.live.lock().unwrap().iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        for pump in pumps {
            pump.join().unwrap();
        }
    }

    /// Passes bytes on until either end closes or the budget is spent, and then closes both. `port` is written over the one
    /// that an acceptor announces.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, left: &AtomicI64, port: Option<u16>) {
        let mut buffer = vec![0; BUFFER];
        let mut held = 0;
        if let Some(port) = port {
            // The greeting is passed on whole, so that the port is not split.
            let mut greeting = [0; BANNER_LEN + 2 * ADDRESS_LEN];
            if from.read_exact(&mut greeting).is_ok() {
                greeting[PORT_AT..PORT_AT + 2].copy_from_slice(&port.to_be_bytes());
                buffer[..greeting.len()].copy_from_slice(&greeting);
                held = greeting.len();
            }
        }
        loop {
            let n = match std::mem::take(&mut held) {
                0 => from.read(&mut buffer).unwrap_or(0),
                held => held,
            };
            drop(self.released.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
            let before = left.fetch_sub(n as i64, SeqCst);
            let allowed = n.min(usize::try_from(before).unwrap_or(0));
            if to.write_all(&buffer[..allowed]).is_err() || n == 0 || allowed < n {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
