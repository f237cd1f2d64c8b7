//! Connections break.

mod common;

use common::faults as cases;
use msgr_simple::SimpleFactory;

#[test]
fn a_lossy_connection_is_reset_when_the_server_goes_away() {
    cases::a_lossy_connection_is_reset_when_the_server_goes_away(&SimpleFactory);
}

#[test]
fn mark_down_is_a_reset_for_the_peer() {
    cases::mark_down_is_a_reset_for_the_peer(&SimpleFactory);
}

#[test]
fn nothing_is_lost_doubled_or_reordered_when_sockets_are_cut() {
    cases::nothing_is_lost_doubled_or_reordered_when_sockets_are_cut(&SimpleFactory);
}

#[test]
fn a_resting_peer_dials_again_when_it_has_something_to_send() {
    cases::a_resting_peer_dials_again_when_it_has_something_to_send(&SimpleFactory);
}

#[test]
fn a_refused_dial_is_told_and_tried_again() {
    cases::a_refused_dial_is_told_and_tried_again(&SimpleFactory);
}

#[test]
fn an_idle_connection_times_out() {
    cases::an_idle_connection_times_out(&SimpleFactory);
}

#[test]
fn a_blocked_write_does_not_delay_the_end() {
    cases::a_blocked_write_does_not_delay_the_end(&SimpleFactory);
}
