//! One worker's queues of a device: where its connections' requests end, and the chunks for them. The worker polls them.
//!
//! Nothing here is shared with another worker but the device and the budget of chunks, so no lock is waited for in normal
//! work; they are there for threads that send without the worker.
//!
//! Lock order: a connection's state before anything here; of these, only one at a time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use msgr_async::driver::Ready;
use msgr_async::pollers::Poller;

use crate::adapter::Adapter;
use crate::connection::{Conn, Look};
use crate::pool::Pool;
use crate::receives::Receives;
use crate::verbs::{Chunk, Completion, CompletionQueue, POLL_MAX, SharedReceiveQueue};

/// The completions of sends make no event unless somebody waits for them: most tell nothing that is worth a wake-up. One
/// that failed must be noticed all the same, at the latest after so long.
const SENDS_SEEN_WITHIN: Duration = Duration::from_millis(100);
/// While a connection is being opened or closed, how often its worker looks what has become of it, at the least.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a worker that ends waits for the last messages of its connections to arrive.
const LINGER: Duration = Duration::from_millis(500);
/// And how often it looks.
const LINGER_STEP: Duration = Duration::from_micros(200);

/// See the module.
pub(crate) struct Queues {
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) send_cq: Arc<CompletionQueue>,
    pub(crate) receive_cq: Arc<CompletionQueue>,
    pub(crate) srq: Arc<SharedReceiveQueue>,
    device_events: Arc<OwnedFd>,
    receiving: Mutex<Receiving>,
    sending: Mutex<Sending>,
    /// By the number of the queue pair.
    connections: Mutex<HashMap<u32, Arc<Conn>>>,
    /// Those that are being opened or closed.
    changing: Mutex<Vec<Arc<Conn>>>,
    news: Mutex<Vec<Ready>>,
    completions: Mutex<Vec<Completion>>,
    /// Whether the queue of receives, and that of sends, will make an event.
    armed: [AtomicBool; 2],
}

struct Receiving {
    receives: Receives,
    pool: Pool<Chunk>,
    /// Chunks about to be posted; kept for its capacity.
    batch: Vec<Chunk>,
}

struct Sending {
    pool: Pool<Chunk>,
    /// Requests whose completion has not come, of all connections.
    outstanding: u32,
    /// Connections that found no chunk, the first to be served first.
    waiting: VecDeque<Weak<Conn>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queues {
    pub(crate) fn new(adapter: &Arc<Adapter>) -> io::Result<Arc<Queues>> {
        let Adapter { device, options, .. } = &**adapter;
        Ok(Arc::new(Queues {
            send_cq: device.completion_queue(options.send_completions()).map_err(io::Error::other)?,
            receive_cq: device.completion_queue(options.queue).map_err(io::Error::other)?,
            srq: device.shared_receive_queue(options.queue).map_err(io::Error::other)?,
            device_events: Arc::clone(device.event_fd()),
            receiving: Mutex::new(Receiving {
                receives: Receives::new(options.queue),
                pool: Pool::new(&adapter.receive_budget),
                batch: Vec::new(),
            }),
            sending: Mutex::new(Sending {
                pool: Pool::new(&adapter.send_budget),
                outstanding: 0,
                waiting: VecDeque::new(),
            }),
            connections: Mutex::default(),
            changing: Mutex::default(),
            news: Mutex::default(),
            completions: Mutex::default(),
            armed: Default::default(),
            adapter: Arc::clone(adapter),
        }))
    }

    fn register(&self, chunks: u32) -> io::Result<Vec<Chunk>> {
        let options = &self.adapter.options;
        self.adapter.device.register(chunks, options.chunk, options.huge_pages).map_err(|error| {
            tracing::error!(%error, chunks, bytes = options.chunk, "cannot register memory");
            io::Error::other(error)
        })
    }

    // Receives.

    /// Keeps `by` more receives for a connection; false when the queue or the budget of chunks is used up.
    pub(crate) fn promise(&self, by: u32) -> bool {
        let mut receiving = lock(&self.receiving);
        let kept = receiving.receives.promise(by);
        if kept && !self.post_missing(&mut receiving) {
            receiving.receives.withdraw(by);
            return false;
        }
        kept
    }

    /// A connection is gone, and what it was promised is free for others.
    pub(crate) fn withdraw(&self, by: u32) {
        lock(&self.receiving).receives.withdraw(by);
    }

    /// Takes chunks back from a reader, and posts what is missing.
    pub(crate) fn recycle(&self, chunks: &mut Vec<Chunk>) {
        if chunks.is_empty() {
            return;
        }
        let mut receiving = lock(&self.receiving);
        receiving.receives.freed(chunks.len() as u32);
        chunks.drain(..).for_each(|chunk| receiving.pool.put(chunk));
        self.post_missing(&mut receiving);
    }

    /// Posts receives until every promise is backed; false when chunks are lacking.
    fn post_missing(&self, receiving: &mut Receiving) -> bool {
        let Receiving { receives, pool, batch } = receiving;
        while (batch.len() as u32) < receives.missing() {
            match pool.take(|chunks| self.register(chunks)) {
                Ok(Some(chunk)) => batch.push(chunk),
                Ok(None) | Err(_) => break,
            }
        }
        while !batch.is_empty() {
            match self.srq.post(batch) {
                Ok(count) => receives.posted(count as u32),
                Err(error) => {
                    tracing::error!(%error, "cannot post receives");
                    break;
                }
            }
        }
        batch.drain(..).for_each(|chunk| pool.put(chunk));
        receives.missing() == 0
    }

    // Sends.

    /// A chunk to send from. Without one, `who` is told when there is.
    pub(crate) fn send_chunk(&self, who: &Arc<Conn>) -> Option<Chunk> {
        let mut sending = lock(&self.sending);
        match sending.pool.take_one_at_least(|chunks| self.register(chunks)) {
            Ok(Some(chunk)) => Some(chunk),
            // Without memory it waits as well: chunks that others use come back.
            Ok(None) | Err(_) => {
                sending.waiting.push_back(Arc::downgrade(who));
                None
            }
        }
    }

    /// A request is about to be posted. Counted before, since its completion may come before the call returns.
    pub(crate) fn posting(&self) {
        lock(&self.sending).outstanding += 1;
    }

    /// It could not be.
    pub(crate) fn not_posted(&self) {
        lock(&self.sending).outstanding -= 1;
    }

    /// Takes a chunk back that was sent or not needed.
    pub(crate) fn put_send_chunk(&self, chunk: Chunk) {
        lock(&self.sending).pool.put(chunk);
    }

    /// Tells as many of those who wait for a chunk as there are chunks. Some do not want it any more.
    fn serve_waiting(&self) {
        let mut served = 0;
        loop {
            let next = {
                let mut sending = lock(&self.sending);
                if served >= sending.pool.free() { None } else { sending.waiting.pop_front() }
            };
            let Some(next) = next else { return };
            served += usize::from(next.upgrade().is_some_and(|conn| conn.may_write(self)));
        }
    }

    // Connections.

    pub(crate) fn add(&self, number: u32, conn: &Arc<Conn>) {
        lock(&self.connections).insert(number, Arc::clone(conn));
        self.watch(conn);
    }

    /// Looks at this connection in every turn until it says that it is settled.
    pub(crate) fn watch(&self, conn: &Arc<Conn>) {
        let mut changing = lock(&self.changing);
        if !changing.iter().any(|other| Arc::ptr_eq(other, conn)) {
            changing.push(Arc::clone(conn));
        }
    }

    /// Tells the worker of a connection's readiness, in this turn or the next.
    pub(crate) fn tell(&self, ready: Ready) {
        lock(&self.news).push(ready);
    }

    pub(crate) fn fail_all(&self) {
        let all: Vec<Arc<Conn>> = lock(&self.connections).values().cloned().collect();
        all.iter().for_each(|conn| conn.fail("the device's port is down"));
    }

    pub(crate) fn fail_number(&self, number: u32) {
        let conn = lock(&self.connections).get(&number).cloned();
        if let Some(conn) = conn {
            conn.fail("the device reports a broken queue pair");
        }
    }

    /// Takes what has arrived by now.
    pub(crate) fn take_received(&self) {
        self.take_completions(&self.receive_cq, Queues::on_receive);
    }

    fn on_receive(&self, completion: Completion) {
        let (number, status, len) = (completion.qp_num(), completion.status(), completion.byte_len());
        let imm = completion.imm();
        lock(&self.receiving).receives.used();
        let Some(chunk) = self.srq.take(completion) else { return };
        let conn = lock(&self.connections).get(&number).cloned();
        let unread = match conn {
            Some(conn) => conn.on_receive(self, chunk, status, len, imm),
            None => Some(chunk),
        };
        self.recycle(&mut unread.into_iter().collect());
    }

    fn on_send(&self, completion: Completion) {
        lock(&self.sending).outstanding -= 1;
        let conn = lock(&self.connections).get(&completion.qp_num()).cloned();
        if let Some(chunk) = conn.and_then(|conn| conn.on_send(self, completion)) {
            self.put_send_chunk(chunk);
        }
    }

    /// Takes all completions. At most as many as the queue has room for: what they set free is posted by readers later.
    fn take_completions(&self, queue: &CompletionQueue, act: impl Fn(&Queues, Completion)) {
        let mut completions = std::mem::take(&mut *lock(&self.completions));
        loop {
            let count = match queue.poll(&mut completions) {
                Ok(count) => count,
                Err(error) => {
                    tracing::error!(%error, "cannot poll a completion queue");
                    self.fail_all();
                    break;
                }
            };
            completions.drain(..).for_each(|completion| act(self, completion));
            if count < POLL_MAX {
                break;
            }
        }
        *lock(&self.completions) = completions;
    }

    /// Lets connections that are being opened or closed go on.
    fn look_after(&self) {
        let changing = std::mem::take(&mut *lock(&self.changing));
        let now = Instant::now();
        for conn in changing {
            match conn.look(self, now) {
                Look::Again => lock(&self.changing).push(conn),
                Look::Settled => {}
                Look::Gone(number) => drop(lock(&self.connections).remove(&number)),
            }
        }
    }
}

impl Poller for Queues {
    fn sources(&self) -> Vec<Arc<OwnedFd>> {
        vec![Arc::clone(self.receive_cq.fd()), Arc::clone(self.send_cq.fd()), Arc::clone(&self.device_events)]
    }

    fn poll(&self, ready: &mut Vec<Ready>) {
        self.take_received();
        if lock(&self.sending).outstanding > 0 {
            self.take_completions(&self.send_cq, Queues::on_send);
        }
        self.serve_waiting();
        if !lock(&self.changing).is_empty() {
            self.look_after();
        }
        ready.append(&mut lock(&self.news));
    }

    fn arm(&self) -> io::Result<()> {
        if !self.armed[0].swap(true, Relaxed) {
            self.receive_cq.arm()?;
        }
        let awaited = !lock(&self.sending).waiting.is_empty() || !lock(&self.changing).is_empty();
        if awaited && !self.armed[1].swap(true, Relaxed) {
            self.send_cq.arm()?;
        }
        Ok(())
    }

    fn woken(&self, source: usize) {
        let cleared = match source {
            0 => self.receive_cq.clear_events(),
            1 => self.send_cq.clear_events(),
            _ => return self.adapter.take_events(),
        };
        self.armed[source].store(false, Relaxed);
        if let Err(error) = cleared {
            tracing::error!(%error, "cannot read the events of a completion queue");
        }
    }

    fn busy_poll(&self) -> Duration {
        Duration::from_micros(self.adapter.options.polling_us)
    }

    fn deadline(&self) -> Option<Instant> {
        let changing = !lock(&self.changing).is_empty();
        let sends = lock(&self.sending).outstanding > 0;
        let within = if changing { Some(LOOK_EVERY) } else { sends.then_some(SENDS_SEEN_WITHIN) };
        within.map(|within| Instant::now() + within)
    }

    fn is_over(&self) -> bool {
        !self.adapter.is_used() && lock(&self.connections).is_empty()
    }

    fn finish(&self) {
        let until = Instant::now() + LINGER;
        while !lock(&self.connections).is_empty() && Instant::now() < until {
            self.poll(&mut Vec::new());
            thread::sleep(LINGER_STEP);
        }
        let left = std::mem::take(&mut *lock(&self.connections));
        left.values().for_each(|conn| conn.abandon());
        lock(&self.changing).clear();
    }
}
