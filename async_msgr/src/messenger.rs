//! AsyncMessenger: the application's side.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use msgr::session::{Session, Stack};
use msgr::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, thread};
use msgr::{Core, EntityAddr, Error, Messenger, MessengerFactory, Setup};

use crate::connection::Connection;
use crate::mailbox::Command;
use crate::processor::Processor;
use crate::stack::posix::PosixStack;
use crate::stack::{NetworkStack, ServerSocket};
use crate::worker;
use crate::worker_pool::WorkerPool;

/// Added to the nonce by a rebind, so that peers do not take the new address for the old incarnation.
const REBIND_NONCE_STEP: u32 = 1_000_000;

/// Makes AsyncMessengers on the kernel's TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncFactory;

impl MessengerFactory for AsyncFactory {
    fn name(&self) -> &'static str {
        "async"
    }

    fn create(&self, setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        Ok(Arc::new(AsyncMessenger::new(setup, Arc::new(PosixStack))?))
    }
}

/// A messenger whose connections are spread over the process's workers.
pub struct AsyncMessenger {
    core: Arc<Core>,
    dialer: Arc<Dialer>,
    alive: AliveCount,
    state: Mutex<Lifecycle>,
    changed: Condvar,
}

#[derive(Default)]
struct Lifecycle {
    /// Bound and not yet accepting.
    bound: Option<Box<dyn ServerSocket>>,
    /// Accepting.
    listening: bool,
    shut_down: bool,
}

/// What dials for the messenger's sessions; also its share of the pool.
struct Dialer {
    core: Arc<Core>,
    pool: Arc<WorkerPool>,
    stack: Arc<dyn NetworkStack>,
    alive: AliveCount,
}

/// Counts what `wait` waits for.
#[derive(Clone, Default)]
pub(crate) struct AliveCount(Arc<(Mutex<usize>, Condvar)>);

/// Something `wait` waits for, until dropped.
pub(crate) struct Alive(AliveCount);

impl AliveCount {
    fn one(&self) -> Alive {
        *self.lock() += 1;
        Alive(self.clone())
    }

    fn wait_for_none(&self) {
        let mut count = self.lock();
        while *count > 0 {
            count = self.0.1.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Alive {
    fn clone(&self) -> Alive {
        self.0.one()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut count = self.0.lock();
        *count -= 1;
        if *count == 0 {
            self.0.0.1.notify_all();
        }
    }
}

impl AsyncMessenger {
    /// A messenger on `stack`.
    ///
    /// # Errors
    /// When the workers cannot be started.
    pub fn new(setup: Setup, stack: Arc<dyn NetworkStack>) -> Result<AsyncMessenger, Error> {
        let pool = WorkerPool::shared(&setup.config).map_err(|error| Error::local("starting the workers", error))?;
        AsyncMessenger::on(pool, setup, stack)
    }

    /// A messenger on `stack` whose connections are carried by `pool`.
    pub(crate) fn on(
        pool: Arc<WorkerPool>,
        setup: Setup,
        stack: Arc<dyn NetworkStack>,
    ) -> Result<AsyncMessenger, Error> {
        let core = Core::new(setup);
        let alive = AliveCount::default();
        let dialer = Arc::new(Dialer { core: Arc::clone(&core), pool, stack, alive: alive.clone() });
        let stack: Weak<dyn Stack> = Arc::downgrade(&(Arc::clone(&dialer) as Arc<dyn Stack>));
        core.install(stack)?;
        core.time_stages(Instant::now);
        Ok(AsyncMessenger { core, dialer, alive, state: Mutex::default(), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Lifecycle> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens on `address`, trying again while it is in use as often as the options say.
    fn listen(&self, address: SocketAddr) -> Result<Box<dyn ServerSocket>, Error> {
        let config = self.core.config();
        let mut tries_left = config.ms_bind_retry_count;
        loop {
            match self.dialer.stack.listen(address, config) {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    return Err(Error::local(format!("binding to {address}"), error));
                }
                Err(_) if tries_left == 0 => return Err(Error::AddressInUse { address }),
                Err(_) => tries_left -= 1,
            }
            tracing::warn!(%address, tries_left, delay = ?config.ms_bind_retry_delay, "in use, trying again");
            thread::sleep(config.ms_bind_retry_delay);
        }
    }

    /// Listens on the first free port of the options' range that is not in `avoid`.
    fn listen_anywhere(&self, mut address: SocketAddr, avoid: &[u16]) -> Result<Box<dyn ServerSocket>, Error> {
        let config = self.core.config();
        let ports = config.ms_bind_port_min..=config.ms_bind_port_max;
        for port in ports.filter_map(|port| u16::try_from(port).ok()).filter(|port| !avoid.contains(port)) {
            address.set_port(port);
            match self.dialer.stack.listen(address, config) {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(Error::local(format!("binding to {address}"), error)),
            }
        }
        Err(Error::AddressInUse { address })
    }

    fn set_bound(&self, socket: Box<dyn ServerSocket>, nonce: u32) -> Result<EntityAddr, Error> {
        let address = socket.local_addr().map_err(|error| Error::local("reading the bound address", error))?;
        let address = EntityAddr::new(address, nonce);
        self.core.set_addr(address);
        self.lock().bound = Some(socket);
        Ok(address)
    }

    fn unlisten(&self) {
        let mut state = self.lock();
        state.bound = None;
        if std::mem::take(&mut state.listening) {
            self.dialer.pool.first().send(Command::Unlisten(Arc::clone(&self.core)), &self.core);
        }
    }
}

impl Messenger for AsyncMessenger {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn bind(&self, address: SocketAddr) -> Result<EntityAddr, Error> {
        if self.core.is_started() {
            return Err(Error::Misuse("bind before starting the messenger"));
        }
        let socket = if address.port() == 0 { self.listen_anywhere(address, &[])? } else { self.listen(address)? };
        self.set_bound(socket, self.my_addr().nonce)
    }

    fn rebind(&self, avoid: &[u16]) -> Result<EntityAddr, Error> {
        let old = self.my_addr();
        let Some(mut address) = old.socket.filter(|socket| socket.port() != 0) else {
            return Err(Error::Misuse("rebind follows bind"));
        };
        self.unlisten();
        self.mark_down_all();
        let mut avoid = avoid.to_vec();
        avoid.push(address.port());
        address.set_port(0);
        let socket = self.listen_anywhere(address, &avoid)?;
        let address = self.set_bound(socket, old.nonce.wrapping_add(REBIND_NONCE_STEP))?;
        self.ready();
        Ok(address)
    }

    fn ready(&self) {
        let mut state = self.lock();
        let Some(socket) = state.bound.take() else { return };
        state.listening = true;
        let processor = Processor {
            socket,
            core: Arc::clone(&self.core),
            pool: Arc::downgrade(&self.dialer.pool),
            stack: Arc::clone(&self.dialer.stack),
            alive: self.alive.one(),
        };
        self.dialer.pool.first().send(Command::Listen(Box::new(processor)), &self.core);
    }

    fn shutdown(&self) {
        self.core.stop();
        self.unlisten();
        self.core.close_all();
        self.lock().shut_down = true;
        self.changed.notify_all();
    }

    fn shared_counters(&self) -> Vec<(&'static str, u64)> {
        vec![("msgr_wait_calls", self.dialer.pool.wait_calls())]
    }

    fn wait(&self) -> Result<(), Error> {
        if worker::is_worker() || self.core.is_own_thread() {
            return Err(Error::Misuse("wait from one of the messenger's own threads would wait for itself"));
        }
        let mut state = self.lock();
        if !self.core.is_started() && !state.shut_down {
            return Ok(());
        }
        while !state.shut_down {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        // Connections that were being accepted while it shut down.
        self.core.close_all();
        self.alive.wait_for_none();
        self.core.finish();
        self.lock().shut_down = false;
        Ok(())
    }
}

impl Stack for Dialer {
    fn dial(&self, session: Arc<Session>) {
        let placement = self.pool.place();
        let placed = Arc::clone(placement.mailbox());
        let connection = Connection::new(Arc::clone(&self.core), placement, Arc::clone(&self.stack), self.alive.one());
        session.attach(connection.id, Arc::clone(&connection) as _);
        placed.send(Command::Start(connection, session), &self.core);
    }
}

impl Drop for AsyncMessenger {
    /// A messenger that was not shut down is now. Waits for its connections, except on a thread that they need.
    fn drop(&mut self) {
        self.shutdown();
        if !worker::is_worker() && !self.core.is_own_thread() {
            self.alive.wait_for_none();
        }
        self.core.finish();
    }
}
