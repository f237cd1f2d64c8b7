//! Threads that know whose they are.

use std::cell::Cell;
use std::ptr;

use msgr::sync::thread::{self, JoinHandle};
use msgr::sync::thread_local;
use msgr::{Core, Error};

/// Smallest stack a thread is given, bytes. With less, a dispatcher's callbacks would hardly fit, and a stack that
/// overflows ends the process.
const STACK_MIN: usize = 128 << 10;

thread_local! {
    /// Address of the core whose messenger this thread belongs to; 0 in foreign threads. The messenger outlives its
    /// threads, so the address is not somebody else's.
    static OWNER: Cell<usize> = const { Cell::new(0) };
}

/// Starts a thread of the messenger around `core`, with the stack that the options ask for.
///
/// # Errors
/// [`Error::Local`] when the system has no room for another thread; it says what to raise.
pub(crate) fn spawn<T: Send + 'static>(
    core: &Core,
    name: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let owner = ptr::from_ref(core).addr();
    let stack = usize::try_from(core.config().ms_rwthread_stack_bytes).unwrap_or(usize::MAX).max(STACK_MIN);
    let owned = move || {
        OWNER.with(|it| it.set(owner));
        body()
    };
    thread::Builder::new().name(name.into()).stack_size(stack).spawn(owned).map_err(|source| {
        let hint = "raise the limits on threads (ulimit -u, kernel.pid_max, kernel.threads-max, vm.max_map_count, \
                    the cgroup's pids.max) or lower ms_rwthread_stack_bytes";
        Error::local(format!("cannot start thread {name} with a stack of {stack} bytes; {hint}"), source)
    })
}

/// True in the threads that [`spawn`] started for this core, and in its dispatch threads: they must not wait for
/// their own end.
pub(crate) fn is_own(core: &Core) -> bool {
    OWNER.with(Cell::get) == ptr::from_ref(core).addr() || core.is_own_thread()
}
