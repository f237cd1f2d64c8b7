//! The stack as AsyncMessenger sees it: listening and connected sockets, and the factory of messengers on them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use msgr::session::{Outbox, ReadInto};
use msgr::{Config, Error, Messenger, MessengerFactory, Setup};
use msgr_async::AsyncMessenger;
use msgr_async::driver::{EventDriver, Token};
use msgr_async::pollers::Pollers;
use msgr_async::stack::{ConnectedSocket, NetworkStack, ServerSocket, posix};
use socket2::SockRef;

use crate::adapter::{Adapter, Use};
use crate::connection::{Conn, Phase};

/// Makes AsyncMessengers on RDMA verbs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RdmaFactory;

impl MessengerFactory for RdmaFactory {
    fn name(&self) -> &'static str {
        "rdma"
    }

    fn create(&self, setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        let stack = Arc::new(RdmaStack::new(&setup.config)?);
        Ok(Arc::new(AsyncMessenger::new(setup, stack)?))
    }
}

/// Connections by reliable queue pairs of one device.
pub struct RdmaStack {
    adapter: Use,
}

impl RdmaStack {
    /// A stack on the device, port and GID that the options say, shared with the process's other stacks of the same
    /// options.
    ///
    /// # Errors
    /// Misuse when an option does not fit; a local failure when there is no such device, port or GID, it may not be used, or
    /// is not active. The message says what to do.
    pub fn new(config: &Config) -> Result<RdmaStack, Error> {
        Ok(RdmaStack { adapter: Adapter::shared(config)? })
    }

    fn socket(&self, tcp: OwnedFd, dialled: bool) -> Arc<dyn ConnectedSocket> {
        Arc::new(Socket { conn: Conn::new(Arc::clone(&self.adapter), tcp, dialled) })
    }
}

impl NetworkStack for RdmaStack {
    fn listen(&self, address: SocketAddr, config: &Config) -> io::Result<Box<dyn ServerSocket>> {
        let fd = Arc::new(posix::listening(address, config)?.into());
        Ok(Box::new(Listener { fd, stack: RdmaStack { adapter: self.adapter.clone() } }))
    }

    fn connect(&self, peer: SocketAddr, bind: Option<IpAddr>, config: &Config) -> io::Result<Arc<dyn ConnectedSocket>> {
        Ok(self.socket(posix::connecting(peer, bind, config)?.into(), true))
    }
}

struct Listener {
    fd: Arc<OwnedFd>,
    stack: RdmaStack,
}

impl ServerSocket for Listener {
    fn accept(&self, config: &Config) -> io::Result<(Arc<dyn ConnectedSocket>, SocketAddr)> {
        let (socket, from) = posix::accepted(&self.fd, config)?;
        Ok((self.stack.socket(socket.into(), false), from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.fd, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.remove(&self.fd, token)
    }
}

fn local_addr(fd: &OwnedFd) -> io::Result<SocketAddr> {
    SockRef::from(fd).local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// A connection in its owner's hand. Dropped, it is shut; what is under way still arrives.
struct Socket {
    conn: Arc<Conn>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.conn.shut();
    }
}

impl ConnectedSocket for Socket {
    fn is_connected(&self) -> io::Result<bool> {
        let mut state = self.conn.lock();
        self.conn.try_advance(&mut state);
        match &state.failed {
            Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
            None => Ok(state.phase == Phase::Open),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.conn.tcp)
    }

    fn read(&self, into: ReadInto<'_>) -> io::Result<usize> {
        self.conn.read(into)
    }

    fn send(&self, outbox: &Outbox) -> io::Result<usize> {
        self.conn.send(outbox)
    }

    fn shutdown(&self) {
        self.conn.shut();
    }

    fn can_send_inline(&self) -> bool {
        true
    }

    fn join(&self, pollers: &mut Pollers, token: Token) -> io::Result<()> {
        let queues = self.conn.adapter.queues(pollers)?;
        self.conn.join(&queues, token)
    }

    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        driver.add(&self.conn.tcp, token)
    }

    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()> {
        self.conn.leave();
        driver.remove(&self.conn.tcp, token)
    }
}
