//! Counters of one messenger, under the names of Ceph's worker counters.

use std::sync::atomic::{AtomicU64, Ordering, Ordering::Relaxed};
use std::time::Duration;

use crossbeam::utils::CachePadded;

use crate::core::Core;

/// A counter that threads share.
type One = CachePadded<AtomicU64>;

macro_rules! kind {
    () => {
        One
    };
    ($kind:ty) => {
        $kind
    };
}

macro_rules! counters {
    ($( $(#[doc = $help:literal])+ $name:ident $(in $kind:ty)?; )+) => {
        /// Live counters. Threads add once per batch, not per message, so the hot path shares no cache line.
        #[derive(Debug, Default)]
        pub struct Counters { $( pub(crate) $name: kind!($($kind)?), )+ }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats { $( $(#[doc = $help])+ pub $name: u64, )+ }

        impl Counters {
            /// Reads every counter. Counters that threads are adding to may differ by a batch.
            #[must_use]
            pub fn snapshot(&self) -> Stats {
                Stats { $( $name: self.$name.load(Relaxed), )+ }
            }
        }

        impl Stats {
            /// Name and value of every counter, in a fixed order.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![ $( (stringify!($name), self.$name), )+ ]
            }
        }
    };
}

counters! {
    /// Messages received.
    msgr_recv_messages;
    /// Messages written to sockets, replays included.
    msgr_send_messages;
    /// Bytes received, framing included.
    msgr_recv_bytes;
    /// Bytes handed to sockets, framing included.
    msgr_send_bytes;
    /// Bytes of input copied in memory once more after they had been read; what is sent never is.
    msgr_copied_bytes;
    /// Connections opened since the start, either side dialling; a reconnect counts again.
    msgr_created_connections;
    /// Connections open now.
    msgr_active_connections;
    /// Nanoseconds spent decoding, dispatching and sending, in all threads together.
    msgr_running_total_time;
    /// Nanoseconds of these spent encoding and writing.
    msgr_running_send_time;
    /// Nanoseconds of these spent decoding, estimated from one batch of input in sixteen.
    msgr_running_recv_time;
    /// Nanoseconds of these spent in fast dispatch, estimated likewise.
    msgr_running_fast_dispatch_time;
    /// Read calls on sockets, those that found nothing included.
    msgr_read_calls;
    /// Write calls on sockets, those of handshakes and those that found no room included.
    msgr_write_calls;
    /// Wake-ups of sleeping threads that sending asked for: a worker's event descriptor was written (async), or a writer
    /// that waited was notified (simple).
    msgr_wake_calls in Cells;
    /// Messages sent again after a reconnect.
    msgr_replayed_messages;
    /// Connections that faulted, for any reason.
    msgr_faults;
    /// Socket operations that failed because `ms_inject_socket_failures` says so.
    msgr_injected_socket_failures;
    /// Received messages held back because `ms_inject_delay_probability` says so.
    msgr_injected_delays;
    /// Received messages dropped because their sequence number had been received before.
    msgr_drop_old_messages;
    /// Messages dropped because no dispatcher took them.
    msgr_drop_undispatched_messages;
    /// Messages dropped because they were sent on a closed connection, or queued on one that closed.
    msgr_drop_closed_messages;
    /// Messages dropped because the session was reset.
    msgr_drop_reset_messages;
    /// Connections dropped because of a wrong banner or address.
    msgr_drop_bad_banner;
    /// Connections dropped because of a wrong crc.
    msgr_drop_bad_crc;
    /// Connections dropped because of an unknown or misplaced tag.
    msgr_drop_bad_tag;
    /// Connections dropped because a length was over its cap.
    msgr_drop_bad_length;
    /// Connections dropped because their handshake took too long.
    msgr_drop_handshake_timeout;
    /// Connections dropped for other breaches of the protocol.
    msgr_drop_bad_peer;
}

/// Cells of a counter that threads add to message by message. More than the threads that do so at any one moment on the
/// machines this is run on gains nothing, and each costs a messenger 128 bytes.
const CELLS: usize = 8;

/// A counter in cells, for what threads cannot count by the batch: those with different numbers do not share a cache line.
#[derive(Debug, Default)]
pub(crate) struct Cells([CachePadded<AtomicU64>; CELLS]);

impl Cells {
    /// Adds one, for whoever has this number.
    pub(crate) fn add_one(&self, number: u64) {
        self.0[number as usize % CELLS].fetch_add(1, Relaxed);
    }

    fn load(&self, order: Ordering) -> u64 {
        self.0.iter().map(|cell| cell.load(order)).sum()
    }
}

/// A counter that one thread adds to and any thread reads, on a cache line of its own.
#[derive(Debug, Default)]
pub struct ThreadCounter(CachePadded<AtomicU64>);

impl ThreadCounter {
    /// Adds one. For the thread whose counter it is: of what two threads add at the same time, one would be lost.
    pub fn add_one(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Core {
    /// Counts a read call that [`Link::read_with`](crate::session::Link::read_with) does not know of.
    pub fn note_read_call(&self) {
        add(&self.counters().msgr_read_calls, 1);
    }

    /// Counts write calls and the time spent encoding and writing.
    pub fn note_sending(&self, calls: u64, time: Duration) {
        let counters = self.counters();
        add(&counters.msgr_write_calls, calls);
        add_time(&counters.msgr_running_send_time, time);
        add_time(&counters.msgr_running_total_time, time);
    }

    /// Counts a wake-up of a sleeping thread; threads with different numbers do so without getting in each other's way.
    pub fn note_wake(&self, number: u64) {
        self.counters().msgr_wake_calls.add_one(number);
    }
}

/// Adds `n` to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    if n > 0 {
        counter.fetch_add(n, Relaxed);
    }
}

/// Adds a duration to a counter of nanoseconds.
pub(crate) fn add_time(counter: &AtomicU64, time: Duration) {
    add(counter, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}
