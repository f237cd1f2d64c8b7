//! Hostile peers are dropped.

mod common;

use common::hostile as cases;
use msgr_simple::SimpleFactory;

#[test]
fn garbage_is_dropped_and_counted_while_a_good_peer_goes_on() {
    cases::garbage_is_dropped_and_counted_while_a_good_peer_goes_on(&SimpleFactory);
}

#[test]
fn a_silent_client_is_dropped_when_its_handshake_times_out() {
    cases::a_silent_client_is_dropped_when_its_handshake_times_out(&SimpleFactory);
}

#[test]
fn a_silent_server_is_given_up_when_its_handshake_times_out() {
    cases::a_silent_server_is_given_up_when_its_handshake_times_out(&SimpleFactory);
}
