//! Alone in its process, because it uses up the process's file descriptors.

use msgr_conformance::cases::alone;
use msgr_simple::SimpleFactory;

#[test]
fn a_peer_that_came_while_files_ran_out_is_accepted_afterwards() {
    alone::a_peer_that_came_while_files_ran_out_is_accepted_afterwards(&SimpleFactory);
}
