//! The cases, by what they are about, and the table of them.

pub mod alone;
pub mod conversation;
pub mod faults;
pub mod handshake;
pub mod hostile;
pub mod lifecycle;
pub mod measures;
pub mod reentrance;
pub mod sessions;
pub mod synthetic;
pub mod threads;

use msgr::MessengerFactory;

/// The table of the cases for messengers: kind, module, and each case with the test of Ceph's `ceph_test_msgr` that asks
/// for it. Tests and the list are both made of it.
#[doc(hidden)]
#[macro_export]
macro_rules! cases {
    ($make:ident $arguments:tt) => {
        $crate::$make! { $arguments [$crate::cases]
            Plain conversation {
                requests_are_answered_from_the_receiving_thread = "SimpleTest",
                requests_are_answered_from_the_dispatch_queue,
                requests_are_answered_over_ipv6,
                both_sides_hear_of_the_connection,
                a_messenger_can_talk_to_itself = "SimpleTest",
                large_sections_arrive_whole = "MessageTest",
                empty_and_huge_messages_pass,
                streams_in_both_directions_keep_order,
                keepalives_are_answered,
                a_throttle_holds_messages_back,
            }
            Plain handshake {
                a_peer_is_kept_out_until_it_has_the_required_features = "FeatureTest",
                credentials_are_shown_and_may_change_between_connections = "AuthTest",
                a_challenge_is_answered_with_fresh_credentials,
                rejected_credentials_keep_the_peer_out,
            }
            Plain sessions {
                an_accepted_connection_is_found_by_its_peers_address = "NameAddrTest",
                a_stateful_server_is_told_that_its_client_started_over = "StatefulTest",
                a_client_is_told_that_its_server_forgot_it_and_connects_again = "StatefulTest",
                a_stateless_server_forgets_a_client_with_its_connection = "StatelessTest",
                a_lossy_client_notices_by_a_keepalive_that_it_was_marked_down = "StatelessTest",
                a_resting_client_that_was_forgotten_starts_over_with_its_next_message = "ClientStandbyTest",
                dispatchers_that_mark_each_others_connections_down_make_progress = "MarkdownTest",
            }
            Plain faults {
                a_lossy_connection_is_reset_when_the_server_goes_away = "SimpleTest",
                mark_down_is_a_reset_for_the_peer = "SimpleTest",
                an_idle_connection_times_out = "TimeoutTest",
                nothing_is_lost_doubled_or_reordered_when_sockets_are_cut,
                a_session_outlives_the_accepted_link_that_began_it,
                a_resting_peer_dials_again_when_it_has_something_to_send,
                a_refused_dial_is_told_and_tried_again,
                a_blocked_write_does_not_delay_the_end,
                a_dispatcher_that_panics_costs_its_connection_only,
            }
            Plain hostile {
                garbage_is_dropped_and_counted_while_a_good_peer_goes_on,
                a_silent_client_is_dropped_when_its_handshake_times_out,
                a_silent_server_is_given_up_when_its_handshake_times_out,
            }
            Plain lifecycle {
                a_port_in_use_is_told,
                port_0_takes_a_free_port_of_the_range,
                rebind_moves_to_another_port_as_another_incarnation = "SimpleTest",
                a_messenger_can_be_started_again_after_its_end,
                the_end_does_not_wait_for_half_open_connections,
                shutdown_in_a_fast_dispatch_returns_and_wait_is_misuse,
                shutdown_in_the_dispatch_thread_returns_and_wait_is_misuse,
                misuse_is_an_error,
                dropping_a_messenger_ends_it,
            }
            Plain threads {
                every_callback_runs_on_the_thread_its_contract_names,
            }
            Plain reentrance {
                every_callback_may_send,
                every_callback_may_connect,
                every_callback_may_mark_down,
                every_callback_may_mark_everything_down,
                every_callback_may_shut_the_messenger_down,
                no_callback_may_wait,
            }
            Plain measures {
                every_message_passes_each_stage_once_while_stages_are_timed,
                a_message_to_oneself_passes_no_stage,
                no_stage_is_timed_unless_the_options_ask_for_it,
                reads_writes_and_wake_ups_are_counted,
            }
            Alone alone {
                a_peer_that_came_while_files_ran_out_is_accepted_afterwards,
            }
            Synthetic synthetic {
                clients_of_stateful_servers_lose_nothing_while_connections_come_and_go = "SyntheticStressTest",
                peers_lose_nothing_while_connections_come_and_go = "SyntheticStressTest1",
                clients_of_stateful_servers_lose_nothing_over_failing_sockets = "SyntheticInjectTest",
                peers_lose_nothing_over_failing_sockets = "SyntheticInjectTest2",
                lossy_clients_lose_nothing_before_a_reset = "SyntheticInjectTest3",
                peers_lose_nothing_over_failing_sockets_and_late_messages = "SyntheticInjectTest4",
                large_messages_pass_a_congested_network = "SyntheticInjectTest5",
            }
        }
    };
}

crate::cases! { list (dyn MessengerFactory) }
