//! What a worker polls beside its sockets: queues of a stack whose news no descriptor tells of unless it is asked to.
//!
//! The order that loses nothing: poll; if nothing came, arm, and poll again; only then sleep.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use msgr::stats::ThreadCounter;

use crate::driver::{EventDriver, Ready, Token};

/// Polls between two looks at the sockets: often enough that a busy queue does not starve them, seldom enough that their
/// system call does not slow it.
const POLLS_PER_LOOK: u32 = 32;
/// Tokens from here downwards are the pollers' descriptors; no slot reaches so high, and the driver's waker is above.
const FIRST_TOKEN: usize = usize::MAX - 1;
/// How many tokens those may be.
const TOKENS: usize = 1 << 16;

/// Queues that one worker polls for the connections of a stack. Only that worker calls it.
pub trait Poller: Send + Sync {
    /// Descriptors that become readable when something comes after [`Poller::arm`].
    fn sources(&self) -> Vec<Arc<OwnedFd>>;

    /// Appends what is ready, without waiting. Reports may be spurious.
    fn poll(&self, ready: &mut Vec<Ready>);

    /// Lets the descriptors tell of what comes from now on.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn arm(&self) -> io::Result<()>;

    /// The descriptor at this place among [`Poller::sources`] has become readable.
    fn woken(&self, source: usize);

    /// How long to poll before sleeping.
    fn busy_poll(&self) -> Duration;

    /// When to poll at the latest, whatever comes.
    fn deadline(&self) -> Option<Instant>;

    /// Whether its stack is gone and nothing is left to do.
    fn is_over(&self) -> bool;

    /// The worker ends: what is under way may still arrive, within a time that a user does not notice, and the rest is
    /// closed.
    fn finish(&self);
}

/// The pollers of one worker.
pub struct Pollers {
    worker: u64,
    list: Vec<Watched>,
    next_token: usize,
    /// Since the sockets were looked at.
    polls: u32,
    /// Calls of the driver.
    waits: Arc<ThreadCounter>,
}

struct Watched {
    poller: Arc<dyn Poller>,
    /// Its descriptors, once the driver watches them.
    sources: Option<Vec<(Arc<OwnedFd>, Token)>>,
}

impl Default for Pollers {
    fn default() -> Pollers {
        static WORKERS: AtomicU64 = AtomicU64::new(0);
        Pollers {
            worker: WORKERS.fetch_add(1, Relaxed),
            list: Vec::new(),
            next_token: FIRST_TOKEN,
            polls: 0,
            waits: Arc::default(),
        }
    }
}

impl Pollers {
    /// A number that no other worker of this process has.
    #[must_use]
    pub fn worker(&self) -> u64 {
        self.worker
    }

    /// Counts the calls of the driver that these make.
    #[must_use]
    pub fn waits(&self) -> &Arc<ThreadCounter> {
        &self.waits
    }

    /// Polls this too from now on, if it does not yet.
    pub fn add(&mut self, poller: Arc<dyn Poller>) {
        let address = |poller: &Arc<dyn Poller>| Arc::as_ptr(poller).cast::<()>();
        if !self.list.iter().any(|watched| address(&watched.poller) == address(&poller)) {
            self.list.push(Watched { poller, sources: None });
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How long they want to be polled before the worker sleeps.
    #[must_use]
    pub fn busy_poll(&self) -> Duration {
        self.list.iter().map(|watched| watched.poller.busy_poll()).max().unwrap_or_default()
    }

    /// Polls until something comes or `is_interrupted`; looks at the sockets too, without waiting, once in
    /// so many polls, and then returns in any case.
    ///
    /// # Errors
    /// As [`EventDriver::wait`].
    pub fn spin(
        &mut self,
        driver: &mut dyn EventDriver,
        ready: &mut Vec<Ready>,
        is_interrupted: impl Fn() -> bool,
    ) -> io::Result<()> {
        while !self.list.is_empty() && self.polls < POLLS_PER_LOOK {
            self.polls += 1;
            self.poll(ready);
            if !ready.is_empty() || is_interrupted() {
                return Ok(());
            }
        }
        self.polls = 0;
        self.waits.add_one();
        driver.wait(ready, Some(Duration::ZERO))?;
        ready.retain(|event| !self.is_own(event.token));
        Ok(())
    }

    /// Waits as `driver` does, for what the pollers report as well.
    ///
    /// # Errors
    /// As [`EventDriver::wait`]; and when a poller cannot be armed or watched.
    pub fn wait(
        &mut self,
        driver: &mut dyn EventDriver,
        ready: &mut Vec<Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if self.list.is_empty() {
            self.waits.add_one();
            return driver.wait(ready, timeout);
        }
        self.watch(driver)?;
        self.poll(ready);
        let mut timeout = timeout;
        if timeout != Some(Duration::ZERO) && ready.is_empty() {
            for watched in &self.list {
                watched.poller.arm()?;
            }
            self.poll(ready);
            let left = |at: Instant| at.saturating_duration_since(Instant::now());
            let next = self.list.iter().filter_map(|watched| watched.poller.deadline()).min().map(left);
            timeout = [timeout, next].into_iter().flatten().min();
        }
        if !ready.is_empty() {
            timeout = Some(Duration::ZERO);
        }
        self.waits.add_one();
        driver.wait(ready, timeout)?;
        ready.retain(|event| !self.is_own(event.token));
        self.poll(ready);
        Ok(())
    }

    /// Whether this is the token of a descriptor of theirs; tells the poller whose it is.
    fn is_own(&self, token: Token) -> bool {
        if token.0 <= FIRST_TOKEN - TOKENS {
            return false;
        }
        for watched in &self.list {
            let sources = watched.sources.iter().flatten();
            if let Some(source) = sources.into_iter().position(|(_, its)| *its == token) {
                watched.poller.woken(source);
            }
        }
        true
    }

    /// The worker ends.
    pub fn finish(&mut self) {
        self.list.drain(..).for_each(|watched| watched.poller.finish());
    }

    fn poll(&self, ready: &mut Vec<Ready>) {
        self.list.iter().for_each(|watched| watched.poller.poll(ready));
    }

    /// Lets the driver watch the descriptors of new pollers, and no more those of pollers that are over.
    fn watch(&mut self, driver: &mut dyn EventDriver) -> io::Result<()> {
        for watched in self.list.iter_mut().filter(|watched| watched.sources.is_none()) {
            let mut sources = Vec::new();
            for source in watched.poller.sources() {
                let token = Token(self.next_token);
                self.next_token = if token.0 == FIRST_TOKEN - TOKENS + 1 { FIRST_TOKEN } else { token.0 - 1 };
                driver.add(&source, token)?;
                driver.interest(token, true, false);
                sources.push((source, token));
            }
            watched.sources = Some(sources);
        }
        let over: Vec<Watched> = self.list.extract_if(.., |watched| watched.poller.is_over()).collect();
        for (source, token) in over.into_iter().filter_map(|watched| watched.sources).flatten() {
            driver.remove(&source, token)?;
        }
        Ok(())
    }
}
