//! The messenger: binding, starting, and the order in which everything ends.

use std::net::SocketAddr;
use std::time::Instant;

use msgr::session::{Session, Stack};
use msgr::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};
use msgr::{Core, EntityAddr, Error, Messenger, Setup};

use crate::accepter::Accepter;
use crate::listen::listen;
use crate::pipe::Pipe;
use crate::reaper::Reaper;
use crate::{threads, writer};

/// Added to the nonce by a rebind, so that peers take the messenger for another incarnation.
const REBIND_NONCE_STEP: u32 = 1_000_000;

/// A messenger with a reader and a writer thread for each peer; see the crate.
///
/// Dropping it shuts it down and waits for its threads, except in one of these threads, where the end goes on in the
/// background.
pub struct SimpleMessenger(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    reaper: Arc<Reaper>,
    accepter: Mutex<Option<Accepter>>,
    /// How often the messenger has ended. Held while it does.
    ends: Mutex<u64>,
    shut_down: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimpleMessenger {
    /// Makes a messenger. It has no threads until it is used.
    ///
    /// # Errors
    /// None at present: what the host may refuse is asked for when it is needed.
    pub fn new(setup: Setup) -> Result<SimpleMessenger, Error> {
        let inner = Arc::new(Inner {
            core: Core::new(setup),
            reaper: Arc::default(),
            accepter: Mutex::default(),
            ends: Mutex::default(),
            shut_down: Condvar::new(),
        });
        let stack: Arc<dyn Stack> = inner.clone();
        inner.core.install(Arc::downgrade(&stack))?;
        inner.core.time_stages(Instant::now);
        Ok(SimpleMessenger(inner))
    }
}

impl Messenger for SimpleMessenger {
    fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    fn bind(&self, address: SocketAddr) -> Result<EntityAddr, Error> {
        if self.0.core.is_started() {
            return Err(Error::Misuse("bind the messenger before it is started"));
        }
        if locked(&self.0.accepter).is_some() {
            return Err(Error::Misuse("the messenger is bound already; rebind moves it to another port"));
        }
        self.0.bind(address, &[], self.my_addr())
    }

    fn rebind(&self, avoid: &[u16]) -> Result<EntityAddr, Error> {
        let Some(old) = locked(&self.0.accepter).take() else {
            return Err(Error::Misuse("only a bound messenger can be bound again"));
        };
        let (address, accepted) = (old.address(), old.is_started());
        old.stop();
        self.mark_down_all();
        let avoid: Vec<u16> = avoid.iter().copied().chain([address.port()]).collect();
        let mut known = self.my_addr();
        known.nonce = known.nonce.wrapping_add(REBIND_NONCE_STEP);
        let bound = self.0.bind(SocketAddr::new(address.ip(), 0), &avoid, known)?;
        if accepted {
            self.ready();
        }
        Ok(bound)
    }

    fn ready(&self) {
        let inner = &self.0;
        let mut accepter = locked(&inner.accepter);
        if let Some(accepter) = &mut *accepter
            && !inner.core.is_stopping()
            && let Err(error) = accepter.start(&inner.core, &inner.reaper)
        {
            tracing::error!(%error, "no peer can connect");
        }
    }

    fn shutdown(&self) {
        self.0.shutdown();
    }

    fn wait(&self) -> Result<(), Error> {
        let inner = &self.0;
        if threads::is_own(&inner.core) {
            return Err(Error::Misuse("a thread of the messenger would wait for its own end"));
        }
        let mut ends = locked(&inner.ends);
        let before = *ends;
        if !inner.core.is_started() && !inner.core.is_stopping() {
            return Ok(());
        }
        while !inner.core.is_stopping() && *ends == before {
            ends = inner.shut_down.wait(ends).unwrap_or_else(PoisonError::into_inner);
        }
        // Somebody else who waited may have been first.
        if *ends == before {
            inner.end();
            *ends += 1;
        }
        Ok(())
    }
}

impl Inner {
    /// Listens, and announces the new address, with the nonce of the `known` one. If the socket listens on all IPs, one
    /// that a peer taught us stays.
    fn bind(&self, address: SocketAddr, avoid: &[u16], known: EntityAddr) -> Result<EntityAddr, Error> {
        let (listener, address) = listen(address, avoid, self.core.config())?;
        let mut accepter = locked(&self.accepter);
        if accepter.is_some() {
            return Err(Error::Misuse("the messenger is being bound by another thread"));
        }
        *accepter = Some(Accepter::new(listener, address));
        let learned = known.socket.map(|socket| socket.ip());
        let learned = learned.filter(|ip| address.ip().is_unspecified() && ip.is_ipv4() == address.is_ipv4());
        let bound = SocketAddr::new(learned.unwrap_or(address.ip()), address.port());
        let bound = EntityAddr::new(bound, known.nonce);
        self.core.set_addr(bound);
        tracing::info!(%bound, "bound");
        Ok(bound)
    }

    /// Does not wait for anything, so it can be called from any thread.
    fn shutdown(&self) {
        let first = self.core.stop();
        if let Some(accepter) = &*locked(&self.accepter) {
            accepter.interrupt();
        }
        self.core.close_all();
        if first {
            // Whoever is about to wait has either seen that the messenger is stopping, or hears of it.
            drop(locked(&self.ends));
            self.shut_down.notify_all();
        }
    }

    /// Ends everything that is left after [`Inner::shutdown`]: first what makes pipes, then the pipes, then what they
    /// feed.
    fn end(&self) {
        let accepter = locked(&self.accepter).take();
        if let Some(accepter) = accepter {
            accepter.stop();
        }
        // Once more, for what was accepted meanwhile.
        self.core.close_all();
        self.reaper.end();
        self.core.finish();
    }
}

impl Stack for Inner {
    fn dial(&self, session: Arc<Session>) {
        let pipe = Pipe::new(&self.core);
        session.attach(pipe.id(), pipe.clone());
        let (its_pipe, its_session) = (Arc::clone(&pipe), Arc::clone(&session));
        let body = move || writer::run(&its_pipe, &its_session);
        if let Err(error) = self.reaper.start(&self.core, "ms_pipe_write", body) {
            tracing::error!(peer = %session.peer_addr(), %error, "a connection is given up");
            session.give_up();
        }
    }
}

impl Drop for SimpleMessenger {
    fn drop(&mut self) {
        self.0.shutdown();
        if !threads::is_own(&self.0.core) {
            self.0.end();
            return;
        }
        let inner = Arc::clone(&self.0);
        if let Err(error) = thread::Builder::new().name("ms_reaper".into()).spawn(move || inner.end()) {
            tracing::error!(%error, "the messenger's threads are left behind: raise the limit on threads");
        }
    }
}
