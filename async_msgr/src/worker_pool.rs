//! The worker pool: one per process (and set of pool options), shared by all messengers.

use std::io;

use msgr::stats::ThreadCounter;
use msgr::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use msgr::sync::thread::{self, JoinHandle};
use msgr::sync::{Arc, Mutex, PoisonError, Weak};
use msgr::{Config, EventDriverKind};

use crate::driver::{self, EventDriver};
use crate::mailbox::Mailbox;
use crate::worker::Worker;

/// Most workers in a pool; more than cores only adds switches, and Ceph caps it here too.
const WORKERS_MAX: u64 = 24;

/// What pools differ by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    driver: EventDriverKind,
    workers: u64,
    busy_poll_us: u64,
}

/// A fixed set of workers. They end when the last messenger lets go of the pool.
pub(crate) struct WorkerPool {
    key: Key,
    workers: Vec<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

/// What others know of a worker.
struct Shared {
    mailbox: Arc<Mailbox>,
    edge_triggered: bool,
    /// Connections placed on it.
    references: AtomicUsize,
    /// Its calls that wait for readiness.
    waits: Arc<ThreadCounter>,
}

/// A connection's place on a worker, counted until dropped.
pub(crate) struct Placement(Arc<Shared>);

static POOLS: Mutex<Vec<Weak<WorkerPool>>> = Mutex::new(Vec::new());

impl WorkerPool {
    /// The process's pool for these options, made if there is none.
    pub(crate) fn shared(config: &Config) -> io::Result<Arc<WorkerPool>> {
        let key = Key {
            driver: config.ms_async_event_driver,
            workers: config.ms_async_op_threads.clamp(1, WORKERS_MAX),
            busy_poll_us: config.ms_async_busy_poll_us,
        };
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        if let Some(pool) = pools.iter().filter_map(Weak::upgrade).find(|pool| pool.key == key) {
            return Ok(pool);
        }
        let pool = Arc::new(WorkerPool::start(key, || driver::create(key.driver))?);
        pools.push(Arc::downgrade(&pool));
        Ok(pool)
    }

    /// A pool of one worker with this driver, for a test that is the kernel too.
    #[cfg(all(test, msgr_shuttle))]
    pub(crate) fn of_one(driver: Box<dyn EventDriver>) -> io::Result<Arc<WorkerPool>> {
        let key = Key { driver: EventDriverKind::Epoll, workers: 1, busy_poll_us: 0 };
        let driver = std::cell::Cell::new(Some(driver));
        WorkerPool::start(key, || driver.take().ok_or_else(|| io::ErrorKind::Other.into())).map(Arc::new)
    }

    fn start(key: Key, driver: impl Fn() -> io::Result<Box<dyn EventDriver>>) -> io::Result<WorkerPool> {
        let mut pool = WorkerPool { key, workers: Vec::new(), threads: Vec::new() };
        for index in 0..key.workers {
            let driver = driver()?;
            let edge_triggered = driver.is_edge_triggered();
            let mailbox = Arc::new(Mailbox::new(index, driver.waker()));
            let worker = Worker::new(driver, Arc::clone(&mailbox), key.busy_poll_us);
            let waits = worker.waits();
            let thread = thread::Builder::new().name(format!("msgr-worker-{index}")).spawn(|| worker.run())?;
            pool.threads.push(thread);
            pool.workers.push(Arc::new(Shared { mailbox, edge_triggered, references: AtomicUsize::new(0), waits }));
        }
        Ok(pool)
    }

    /// A place on the worker with the fewest connections.
    pub(crate) fn place(&self) -> Placement {
        let least = self.workers.iter().min_by_key(|worker| worker.references.load(Relaxed));
        Placement::on(least.unwrap_or(&self.workers[0]))
    }

    /// How often its workers have called their drivers to wait, whether or not with time to wait.
    pub(crate) fn wait_calls(&self) -> u64 {
        self.workers.iter().map(|worker| worker.waits.get()).sum()
    }

    /// The mailbox of the worker that listens.
    pub(crate) fn first(&self) -> &Arc<Mailbox> {
        &self.workers[0].mailbox
    }
}

impl Placement {
    fn on(worker: &Arc<Shared>) -> Placement {
        worker.references.fetch_add(1, Relaxed);
        Placement(Arc::clone(worker))
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.0.mailbox
    }

    pub(crate) fn is_edge_triggered(&self) -> bool {
        self.0.edge_triggered
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        self.0.references.fetch_sub(1, Relaxed);
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.mailbox.stop();
        }
        let me = thread::current().id();
        for thread in self.threads.drain(..) {
            // A messenger dropped in a callback takes the pool down from one of its own threads.
            if thread.thread().id() != me && thread.join().is_err() {
                tracing::error!("a worker panicked in a dispatcher");
            }
        }
    }
}
