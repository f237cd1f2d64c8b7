//! The accepter: a listening socket, and the thread that accepts from it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use msgr::session::Cause;
use msgr::sync::Arc;
use msgr::sync::atomic::{AtomicBool, Ordering::Relaxed};
use msgr::sync::thread::{self, JoinHandle};
use msgr::{Core, Error};
use socket2::{SockAddr, Socket};

use crate::pipe::Pipe;
use crate::reaper::Reaper;
use crate::{reader, threads};

/// Pause after an error of `accept`. Out of file descriptors or memory, the next call would fail at once and spin;
/// this is short to a peer that waits and long enough to let something be closed.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A bound messenger's socket. Peers that connect before [`Accepter::start`] wait in its backlog.
pub(crate) struct Accepter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    listener: Socket,
    address: SocketAddr,
    stopping: AtomicBool,
}

impl Accepter {
    /// An accepter for a socket that listens on `address`.
    pub(crate) fn new(listener: Socket, address: SocketAddr) -> Accepter {
        Accepter { shared: Arc::new(Shared { listener, address, stopping: AtomicBool::new(false) }), thread: None }
    }

    /// Where it listens; the IP may be unspecified, the port is not.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Starts accepting, unless it did before.
    ///
    /// # Errors
    /// When the system has no room for the thread.
    pub(crate) fn start(&mut self, core: &Arc<Core>, reaper: &Arc<Reaper>) -> Result<(), Error> {
        if self.thread.is_none() {
            let (shared, core, reaper) = (Arc::clone(&self.shared), Arc::clone(core), Arc::clone(reaper));
            self.thread = Some(threads::spawn(&Arc::clone(&core), "ms_accepter", move || shared.run(&core, &reaper))?);
        }
        Ok(())
    }

    /// True when it accepts.
    pub(crate) fn is_started(&self) -> bool {
        self.thread.is_some()
    }

    /// Ends the accepting, without waiting for it.
    pub(crate) fn interrupt(&self) {
        self.shared.stopping.store(true, Relaxed);
        // Linux makes a blocked `accept` return when its socket is shut down.
        if let Err(error) = self.shared.listener.shutdown(Shutdown::Both)
            && error.kind() != io::ErrorKind::NotConnected
        {
            tracing::error!(%error, "cannot shut the listening socket down");
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Ends the accepting and closes the socket.
    pub(crate) fn stop(self) {
        self.interrupt();
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the accepter panicked");
        }
    }
}

impl Shared {
    fn run(&self, core: &Arc<Core>, reaper: &Arc<Reaper>) {
        tracing::debug!(address = %self.address, "accepting");
        loop {
            let accepted = self.listener.accept();
            if self.stopping.load(Relaxed) {
                return;
            }
            match accepted {
                Ok((socket, peer)) => {
                    if let Err(error) = begin(core, reaper, socket, &peer) {
                        tracing::debug!(%error, "a peer left before it was accepted");
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                }
                Err(error) => {
                    tracing::warn!(%error, pause = ?ERROR_PAUSE, "cannot accept; if files ran out, raise ulimit -n");
                    thread::park_timeout(ERROR_PAUSE);
                }
            }
        }
    }
}

/// Makes a pipe of an accepted socket and starts it.
///
/// # Errors
/// When the socket is not usable. A missing thread is no error: that connection is dropped, the next may fare better.
fn begin(core: &Arc<Core>, reaper: &Arc<Reaper>, socket: Socket, peer: &SockAddr) -> io::Result<()> {
    socket.set_tcp_nodelay(core.config().ms_tcp_nodelay)?;
    let socket = TcpStream::from(socket);
    let local = socket.local_addr()?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
    let pipe = Pipe::accept(core, socket, local, peer);
    let (its_pipe, its_reaper) = (Arc::clone(&pipe), Arc::clone(reaper));
    if let Err(error) = reaper.start(core, "ms_pipe_read", move || reader::run_accepted(&its_pipe, &its_reaper)) {
        tracing::error!(%peer, %error, "a connection is dropped");
        if let Some((link, _socket)) = pipe.take_link() {
            link.lost(Cause::Closed, Instant::now());
        }
    }
    Ok(())
}
