//! The listener of a messenger: accepts, and hands each connection to the least loaded worker.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use msgr::Core;

use crate::connection::Connection;
use crate::mailbox::Command;
use crate::messenger::Alive;
use crate::stack::{ConnectedSocket, NetworkStack, ServerSocket};
use crate::worker_pool::WorkerPool;

/// Connections accepted in one turn, so that a storm of them does not starve the worker's other sockets.
const ACCEPTS_PER_TURN: usize = 64;
/// Pause after an accept failed for lack of descriptors or memory: long enough for some to be freed, short enough that
/// waiting peers do not time out.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What to do next about accepting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepting {
    /// Nobody waits: the driver tells when somebody does.
    Idle,
    /// There may be more.
    Again,
    /// The host is out of something: try again after [`ACCEPT_PAUSE`].
    Pause,
}

/// See the module.
pub(crate) struct Processor {
    pub(crate) socket: Box<dyn ServerSocket>,
    pub(crate) core: Arc<Core>,
    /// Weak: the pool's workers own the processor.
    pub(crate) pool: Weak<WorkerPool>,
    pub(crate) stack: Arc<dyn NetworkStack>,
    pub(crate) alive: Alive,
}

impl Processor {
    /// Accepts who waits.
    pub(crate) fn accept(&self) -> Accepting {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.socket.accept(self.core.config()) {
                Ok((socket, from)) => self.place(socket, from),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Accepting::Idle,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        tracing::warn!(%error, "cannot accept: raise the limit on open files (ulimit -n)");
                        return Accepting::Pause;
                    }
                },
            }
        }
        Accepting::Again
    }

    fn place(&self, socket: Arc<dyn ConnectedSocket>, from: std::net::SocketAddr) {
        let Some(pool) = self.pool.upgrade() else { return };
        let placement = pool.place();
        let mailbox = Arc::clone(placement.mailbox());
        let connection =
            Connection::new(Arc::clone(&self.core), placement, Arc::clone(&self.stack), self.alive.clone());
        mailbox.send(Command::Accepted(connection, socket, from), &self.core);
    }
}
