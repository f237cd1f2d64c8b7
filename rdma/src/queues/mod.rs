//! One worker's queues of a device: where its connections' requests end, and the chunks for them. The worker polls them.
//!
//! Nothing here is shared with another worker but the device and the budget of chunks, so no lock is waited for in normal
//! work; they are there for threads that send without the worker. A poll that finds nothing, of which a worker may make
//! millions a second, takes none but that of the room for what it finds.
//!
//! Lock order: that room, which the worker alone takes; then a connection's state; then one of the others, and no other.

mod chunks;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use msgr_async::driver::Ready;
use msgr_async::pollers::Poller;
use rustix::event::{EventfdFlags, eventfd};

use self::chunks::{Receiving, Sending};
use crate::adapter::Adapter;
use crate::connection::{Conn, Look};
use crate::verbs::{Completion, CompletionQueue, Found, SharedReceiveQueue};

/// The completions of sends make no event unless somebody waits for them: most tell nothing that is worth a wake-up. One
/// that failed must be noticed all the same, at the latest after so long. A worker that sleeps is not told when another
/// thread sends, so it looks so often as long as there are connections.
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
    /// Wakes the worker.
    bell: Arc<OwnedFd>,
    receiving: Mutex<Receiving>,
    sending: Mutex<Sending>,
    /// Requests to send whose completion has not come, of all connections.
    outstanding: AtomicU32,
    /// Somebody waits for a chunk to send from.
    wanting: AtomicBool,
    /// By the number of the queue pair.
    connections: Mutex<HashMap<u32, Arc<Conn>>>,
    /// Those that are being opened or closed.
    changing: Mutex<Vec<Arc<Conn>>>,
    news: Mutex<Vec<Ready>>,
    /// There are such, or there is news; set after it is there.
    stirred: AtomicBool,
    found: Mutex<Found>,
    /// Whether the queue of receives, and that of sends, will make an event.
    armed: [AtomicBool; 2],
    /// Whether the descriptor of either has become readable since. Reports may be spurious.
    told: [AtomicBool; 2],
    /// The last poll had news of receives, and did not look for sends.
    postponed: AtomicBool,
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
            bell: Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?),
            receiving: Mutex::new(Receiving::new(options.queue, &adapter.receive_budget)),
            sending: Mutex::new(Sending::new(&adapter.send_budget)),
            outstanding: AtomicU32::new(0),
            wanting: AtomicBool::new(false),
            connections: Mutex::default(),
            changing: Mutex::default(),
            news: Mutex::default(),
            stirred: AtomicBool::new(false),
            found: Mutex::default(),
            armed: Default::default(),
            told: Default::default(),
            postponed: AtomicBool::new(false),
            adapter: Arc::clone(adapter),
        }))
    }

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
        self.stirred.store(true, Release);
    }

    /// Tells the worker of a connection's readiness, in this turn or the next.
    pub(crate) fn tell(&self, ready: Ready) {
        lock(&self.news).push(ready);
        self.stirred.store(true, Release);
    }

    /// Breaks all connections off.
    pub(crate) fn fail_all(&self, why: &str) {
        let all: Vec<Arc<Conn>> = lock(&self.connections).values().cloned().collect();
        all.iter().for_each(|conn| conn.fail(why));
    }

    /// See [`break_queue_pairs`](crate::break_queue_pairs).
    pub(crate) fn break_pairs(&self) -> usize {
        let all: Vec<Arc<Conn>> = lock(&self.connections).values().cloned().collect();
        all.iter().filter(|conn| conn.lock().pair.as_ref().is_some_and(|pair| pair.to_error().is_ok())).count()
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
        self.receive_used();
        let Some(chunk) = self.srq.take(completion) else { return };
        let conn = lock(&self.connections).get(&number).cloned();
        let unread = match conn {
            Some(conn) => conn.on_receive(self, chunk, status, len, imm),
            None => Some(chunk),
        };
        self.recycle(&mut unread.into_iter().collect());
    }

    fn on_send(&self, completion: Completion) {
        self.send_completed();
        let conn = lock(&self.connections).get(&completion.qp_num()).cloned();
        if let Some(chunk) = conn.and_then(|conn| conn.on_send(self, completion)) {
            self.put_send_chunk(chunk);
        }
    }

    /// Takes all completions. This ends, since peers are owed no credits for what is not read here.
    fn take_completions(&self, queue: &CompletionQueue, act: impl Fn(&Queues, Completion)) {
        let mut found = lock(&self.found);
        loop {
            if let Err(error) = queue.poll(&mut found) {
                tracing::error!(%error, "cannot poll a completion queue");
                return self.fail_all("the completion queue is broken");
            }
            let more = found.is_full();
            found.drain().for_each(|completion| act(self, completion));
            if !more {
                return;
            }
        }
    }

    /// Lets the queue at this place of `armed` make an event, unless it will. The last event is read only here, where nobody
    /// waits for an answer.
    fn arm_once(&self, at: usize, queue: &CompletionQueue) -> io::Result<()> {
        if self.told[at].swap(false, Relaxed) && queue.take_event()? {
            self.armed[at].store(false, Relaxed);
        }
        if !self.armed[at].swap(true, Relaxed)
            && let Err(error) = queue.arm()
        {
            self.armed[at].store(false, Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Lets connections that are being opened or closed go on.
    fn look_after(&self) {
        let changing = std::mem::take(&mut *lock(&self.changing));
        let now = Instant::now();
        for conn in changing {
            match conn.look(self, now) {
                Look::Again => self.watch(&conn),
                Look::Settled => {}
                Look::Gone(number) => drop(lock(&self.connections).remove(&number)),
            }
        }
    }
}

impl Poller for Queues {
    fn sources(&self) -> Vec<Arc<OwnedFd>> {
        let fds = [self.receive_cq.fd(), self.send_cq.fd(), &self.bell, &self.device_events];
        fds.map(Arc::clone).into()
    }

    fn poll(&self, ready: &mut Vec<Ready>) {
        self.take_received();
        // What came is answered first: the completions of sends can wait for the next poll, though not for another. A worker
        // with news does not sleep before it.
        let postponed = self.postponed.load(Relaxed);
        let postpone = !postponed && self.stirred.load(Acquire) && !lock(&self.news).is_empty();
        if !postpone && self.outstanding.load(Relaxed) > 0 {
            self.take_completions(&self.send_cq, Queues::on_send);
        }
        if postpone != postponed {
            self.postponed.store(postpone, Relaxed);
        }
        if self.adapter.is_port_lost() {
            self.fail_all("the device's port is down");
        }
        if self.wanting.load(Acquire) {
            self.serve_waiting();
        }
        if self.stirred.load(Acquire) {
            // Before it looks: what comes while it does sets this again.
            self.stirred.store(false, Relaxed);
            self.look_after();
            ready.append(&mut lock(&self.news));
        }
    }

    fn arm(&self) -> io::Result<()> {
        self.arm_once(0, &self.receive_cq)?;
        if self.are_sends_awaited() || !lock(&self.changing).is_empty() {
            self.arm_once(1, &self.send_cq)?;
        }
        Ok(())
    }

    fn woken(&self, source: usize) {
        match source {
            0 | 1 => self.told[source].store(true, Relaxed),
            2 => {
                // Nothing to read: an earlier report was of the same ring.
                let _ = rustix::io::read(&self.bell, &mut [0; 8]);
            }
            _ => self.adapter.take_events(),
        }
    }

    fn busy_poll(&self) -> Duration {
        Duration::from_micros(self.adapter.options.polling_us)
    }

    fn deadline(&self) -> Option<Instant> {
        let changing = !lock(&self.changing).is_empty();
        let used = !lock(&self.connections).is_empty();
        let within = if changing { Some(LOOK_EVERY) } else { used.then_some(SENDS_SEEN_WITHIN) };
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
