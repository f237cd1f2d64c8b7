//! A thread that works off a queue, started with the first item; or a queue that somebody else works off.

use std::time::Duration;

use crate::sync::thread::{self, JoinHandle, ThreadId};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A queue and the thread that drains it. A messenger that never queues anything never has the thread.
pub(crate) struct QueueThread<Q> {
    name: &'static str,
    /// Without a thread: whoever made it takes the items out.
    by_hand: bool,
    shared: Arc<Shared<Q>>,
}

struct Shared<Q> {
    state: Mutex<State<Q>>,
    changed: Condvar,
}

struct State<Q> {
    queue: Q,
    stopping: bool,
    thread: Option<JoinHandle<()>>,
}

impl<Q: Send + 'static> QueueThread<Q> {
    pub(crate) fn new(name: &'static str, queue: Q, by_hand: bool) -> QueueThread<Q> {
        let state = State { queue, stopping: false, thread: None };
        QueueThread { name, by_hand, shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Lets `push` add to the queue. The thread, started if need be, takes items with `pop` and gives them to the
    /// function that `run` makes.
    pub(crate) fn push<T, R>(
        &self,
        push: impl FnOnce(&mut Q),
        pop: fn(&mut Q) -> Option<T>,
        run: impl FnOnce() -> R,
    ) -> std::io::Result<()>
    where
        T: 'static,
        R: FnMut(T) + Send + 'static,
    {
        let mut state = self.lock();
        if state.stopping {
            return Ok(());
        }
        push(&mut state.queue);
        if self.by_hand {
            return Ok(());
        }
        if state.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let mut run = run();
            let body = move || {
                while let Some(item) = shared.next(pop) {
                    run(item);
                }
            };
            state.thread = Some(thread::Builder::new().name(self.name.into()).spawn(body)?);
        } else {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Holds the thread up, which calls this, for so long or until it is stopped.
    pub(crate) fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State<Q>| !state.stopping;
        if !self.by_hand {
            drop(self.shared.changed.wait_timeout_while(self.lock(), time, goes_on));
        }
    }

    /// Looks at or changes the queue.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Q) -> T) -> T {
        look(&mut self.lock().queue)
    }

    /// The thread, if it runs.
    pub(crate) fn thread_id(&self) -> Option<ThreadId> {
        self.lock().thread.as_ref().map(|thread| thread.thread().id())
    }

    /// Ends the thread after its present item, and leaves what is still queued to `with`. Waits for the end, except in
    /// the thread itself.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.lock();
            state.stopping = true;
            self.shared.changed.notify_all();
            state.thread.take()
        };
        let other = thread.filter(|thread| thread.thread().id() != thread::current().id());
        if other.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(thread = self.name, "a dispatcher panicked");
        }
    }

    /// Takes items again after a stop.
    pub(crate) fn restart(&self) {
        self.lock().stopping = false;
    }

    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.shared.lock()
    }
}

impl<Q> Shared<Q> {
    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next<T>(&self, pop: fn(&mut Q) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(item) = pop(&mut state.queue) {
                return Some(item);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(all(test, msgr_shuttle))]
mod schedules;
