//! The suite: every case as a test of its own.

use std::sync::Arc;

use msgr::{Error, Messenger, MessengerFactory, Setup};

/// A factory with options of its own, so that one messenger can be tested in several shapes.
pub struct Configured<F> {
    /// Makes the messengers.
    pub factory: F,
    /// Options set on each, over those of the case.
    pub options: &'static [(&'static str, &'static str)],
}

impl<F: MessengerFactory> MessengerFactory for Configured<F> {
    fn name(&self) -> &'static str {
        self.factory.name()
    }

    fn create(&self, mut setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        for (name, value) in self.options {
            setup.config.set(name, value)?;
        }
        self.factory.create(setup)
    }
}

/// Makes a test of every case, run against the factory given.
#[macro_export]
macro_rules! suite {
    ($factory:expr) => {
        $crate::tests!($factory, conversation: both_sides_hear_of_the_connection, empty_and_huge_messages_pass, streams_in_both_directions_keep_order, a_messenger_can_talk_to_itself, keepalives_are_answered, a_throttle_holds_messages_back);
        $crate::tests!($factory, faults: a_lossy_connection_is_reset_when_the_server_goes_away, mark_down_is_a_reset_for_the_peer, nothing_is_lost_doubled_or_reordered_when_sockets_are_cut, a_resting_peer_dials_again_when_it_has_something_to_send, a_refused_dial_is_told_and_tried_again, an_idle_connection_times_out, a_blocked_write_does_not_delay_the_end,
            a_dispatcher_that_panics_costs_its_connection_only);
        $crate::tests!($factory, hostile: garbage_is_dropped_and_counted_while_a_good_peer_goes_on, a_silent_client_is_dropped_when_its_handshake_times_out, a_silent_server_is_given_up_when_its_handshake_times_out);
        $crate::tests!($factory, lifecycle: a_port_in_use_is_told, port_0_takes_a_free_port_of_the_range, rebind_moves_to_another_port_as_another_incarnation, a_messenger_can_be_started_again_after_its_end, the_end_does_not_wait_for_half_open_connections, misuse_is_an_error, dropping_a_messenger_ends_it);

        mod dispatched {
            use super::*;

            #[test]
            fn requests_are_answered_from_the_receiving_thread() {
                $crate::cases::conversation::requests_are_answered(&$factory, "127.0.0.1:0", true);
            }

            #[test]
            fn requests_are_answered_from_the_dispatch_queue() {
                $crate::cases::conversation::requests_are_answered(&$factory, "127.0.0.1:0", false);
            }

            #[test]
            fn requests_are_answered_over_ipv6() {
                $crate::cases::conversation::requests_are_answered(&$factory, "[::1]:0", true);
            }

            #[test]
            fn shutdown_in_a_fast_dispatch_returns_and_wait_is_misuse() {
                $crate::cases::lifecycle::shutdown_in_a_callback_returns_and_wait_is_misuse(&$factory, true);
            }

            #[test]
            fn shutdown_in_the_dispatch_thread_returns_and_wait_is_misuse() {
                $crate::cases::lifecycle::shutdown_in_a_callback_returns_and_wait_is_misuse(&$factory, false);
            }
        }
    };
}

/// Makes tests of the named cases of one module.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($factory:expr, $module:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $case() {
                    $crate::cases::$module::$case(&$factory);
                }
            )+
        }
    };
}
