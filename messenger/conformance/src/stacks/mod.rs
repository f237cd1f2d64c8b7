//! Cases for network stacks, and the table of them: what a connection of AsyncMessenger relies on.

pub mod connecting;
pub mod streams;
mod worker;

use std::net::SocketAddr;
use std::thread;

use msgr_async::driver::EventDriver;
use msgr_async::stack::NetworkStack;

/// A stack, and what it is tested with.
pub struct Testbed {
    /// The stack.
    pub stack: &'static dyn NetworkStack,
    /// Makes the drivers that watch its sockets.
    pub driver: fn() -> Box<dyn EventDriver>,
    /// An address of this host that nobody uses, with a port of 0.
    pub address: fn() -> SocketAddr,
    /// Whether a connection is made before the peer accepts it, by the operating system.
    pub connects_alone: bool,
}

/// The table of the cases for network stacks, each with the test of Ceph's `ceph_test_async_networkstack` that asks for
/// it.
#[doc(hidden)]
#[macro_export]
macro_rules! stack_cases {
    ($make:ident $arguments:tt) => {
        $crate::$make! { $arguments [$crate::stacks]
            Plain connecting {
                a_connection_carries_bytes_to_its_end = "SimpleTest",
                a_connection_that_cannot_be_made_says_so = "ConnectFailedTest",
                an_unanswered_connection_stays_pending = "ConnectFailedTest",
                an_address_in_use_is_told = "ListenTest",
                connections_may_close_before_and_after_they_are_accepted = "AcceptAndCloseTest",
                without_a_listener_nobody_connects = "AcceptAndCloseTest",
            }
            Plain streams {
                a_long_list_of_segments_arrives_in_order = "ComplexTest",
                many_connections_echo_random_messages = "StressTest",
            }
        }
    };
}

/// Makes a test of every case for network stacks, run on the [`Testbed`] given.
#[macro_export]
macro_rules! stack_suite {
    ($testbed:expr) => {
        $crate::stack_cases! { tests (Plain $testbed) }
    };
}

crate::stack_cases! { list (Testbed) }

/// Runs `body` in as many threads at once as a messenger has workers by default, as upstream's suite does: a stack is
/// used by all of them.
fn on_every_worker(body: impl Fn() + Sync) {
    const WORKERS: usize = 3;
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(&body);
        }
    });
}
