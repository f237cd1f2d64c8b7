//! Cases for event drivers, and the table of them: what the workers of AsyncMessenger rely on.

pub mod readiness;
pub mod waking;

use std::time::Duration;

use msgr_async::driver::{EventDriver, Ready};

/// Makes drivers of one kind.
pub type Make = dyn Fn() -> Box<dyn EventDriver> + Send + Sync;

/// Long enough for a driver to look, and too short to wait.
const LOOK: Duration = Duration::from_micros(1);

/// The table of the cases for event drivers, each with the test of Ceph's `ceph_test_async_driver` that asks for it.
#[doc(hidden)]
#[macro_export]
macro_rules! driver_cases {
    ($make:ident $arguments:tt) => {
        $crate::$make! { $arguments [$crate::drivers]
            Plain readiness {
                what_arrives_in_a_pipe_is_reported_until_it_is_removed = "PipeTest",
                readiness_is_reported_once_or_for_as_long_as_it_lasts,
                a_socket_is_reported_for_what_it_is_ready_for = "NetworkSocketTest",
                hundreds_of_sources_are_told_apart = "FileEventExpansion",
            }
            Plain waking {
                a_wake_up_from_another_thread_ends_the_wait = "DispatchTest",
                a_wake_up_before_the_wait_is_not_lost,
            }
        }
    };
}

/// Makes a test of every case for event drivers, run against what `$make` makes.
#[macro_export]
macro_rules! driver_suite {
    ($make:expr) => {
        $crate::driver_cases! { tests (Plain $make) }
    };
}

crate::driver_cases! { list (Make) }

/// What is ready now.
fn look(driver: &mut dyn EventDriver) -> Vec<Ready> {
    wait(driver, LOOK)
}

/// What is ready, or becomes so within `timeout`.
fn wait(driver: &mut dyn EventDriver, timeout: Duration) -> Vec<Ready> {
    let mut ready = Vec::new();
    driver.wait(&mut ready, Some(timeout)).unwrap();
    ready
}
