//! The operating system of a test: sockets of a given size, and edge-triggered readiness.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use msgr::Config;
use msgr::session::{Outbox, ReadInto};
use msgr::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::driver::{EventDriver, Ready, Token, Wake};
use crate::stack::{ConnectedSocket, NetworkStack, ServerSocket};

/// See the module. One lock for everything, and one condition that every waiting driver looks at.
pub(super) struct Kernel {
    room: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// In pairs: a socket's peer is its neighbour.
    sockets: Vec<Socket>,
    listeners: HashMap<SocketAddr, Listener>,
    /// Woken, and not having noticed, by the number of the driver.
    woken: Vec<bool>,
}

/// Something that readiness is reported of.
#[derive(Default)]
struct Watched {
    /// Number of the driver, and what it knows this by.
    by: Option<(usize, Token)>,
    readable: bool,
    writable: bool,
}

struct Socket {
    fd: Arc<OwnedFd>,
    inbox: VecDeque<u8>,
    closed: bool,
    watched: Watched,
}

struct Listener {
    fd: Arc<OwnedFd>,
    backlog: VecDeque<usize>,
    watched: Watched,
}

impl Kernel {
    pub(super) fn new(room: usize) -> Arc<Kernel> {
        Arc::new(Kernel { room, state: Mutex::default(), changed: Condvar::new() })
    }

    /// A driver for one worker.
    pub(super) fn driver(self: &Arc<Kernel>) -> Box<dyn EventDriver> {
        let mut state = self.lock();
        state.woken.push(false);
        Box::new(Driver { kernel: Arc::clone(self), number: state.woken.len() - 1 })
    }

    pub(super) fn stack(self: &Arc<Kernel>) -> Arc<dyn NetworkStack> {
        Arc::new(Stack(Arc::clone(self)))
    }

    /// Breaks all connections that there are.
    pub(super) fn break_all(&self) {
        let mut state = self.lock();
        for at in 0..state.sockets.len() {
            state.close(at);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the state, and lets every driver look.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }
}

impl State {
    fn close(&mut self, at: usize) {
        for side in [at, at ^ 1] {
            let socket = &mut self.sockets[side];
            socket.closed = true;
            (socket.watched.readable, socket.watched.writable) = (true, true);
        }
    }

    /// What is known by this descriptor.
    fn watched(&mut self, fd: &Arc<OwnedFd>) -> &mut Watched {
        if let Some(socket) = self.sockets.iter_mut().find(|socket| Arc::ptr_eq(&socket.fd, fd)) {
            return &mut socket.watched;
        }
        &mut self.listeners.values_mut().find(|listener| Arc::ptr_eq(&listener.fd, fd)).unwrap().watched
    }

    fn all_watched(&mut self) -> impl Iterator<Item = (&mut Watched, bool)> {
        let sockets = self.sockets.iter_mut().map(|socket| (&mut socket.watched, socket.closed));
        sockets.chain(self.listeners.values_mut().map(|listener| (&mut listener.watched, false)))
    }
}

struct Driver {
    kernel: Arc<Kernel>,
    number: usize,
}

struct Bell(Arc<Kernel>, usize);

impl Wake for Bell {
    fn wake(&self) -> io::Result<()> {
        self.0.change(|state| state.woken[self.1] = true);
        Ok(())
    }
}

impl EventDriver for Driver {
    fn add(&mut self, source: &Arc<OwnedFd>, token: Token) -> io::Result<()> {
        let by = Some((self.number, token));
        // Whatever is so already is reported too.
        self.kernel.change(|state| {
            let watched = state.watched(source);
            *watched = Watched { by, readable: true, writable: true };
        });
        Ok(())
    }

    fn interest(&mut self, _: Token, _: bool, _: bool) {}

    fn remove(&mut self, source: &Arc<OwnedFd>, _: Token) -> io::Result<()> {
        self.kernel.lock().watched(source).by = None;
        Ok(())
    }

    /// No time passes: a wait that may take some takes for ever.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = self.kernel.lock();
        loop {
            for (watched, closed) in state.all_watched() {
                let Some((_, token)) = watched.by.filter(|(number, _)| *number == self.number) else { continue };
                let (readable, writable) =
                    (std::mem::take(&mut watched.readable), std::mem::take(&mut watched.writable));
                if readable || writable {
                    ready.push(Ready { token, readable, writable, closed });
                }
            }
            let woken = std::mem::take(&mut state.woken[self.number]);
            if woken || !ready.is_empty() || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            state = self.kernel.changed.wait(state).unwrap();
        }
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Bell(Arc::clone(&self.kernel), self.number))
    }

    fn is_edge_triggered(&self) -> bool {
        true
    }
}

struct Stack(Arc<Kernel>);

struct Server {
    kernel: Arc<Kernel>,
    address: SocketAddr,
    fd: Arc<OwnedFd>,
}

struct Stream {
    kernel: Arc<Kernel>,
    at: usize,
    fd: Arc<OwnedFd>,
}

impl Stream {
    fn new(kernel: &Arc<Kernel>, at: usize) -> Arc<Stream> {
        let fd = Arc::clone(&kernel.lock().sockets[at].fd);
        Arc::new(Stream { kernel: Arc::clone(kernel), at, fd })
    }
}

impl NetworkStack for Stack {
    fn listen(&self, address: SocketAddr, _: &Config) -> io::Result<Box<dyn ServerSocket>> {
        let fd = descriptor();
        let listener = Listener { fd: Arc::clone(&fd), backlog: VecDeque::new(), watched: Watched::default() };
        self.0.change(|state| state.listeners.insert(address, listener));
        Ok(Box::new(Server { kernel: Arc::clone(&self.0), address, fd }))
    }

    fn connect(&self, peer: SocketAddr, _: Option<IpAddr>, _: &Config) -> io::Result<Arc<dyn ConnectedSocket>> {
        let at = self.0.change(|state| {
            let at = state.sockets.len();
            let listener = state.listeners.get_mut(&peer).ok_or(io::ErrorKind::ConnectionRefused)?;
            listener.backlog.push_back(at + 1);
            listener.watched.readable = true;
            for _ in 0..2 {
                let (inbox, watched) = (VecDeque::new(), Watched::default());
                state.sockets.push(Socket { fd: descriptor(), inbox, closed: false, watched });
            }
            io::Result::Ok(at)
        })?;
        Ok(Stream::new(&self.0, at))
    }
}

impl ServerSocket for Server {
    fn accept(&self, _: &Config) -> io::Result<(Arc<dyn ConnectedSocket>, SocketAddr)> {
        let next = self.kernel.change(|state| state.listeners.get_mut(&self.address)?.backlog.pop_front());
        let at = next.ok_or(io::ErrorKind::WouldBlock)?;
        Ok((Stream::new(&self.kernel, at), client_address()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.fd, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.remove(&self.fd, token)
    }
}

impl ConnectedSocket for Stream {
    fn is_connected(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(client_address())
    }

    fn read(&self, into: ReadInto<'_>) -> io::Result<usize> {
        self.kernel.change(|state| {
            let socket = &mut state.sockets[self.at];
            if socket.inbox.is_empty() {
                return if socket.closed { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
            let n = match into {
                ReadInto::Slice(room) => {
                    let n = room.len().min(socket.inbox.len());
                    socket.inbox.drain(..n).zip(room).for_each(|(byte, place)| *place = byte);
                    n
                }
                ReadInto::Append(body) => {
                    let n = (body.capacity() - body.len()).min(socket.inbox.len());
                    body.extend(socket.inbox.drain(..n));
                    n
                }
            };
            // There is room again.
            state.sockets[self.at ^ 1].watched.writable = true;
            Ok(n)
        })
    }

    fn send(&self, outbox: &Outbox) -> io::Result<usize> {
        self.kernel.change(|state| {
            if state.sockets[self.at].closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let peer = &mut state.sockets[self.at ^ 1];
            let n = outbox.len().min(self.kernel.room - peer.inbox.len());
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            peer.inbox.extend(outbox.segments().flatten().take(n));
            peer.watched.readable = true;
            Ok(n)
        })
    }

    fn shutdown(&self) {
        self.kernel.change(|state| state.close(self.at));
    }

    fn can_send_inline(&self) -> bool {
        true
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.fd, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.remove(&self.fd, token)
    }
}

/// Where every client seems to be.
fn client_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 6800))
}

/// What a socket is known by.
fn descriptor() -> Arc<OwnedFd> {
    Arc::new(std::fs::File::open("/dev/null").unwrap().into())
}
