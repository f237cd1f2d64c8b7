//! Messages pass.

mod common;

use common::conversation as cases;
use msgr_simple::SimpleFactory;

#[test]
fn both_sides_hear_of_the_connection() {
    cases::both_sides_hear_of_the_connection(&SimpleFactory);
}

#[test]
fn empty_and_huge_messages_pass() {
    cases::empty_and_huge_messages_pass(&SimpleFactory);
}

#[test]
fn streams_in_both_directions_keep_order() {
    cases::streams_in_both_directions_keep_order(&SimpleFactory);
}

#[test]
fn a_messenger_can_talk_to_itself() {
    cases::a_messenger_can_talk_to_itself(&SimpleFactory);
}

#[test]
fn keepalives_are_answered() {
    cases::keepalives_are_answered(&SimpleFactory);
}

#[test]
fn a_throttle_holds_messages_back() {
    cases::a_throttle_holds_messages_back(&SimpleFactory);
}

#[test]
fn requests_are_answered_from_the_reader() {
    cases::requests_are_answered(&SimpleFactory, "127.0.0.1:0", true);
}

#[test]
fn requests_are_answered_from_the_dispatch_queue() {
    cases::requests_are_answered(&SimpleFactory, "127.0.0.1:0", false);
}

#[test]
fn requests_are_answered_over_ipv6() {
    cases::requests_are_answered(&SimpleFactory, "[::1]:0", true);
}
