//! What all messengers share: identity, policies, registry, queues, counters.
//!
//! A messenger of any kind is a [`Core`] plus threads and sockets. The first part of [`Core`]'s methods is for stacks,
//! the rest serves the provided methods of [`Messenger`](crate::Messenger).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::addr::EntityAddr;
use crate::config::Config;
use crate::connection::Connection;
use crate::dispatcher::{AuthVerdict, Authorizer, Dispatcher};
use crate::entity::{EntityName, EntityType};
use crate::error::{Error, PeerError};
use crate::events::{DispatcherList, Event, Item, Local};
use crate::message::Message;
use crate::messenger::Setup;
use crate::policy::Policy;
use crate::priority_queue::PriorityQueue;
use crate::queue_thread::QueueThread;
use crate::registry::Registry;
use crate::session::{Cause, Driver, Phase, Session, Stack, State};
use crate::stages::Stages;
use crate::stats::{Counters, Stats, add};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak, thread};
use crate::throttle::Throttle;
use crate::wire::Stamp;

#[derive(Default)]
struct Policies {
    default: Policy,
    by_type: HashMap<EntityType, Policy>,
}

/// See the module.
pub struct Core {
    name: EntityName,
    config: Config,
    addr: Mutex<EntityAddr>,
    policies: RwLock<Policies>,
    cluster_protocol: AtomicU32,
    dispatchers: RwLock<Arc<DispatcherList>>,
    registry: Mutex<Registry>,
    stack: OnceLock<Weak<dyn Stack>>,
    dispatch_queue: QueueThread<PriorityQueue<Item>>,
    local_queue: QueueThread<VecDeque<Local>>,
    /// What waits in the local queue, in bytes.
    local_bytes: AtomicU64,
    dispatch_throttle: Arc<Throttle>,
    arriving_throttle: Arc<Throttle>,
    loopback: Mutex<Option<Arc<Session>>>,
    counters: Counters,
    pub(crate) stages: OnceLock<Stages>,
    global_seq: Mutex<u32>,
    next_id: AtomicU64,
    random: AtomicU64,
    started: AtomicBool,
    stopping: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// The core of a new messenger.
    #[must_use]
    pub fn new(setup: Setup) -> Arc<Core> {
        Core::with(setup, false)
    }

    /// As [`Core::new`], for a messenger that lives in a simulation: what would be dispatched by threads of its own waits
    /// for [`Core::dispatch_queued`].
    #[must_use]
    pub fn without_threads(setup: Setup) -> Arc<Core> {
        Core::with(setup, true)
    }

    fn with(setup: Setup, by_hand: bool) -> Arc<Core> {
        let Setup { name, nonce, config, seed } = setup;
        let queue = PriorityQueue::new(config.ms_pq_max_tokens_per_priority, config.ms_pq_min_cost);
        Arc::new(Core {
            name,
            addr: Mutex::new(EntityAddr::blank(nonce)),
            policies: RwLock::default(),
            cluster_protocol: AtomicU32::new(0),
            dispatchers: RwLock::default(),
            registry: Mutex::default(),
            stack: OnceLock::new(),
            dispatch_queue: QueueThread::new("ms_dispatch", queue, by_hand),
            local_queue: QueueThread::new("ms_local", VecDeque::new(), by_hand),
            local_bytes: AtomicU64::new(0),
            dispatch_throttle: Throttle::new(config.ms_dispatch_throttle_bytes),
            arriving_throttle: Throttle::new(config.ms_dispatch_throttle_bytes),
            loopback: Mutex::default(),
            counters: Counters::default(),
            stages: OnceLock::new(),
            global_seq: Mutex::new(0),
            next_id: AtomicU64::new(1),
            random: AtomicU64::new(seed | 1),
            started: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            config,
        })
    }

    // For stacks.

    /// Installs what dials, which the messenger itself owns. To be called once, right after [`Core::new`].
    ///
    /// # Errors
    /// Misuse, when there is one already.
    pub fn install(&self, stack: Weak<dyn Stack>) -> Result<(), Error> {
        self.stack.set(stack).map_err(|_| Error::Misuse("a messenger has one stack"))
    }

    /// The options.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A number that no other driver or session of this messenger has.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// Sets the own address after a bind.
    pub fn set_addr(&self, addr: EntityAddr) {
        *locked(&self.addr) = addr;
    }

    /// True from [`Core::stop`] until the next start.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// True between start and stop.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// Begins the end: no connection starts and no event is queued from now on. False when it had begun before.
    pub fn stop(&self) -> bool {
        !self.stopping.swap(true, Relaxed)
    }

    /// Closes everything without telling the dispatchers, as part of the end.
    pub fn close_all(&self) {
        let (sessions, accepting) = {
            let registry = self.registry();
            (registry.sessions(), registry.accepting())
        };
        for session in sessions {
            session.close();
        }
        for driver in accepting {
            driver.hang_up();
        }
        if let Some(loopback) = locked(&self.loopback).take() {
            loopback.close();
        }
    }

    /// The last step of the end: joins the dispatch threads and drops what they had not dispatched.
    pub fn finish(&self) {
        self.dispatch_queue.stop();
        self.local_queue.stop();
        drop(self.dispatch_queue.with(|queue| std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()));
        drop(self.local_queue.with(std::mem::take));
        self.local_bytes.store(0, Relaxed);
        self.dispatch_queue.restart();
        self.local_queue.restart();
        self.started.store(false, Relaxed);
        self.stopping.store(false, Relaxed);
    }

    /// True in the dispatch and local-delivery threads, which must not wait for their own end.
    #[must_use]
    pub fn is_own_thread(&self) -> bool {
        let me = Some(thread::current().id());
        self.dispatch_queue.thread_id() == me || self.local_queue.thread_id() == me
    }

    // For the session layer.

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        locked(&self.registry)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn dispatch_queue(&self) -> &QueueThread<PriorityQueue<Item>> {
        &self.dispatch_queue
    }

    pub(crate) fn local_queue(&self) -> &QueueThread<VecDeque<Local>> {
        &self.local_queue
    }

    pub(crate) fn local_bytes(&self) -> &AtomicU64 {
        &self.local_bytes
    }

    /// What bounds the messages that have begun to arrive, and that no read buffer holds.
    pub(crate) fn arriving_throttle(&self) -> Arc<Throttle> {
        Arc::clone(&self.arriving_throttle)
    }

    /// Payload bytes of the messages that have begun to arrive, as announced.
    #[must_use]
    pub fn arriving_bytes(&self) -> u64 {
        self.arriving_throttle.taken()
    }

    /// What bounds the messages received and not yet dispatched.
    #[must_use]
    pub fn dispatch_throttle(&self) -> Arc<Throttle> {
        Arc::clone(&self.dispatch_throttle)
    }

    pub(crate) fn dispatchers(&self) -> Arc<DispatcherList> {
        Arc::clone(&self.dispatchers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A fresh attempt number, greater than any before and than `above` (which a peer may choose).
    pub(crate) fn next_global_seq(&self, above: u32) -> u32 {
        let mut seq = locked(&self.global_seq);
        // At its end it stays: a counter that starts over would find every peer asking for more, for ever.
        *seq = (*seq).max(above).saturating_add(1);
        *seq
    }

    /// 32 bits of a seeded xorshift sequence.
    pub(crate) fn random(&self) -> u32 {
        let step = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^ x << 17
        };
        let before = self.random.fetch_update(Relaxed, Relaxed, |x| Some(step(x)));
        (before.unwrap_or_else(|x| x) >> 32) as u32
    }

    /// The wall clock, for keepalives: the peer echoes it, and the application subtracts.
    pub(crate) fn stamp(&self) -> Stamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp { sec: now.as_secs() as u32, nsec: now.subsec_nanos() }
    }

    pub(crate) fn forget(&self, session: &Arc<Session>) {
        let addr = session.peer_addr();
        let mut registry = self.registry();
        registry.remove(session, &addr, self.next_id());
        drop(registry);
        self.discard_queued(session);
    }

    pub(crate) fn accepting(&self, id: u64, driver: &Arc<dyn Driver>) {
        self.registry().insert_accepting(id, driver);
    }

    pub(crate) fn accepted(&self, id: u64) {
        self.registry().remove_accepting(id);
    }

    pub(crate) fn connection_began(&self) {
        add(&self.counters.msgr_created_connections, 1);
        add(&self.counters.msgr_active_connections, 1);
    }

    pub(crate) fn connection_ended(&self) {
        self.counters.msgr_active_connections.fetch_sub(1, Relaxed);
    }

    pub(crate) fn note_loss(&self, cause: Cause) {
        let counters = &self.counters;
        let Cause::Peer(error) = cause else { return };
        let counter = match error {
            PeerError::BadBanner | PeerError::SpeaksV2 | PeerError::BadAddress { .. } => &counters.msgr_drop_bad_banner,
            PeerError::HeaderCrc { .. } | PeerError::PayloadCrc { .. } => &counters.msgr_drop_bad_crc,
            PeerError::BadTag { .. } => &counters.msgr_drop_bad_tag,
            PeerError::TooLong { .. } => &counters.msgr_drop_bad_length,
            PeerError::HandshakeTimeout => &counters.msgr_drop_handshake_timeout,
            _ => &counters.msgr_drop_bad_peer,
        };
        add(counter, 1);
    }

    pub(crate) fn policy(&self, kind: EntityType) -> Policy {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.by_type.get(&kind).unwrap_or(&policies.default).clone()
    }

    pub(crate) fn authorizer_for(&self, peer: EntityType, challenge: Option<&[u8]>) -> Option<Authorizer> {
        self.dispatchers().all.iter().find_map(|dispatcher| dispatcher.ms_get_authorizer(peer, challenge))
    }

    pub(crate) fn verify_authorizer(&self, peer: EntityType, authorizer: &Authorizer) -> AuthVerdict {
        let verdicts = self.dispatchers();
        let verdict = verdicts.all.iter().find_map(|dispatcher| dispatcher.ms_verify_authorizer(peer, authorizer));
        verdict.unwrap_or(AuthVerdict::Accept(Vec::new()))
    }

    // For the `Messenger` trait.

    pub(crate) fn start(&self) -> Result<(), Error> {
        if self.started.swap(true, Relaxed) {
            return Err(Error::Misuse("the messenger is already started"));
        }
        Ok(())
    }

    /// True when it is the first.
    pub(crate) fn add_dispatcher(&self, dispatcher: Arc<dyn Dispatcher>, head: bool) -> bool {
        let mut list = self.dispatchers.write().unwrap_or_else(PoisonError::into_inner);
        let first = list.all.is_empty();
        *list = Arc::new(list.with(dispatcher, head));
        first
    }

    pub(crate) fn has_dispatchers(&self) -> bool {
        !self.dispatchers().all.is_empty()
    }

    pub(crate) fn connect_to(self: &Arc<Core>, kind: EntityType, addr: EntityAddr) -> Result<Connection, Error> {
        self.find_or_dial(kind, addr)?.ok_or(Error::Misuse("policy says that this peer must dial us"))
    }

    pub(crate) fn send_to(self: &Arc<Core>, message: Message, kind: EntityType, addr: EntityAddr) -> Result<(), Error> {
        match self.find_or_dial(kind, addr)? {
            Some(connection) => connection.send_message(message),
            None => {
                add(&self.counters.msgr_drop_closed_messages, 1);
                Ok(())
            }
        }
    }

    /// The connection to `addr`, dialling if there is none; `None` when the peer must dial us and has not.
    fn find_or_dial(self: &Arc<Core>, kind: EntityType, addr: EntityAddr) -> Result<Option<Connection>, Error> {
        if addr.is_blank_ip() {
            return Err(Error::Misuse("a blank address cannot be dialled"));
        }
        if !self.is_started() {
            return Err(Error::Misuse("start the messenger before connecting"));
        }
        if addr == self.my_addr() {
            return Ok(Some(self.loopback()));
        }
        let Some(stack) = self.stack.get().and_then(Weak::upgrade) else {
            return Err(Error::Misuse("the messenger is gone"));
        };
        let session = {
            let mut registry = self.registry();
            // Under the lock that `close_all` takes: either it sees this session, or this sees the end.
            if self.is_stopping() {
                return Err(Error::Misuse("the messenger is shut down"));
            }
            if let Some(session) = registry.by_addr(&addr)
                && session.hand_out()
            {
                return Ok(Some(Connection(session)));
            }
            let policy = self.policy(kind);
            if policy.server {
                return Ok(None);
            }
            // Only now: a client that did not bind has no port, and is found by the address it connected with.
            if addr.port() == 0 {
                return Err(Error::Misuse("an address without a port cannot be dialled"));
            }
            let session = Session::new(self, kind, State::new(Phase::Connecting, policy, addr));
            session.hand_out();
            registry.insert(&session, Some(addr));
            session
        };
        stack.dial(Arc::clone(&session));
        Ok(Some(Connection(session)))
    }

    pub(crate) fn loopback(self: &Arc<Core>) -> Connection {
        let mut loopback = locked(&self.loopback);
        let session = loopback.get_or_insert_with(|| Session::new_loopback(self));
        Connection(Arc::clone(session))
    }

    pub(crate) fn mark_down(self: &Arc<Core>, addr: EntityAddr) {
        let session = self.registry().by_addr(&addr);
        if let Some(session) = session
            && session.close()
        {
            self.queue_event(Event::Reset, &session);
        }
    }

    pub(crate) fn mark_down_all(self: &Arc<Core>) {
        let (sessions, accepting) = {
            let registry = self.registry();
            (registry.sessions(), registry.accepting())
        };
        for session in sessions {
            if session.close() {
                self.queue_event(Event::Reset, &session);
            }
        }
        for driver in accepting {
            driver.hang_up();
        }
    }

    pub(crate) fn set_default_policy(&self, policy: Policy) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).default = policy;
    }

    pub(crate) fn set_policy(&self, kind: EntityType, policy: Policy) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).by_type.insert(kind, policy);
    }

    pub(crate) fn set_policy_throttlers(
        &self,
        kind: EntityType,
        bytes: Option<Arc<Throttle>>,
        messages: Option<Arc<Throttle>>,
    ) {
        let mut policies = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        let default = policies.default.clone();
        let policy = policies.by_type.entry(kind).or_insert(default);
        policy.throttler_bytes = bytes;
        policy.throttler_messages = messages;
    }

    pub(crate) fn set_cluster_protocol(&self, version: u32) {
        self.cluster_protocol.store(version, Relaxed);
    }

    pub(crate) fn cluster_protocol(&self) -> u32 {
        self.cluster_protocol.load(Relaxed)
    }

    /// Fills in the own IP where it is blank; port and nonce stay.
    pub(crate) fn learn_ip(&self, ip: IpAddr) {
        let mut addr = locked(&self.addr);
        if addr.is_blank_ip() && !ip.is_unspecified() {
            *addr = addr.with_ip(ip);
            tracing::debug!(%addr, "learned the own address");
        }
    }

    pub(crate) fn my_addr(&self) -> EntityAddr {
        *locked(&self.addr)
    }

    pub(crate) fn my_name(&self) -> EntityName {
        self.name
    }

    pub(crate) fn dispatch_queue_len(&self) -> usize {
        self.dispatch_queue.with(|queue| queue.len())
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }
}
