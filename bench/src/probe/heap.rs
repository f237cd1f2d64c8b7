//! Heap traffic, in the binary whose allocator counts.

use std::sync::OnceLock;

/// Heap traffic of this process since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Allocations and reallocations.
    pub count: u64,
    /// Bytes allocated.
    pub bytes: u64,
}

static COUNTER: OnceLock<fn() -> Heap> = OnceLock::new();

/// Reads heap traffic from `counter` from now on; the first caller wins.
pub(crate) fn count_with(counter: fn() -> Heap) {
    let _ = COUNTER.set(counter);
}

/// Heap traffic so far, when somebody counts.
pub(crate) fn now() -> Option<Heap> {
    COUNTER.get().map(|counter| counter())
}
