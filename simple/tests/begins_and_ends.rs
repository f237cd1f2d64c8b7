//! A messenger begins and ends.

mod common;

use common::lifecycle as cases;
use msgr_simple::SimpleFactory;

#[test]
fn a_port_in_use_is_told() {
    cases::a_port_in_use_is_told(&SimpleFactory);
}

#[test]
fn port_0_takes_a_free_port_of_the_range() {
    cases::port_0_takes_a_free_port_of_the_range(&SimpleFactory);
}

#[test]
fn rebind_moves_to_another_port_as_another_incarnation() {
    cases::rebind_moves_to_another_port_as_another_incarnation(&SimpleFactory);
}

#[test]
fn a_messenger_can_be_started_again_after_its_end() {
    cases::a_messenger_can_be_started_again_after_its_end(&SimpleFactory);
}

#[test]
fn the_end_does_not_wait_for_half_open_connections() {
    cases::the_end_does_not_wait_for_half_open_connections(&SimpleFactory);
}

#[test]
fn misuse_is_an_error() {
    cases::misuse_is_an_error(&SimpleFactory);
}

#[test]
fn dropping_a_messenger_ends_it() {
    cases::dropping_a_messenger_ends_it(&SimpleFactory);
}

#[test]
fn shutdown_in_a_fast_dispatch_returns_and_wait_is_misuse() {
    cases::shutdown_in_a_callback_returns_and_wait_is_misuse(&SimpleFactory, true);
}

#[test]
fn shutdown_in_the_dispatch_thread_returns_and_wait_is_misuse() {
    cases::shutdown_in_a_callback_returns_and_wait_is_misuse(&SimpleFactory, false);
}
