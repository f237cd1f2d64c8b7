//! An RDMA device as all messengers of a process share it: opened once for the same options, with what its workers have
//! there in common.

use std::collections::HashMap;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use msgr::{Config, Error, EventDriverKind};
use msgr_async::pollers::Pollers;

use crate::endpoint::{Gid, GidChoice, GidKind};
use crate::pool::Budget;
use crate::queues::Queues;
use crate::stream::{EXTRA, WINDOW_MIN};
use crate::verbs::{AsyncEvent, Device, PathOptions};

/// Largest chunk: receives of more would pin memory for nothing.
const CHUNK_MAX: u64 = 8 << 20;
/// Smallest chunk: a message of this size costs its completion many times over.
const CHUNK_MIN: u64 = 1 << 10;

/// How long a port may be down before its connections are given up: as long as a queue pair repeats what was lost meanwhile.
/// Links flap for less.
const OUTAGE_MAX: Duration = Duration::from_millis(500);

/// The options that devices differ by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    name: String,
    port: u8,
    gid: GidChoice,
    service_level: u8,
    traffic_class: u8,
    /// Bytes of a chunk.
    pub(crate) chunk: u32,
    send_chunks: u32,
    receive_chunks: u32,
    /// Receives in a shared queue.
    pub(crate) queue: u32,
    pub(crate) huge_pages: bool,
    pub(crate) polling_us: u64,
}

/// See the module.
pub(crate) struct Adapter {
    /// As they were asked for.
    asked: Options,
    /// As far as the device can.
    pub(crate) options: Options,
    pub(crate) device: Device,
    pub(crate) send_budget: Arc<Budget>,
    pub(crate) receive_budget: Arc<Budget>,
    /// Stacks and listeners on it. When there are none, it lives on until the last connection is closed.
    users: AtomicUsize,
    /// By worker.
    queues: Mutex<HashMap<u64, Weak<Queues>>>,
    /// Since when the port is down, if it is.
    down_since: Mutex<Option<Instant>>,
    /// Whether it is, for those who poll.
    is_down: AtomicBool,
}

/// An adapter in use by a stack.
pub(crate) struct Use(Arc<Adapter>);

impl Use {
    fn of(adapter: Arc<Adapter>) -> Use {
        adapter.users.fetch_add(1, Relaxed);
        Use(adapter)
    }
}

impl Clone for Use {
    fn clone(&self) -> Use {
        Use::of(Arc::clone(&self.0))
    }
}

impl Deref for Use {
    type Target = Arc<Adapter>;

    fn deref(&self) -> &Arc<Adapter> {
        &self.0
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Relaxed);
    }
}

static ADAPTERS: Mutex<Vec<Weak<Adapter>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Options {
    fn from(config: &Config) -> Result<Options, Error> {
        if config.ms_async_event_driver != EventDriverKind::Epoll {
            return Err(Error::Misuse("RDMA needs ms_async_event_driver=epoll: completions are reported once"));
        }
        let small = |value: u64, why| u8::try_from(value).map_err(|_| Error::Misuse(why));
        let gid = if !config.ms_async_rdma_local_gid.is_empty() {
            let wrong = "ms_async_rdma_local_gid takes eight groups of four hex digits";
            let gid: Gid = config.ms_async_rdma_local_gid.parse().map_err(|_| Error::Misuse(wrong))?;
            let kind = match config.ms_async_rdma_roce_ver {
                0 => GidKind::RoceV1,
                1 => GidKind::RoceV2,
                _ => return Err(Error::Misuse("ms_async_rdma_roce_ver takes 0 (RoCE v1) or 1 (RoCE v2)")),
            };
            GidChoice::Exactly(gid, kind)
        } else if config.ms_async_rdma_gid_idx == "auto" {
            GidChoice::Automatic
        } else {
            let wrong = Error::Misuse("ms_async_rdma_gid_idx takes auto or an index from 0 to 255");
            GidChoice::Index(config.ms_async_rdma_gid_idx.parse().map_err(|_| wrong)?)
        };
        let chunk = config.ms_async_rdma_buffer_size;
        if !(CHUNK_MIN..=CHUNK_MAX).contains(&chunk) {
            return Err(Error::Misuse("ms_async_rdma_buffer_size takes 1 KiB to 8 MiB"));
        }
        let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let queue = count(config.ms_async_rdma_receive_queue_len);
        if queue < WINDOW_MIN + EXTRA {
            return Err(Error::Misuse("ms_async_rdma_receive_queue_len must be at least 6, what one connection takes"));
        }
        Ok(Options {
            name: config.ms_async_rdma_device_name.clone(),
            port: small(config.ms_async_rdma_port_num, "ms_async_rdma_port_num takes 1 to 255")?,
            gid,
            service_level: small(config.ms_async_rdma_sl, "ms_async_rdma_sl takes 0 to 15")?,
            traffic_class: small(config.ms_async_rdma_dscp, "ms_async_rdma_dscp takes 0 to 255")?,
            chunk: count(chunk),
            send_chunks: count(config.ms_async_rdma_send_buffers).max(1),
            receive_chunks: count(config.ms_async_rdma_receive_buffers),
            queue,
            huge_pages: config.ms_async_rdma_enable_hugepage,
            polling_us: config.ms_async_rdma_polling_us,
        })
    }

    /// Completions of sends that may be outstanding at once on one worker.
    pub(crate) fn send_completions(&self) -> u32 {
        // Bytes take chunks; a grant, the end and the beacon of each connection take none.
        self.send_chunks + 3 * (self.queue / (WINDOW_MIN + EXTRA))
    }
}

impl Adapter {
    /// The process's adapter for these options, opened if it is not.
    pub(crate) fn shared(config: &Config) -> Result<Use, Error> {
        let asked = Options::from(config)?;
        let mut adapters = lock(&ADAPTERS);
        adapters.retain(|adapter| adapter.strong_count() > 0);
        if let Some(adapter) = adapters.iter().filter_map(Weak::upgrade).find(|it| it.asked == asked) {
            return Ok(Use::of(adapter));
        }
        let no_device = |error| Error::local("opening the RDMA device", io::Error::other(error));
        let device = Device::open(&asked.name, asked.port, asked.gid).map_err(no_device)?;
        let limits = device.limits();
        let options = Options { queue: asked.queue.min(limits.max_srq_wr).min(limits.max_cqe), ..asked.clone() };
        let adapter = Arc::new(Adapter {
            send_budget: Budget::new(options.send_chunks),
            receive_budget: Budget::new(options.receive_chunks),
            device,
            asked,
            options,
            users: AtomicUsize::new(0),
            queues: Mutex::default(),
            down_since: Mutex::default(),
            is_down: AtomicBool::new(false),
        });
        adapters.push(Arc::downgrade(&adapter));
        Ok(Use::of(adapter))
    }

    /// Whether a stack or a listener is on it.
    pub(crate) fn is_used(&self) -> bool {
        self.users.load(Relaxed) > 0
    }

    /// How packets of so many bytes travel.
    pub(crate) fn path(&self, path_mtu: u16) -> PathOptions {
        let Options { service_level, traffic_class, .. } = self.options;
        PathOptions { path_mtu, service_level, traffic_class, ..PathOptions::default() }
    }

    /// The queues of the worker with these pollers, made if there are none.
    pub(crate) fn queues(self: &Arc<Adapter>, pollers: &mut Pollers) -> io::Result<Arc<Queues>> {
        let mut queues = lock(&self.queues);
        if let Some(known) = queues.get(&pollers.worker()).and_then(Weak::upgrade) {
            // One that was over, and is held by a connection's owner still, is polled no more.
            pollers.add(Arc::clone(&known) as _);
            return Ok(known);
        }
        queues.retain(|_, queues| queues.strong_count() > 0);
        let made = Queues::new(self)?;
        queues.insert(pollers.worker(), Arc::downgrade(&made));
        pollers.add(Arc::clone(&made) as _);
        Ok(made)
    }

    /// Acts on what the device reports.
    pub(crate) fn take_events(&self) {
        loop {
            let event = match self.device.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => return tracing::error!(%error, "cannot read the events of the RDMA device"),
            };
            tracing::info!(?event, device = self.device.name(), "RDMA device");
            match event {
                AsyncEvent::QpFatal(number) => self.all(|queues| queues.fail_number(number)),
                AsyncEvent::PortError(port) if port == self.options.port => self.port_is_down(true),
                AsyncEvent::PortActive(port) if port == self.options.port => self.port_is_down(false),
                AsyncEvent::DeviceFatal | AsyncEvent::CqError => {
                    self.all(|queues| queues.fail_all("the device failed"));
                }
                _ => {}
            }
        }
    }

    fn port_is_down(&self, is_down: bool) {
        let mut since = lock(&self.down_since);
        *since = if is_down { since.or_else(|| Some(Instant::now())) } else { None };
        self.is_down.store(is_down, Relaxed);
    }

    /// Whether the port has been down for so long that its connections are lost.
    pub(crate) fn is_port_lost(&self) -> bool {
        self.is_down.load(Relaxed) && lock(&self.down_since).is_some_and(|since| since.elapsed() >= OUTAGE_MAX)
    }

    fn all(&self, act: impl Fn(&Queues)) {
        let queues: Vec<Arc<Queues>> = lock(&self.queues).values().filter_map(Weak::upgrade).collect();
        queues.iter().for_each(|queues| act(queues));
    }
}

/// For tests: takes every queue pair of the process to ERR, as a device may do by itself, and tells nobody; returns how many
/// that were.
#[doc(hidden)]
#[must_use]
pub fn break_queue_pairs() -> usize {
    let adapters: Vec<Arc<Adapter>> = lock(&ADAPTERS).iter().filter_map(Weak::upgrade).collect();
    let broken = AtomicUsize::new(0);
    for adapter in adapters {
        adapter.all(|queues| {
            broken.fetch_add(queues.break_pairs(), Relaxed);
        });
    }
    broken.into_inner()
}
