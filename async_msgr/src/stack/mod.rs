//! Network stacks: what opens, reads and writes connections.
//!
//! A stack is chosen per messenger and used by every worker. Above this module there are tokens and readiness; file
//! descriptors stay below.

pub mod posix;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use msgr::Config;
use msgr::session::{Outbox, ReadInto};

use crate::driver::{EventDriver, Token};
use crate::pollers::Pollers;

/// Opens listening and connected sockets.
pub trait NetworkStack: Send + Sync {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When the operating system refuses; `AddrInUse` when somebody else listens there.
    fn listen(&self, address: SocketAddr, config: &Config) -> io::Result<Box<dyn ServerSocket>>;

    /// Starts connecting to `peer`, from `bind` if given. [`ConnectedSocket::is_connected`] tells when it is done.
    ///
    /// # Errors
    /// When the operating system refuses at once.
    fn connect(&self, peer: SocketAddr, bind: Option<IpAddr>, config: &Config) -> io::Result<Arc<dyn ConnectedSocket>>;
}

/// Accepts connections.
pub trait ServerSocket: Send {
    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    fn accept(&self, config: &Config) -> io::Result<(Arc<dyn ConnectedSocket>, SocketAddr)>;

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Lets `driver` watch for connections.
    ///
    /// # Errors
    /// As [`EventDriver::add`].
    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()>;

    /// Ends that.
    ///
    /// # Errors
    /// As [`EventDriver::remove`].
    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()>;
}

/// Moves the bytes of one connection. No call blocks. Read by its worker; written by whoever holds the connection's
/// write side.
pub trait ConnectedSocket: Send + Sync {
    /// Whether the connection is up; false while it is still being made.
    ///
    /// # Errors
    /// Why it could not be made.
    fn is_connected(&self) -> io::Result<bool>;

    /// This end's address.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Reads what is there, as far as there is room; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing.
    fn read(&self, into: ReadInto<'_>) -> io::Result<usize>;

    /// Writes what it can of the outbox, in one go, and returns how many bytes that was.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    fn send(&self, outbox: &Outbox) -> io::Result<usize>;

    /// Ends both directions, from any thread: reads see the end of the stream, writes fail.
    fn shutdown(&self);

    /// Whether threads other than the worker may call [`ConnectedSocket::send`].
    fn can_send_inline(&self) -> bool;

    /// Belongs to the worker with these pollers from now on; comes before [`ConnectedSocket::register`]. A stack whose news
    /// do not come through the descriptor alone has its queues polled there.
    ///
    /// # Errors
    /// When the stack has no room for another connection.
    fn join(&self, pollers: &mut Pollers, token: Token) -> io::Result<()> {
        let _ = (pollers, token);
        Ok(())
    }

    /// Lets `driver` watch the connection.
    ///
    /// # Errors
    /// As [`EventDriver::add`].
    fn register(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()>;

    /// Ends that.
    ///
    /// # Errors
    /// As [`EventDriver::remove`].
    fn deregister(&self, driver: &mut dyn EventDriver, token: Token) -> io::Result<()>;
}
