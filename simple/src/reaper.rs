//! The reaper: owns the threads of the pipes, and joins those that ended.

use std::collections::HashMap;

use msgr::sync::thread::JoinHandle;
use msgr::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use msgr::{Core, Error};

use crate::threads;

/// Keeps the handle of every pipe's threads, but for the reader of a link that was dialled: its writer keeps that.
#[derive(Default)]
pub(crate) struct Reaper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    thread: Option<JoinHandle<()>>,
    pipes: HashMap<u64, JoinHandle<()>>,
    /// Threads at their end. Bounded by the number of threads.
    dead: Vec<u64>,
    ending: bool,
}

/// Announces the end of a thread, however it ends.
struct Obituary {
    reaper: Arc<Reaper>,
    number: u64,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        self.reaper.lock().dead.push(self.number);
        self.reaper.changed.notify_one();
    }
}

impl Reaper {
    /// Starts `body` as a thread of a pipe, and the reaper's own thread with the first of them.
    ///
    /// # Errors
    /// When the system has no room for the thread, or [`Reaper::end`] has begun. `body` is dropped then.
    pub(crate) fn start(
        self: &Arc<Reaper>,
        core: &Core,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        if state.ending {
            return Err(Error::Misuse("the messenger is shutting down"));
        }
        if state.thread.is_none() {
            let reaper = Arc::clone(self);
            state.thread = Some(threads::spawn(core, "ms_reaper", move || reaper.run())?);
        }
        let (reaper, number) = (Arc::clone(self), core.next_id());
        let thread = threads::spawn(core, name, move || {
            // Made here, so that a body that never ran leaves no obituary.
            let _obituary = Obituary { reaper, number };
            body();
        })?;
        state.pipes.insert(number, thread);
        Ok(())
    }

    /// Blocks until every pipe has ended, and ends the reaper's thread. The pipes must have been told to end.
    pub(crate) fn end(&self) {
        let thread = {
            let mut state = self.lock();
            state.ending = true;
            self.changed.notify_one();
            state.thread.take()
        };
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the reaper panicked");
        }
        self.lock().ending = false;
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let dead = std::mem::take(&mut state.dead);
            let dead: Vec<_> = dead.into_iter().filter_map(|number| state.pipes.remove(&number)).collect();
            if dead.is_empty() {
                if state.ending && state.pipes.is_empty() {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            for thread in dead {
                if thread.join().is_err() {
                    tracing::error!("a dispatcher panicked while its connection was being closed");
                }
            }
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
