//! Cases: peers that break the protocol are dropped and counted, and nobody else notices.

use std::io::Write;
use std::net::TcpListener;

use msgr::wire::crc::crc32c;
use msgr::{EntityAddr, Message, MessengerFactory, Policy, Stats};

use crate::{Plan, echo, loopback, raw};

/// Picks the counter that a breach is counted by.
type Counter = fn(&Stats) -> u64;

/// A wrong banner, an unknown tag, an absurd length and wrong crcs each end that one connection.
pub fn garbage_is_dropped_and_counted_while_a_good_peer_goes_on(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).reacting(echo()).start(factory);
    let client = Plan::client(Policy::lossy_client()).start(factory);
    let good = client.connect(server.address());
    let still_good = |tid| {
        good.send_message(Message::new(1).with_tid(tid)).unwrap();
        assert_eq!(client.message().tid, tid);
    };
    still_good(0);

    let data = b"payload";
    let (header, data_crc) = (raw::header(data), crc32c(0, data));
    let mut absurd = header;
    absurd.data_len = u32::MAX;
    let mut bad_header = raw::frame(header, data, data_crc);
    bad_header[5] ^= 1;
    let after_opening: [(&str, Vec<u8>, Counter); 4] = [
        ("an unknown tag", vec![0xee], |stats| stats.msgr_drop_bad_tag),
        ("an absurd length", raw::frame(absurd, data, data_crc), |stats| stats.msgr_drop_bad_length),
        ("a wrong header crc", bad_header, |stats| stats.msgr_drop_bad_crc),
        ("a wrong data crc", raw::frame(header, data, data_crc ^ 1), |stats| stats.msgr_drop_bad_crc),
    ];
    for (nonce, (what, bytes, counter)) in (100..).zip(after_opening) {
        let before = counter(&server.messenger.stats());
        let mut socket = raw::open(server.socket(), nonce);
        socket.write_all(&bytes).unwrap();
        raw::read_to_end(socket);
        assert_eq!(counter(&server.messenger.stats()), before + 1, "{what}");
        still_good(u64::from(nonce));
    }

    let mut socket = raw::dial(server.socket());
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    raw::read_to_end(socket);
    assert_eq!(server.messenger.stats().msgr_drop_bad_banner, 1);
    still_good(1);
    assert_eq!(server.messenger.stats().msgr_recv_messages, 6, "nothing of the garbage was dispatched");
}

/// A client that says nothing after connecting is dropped.
pub fn a_silent_client_is_dropped_when_its_handshake_times_out(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).with("ms_connection_ready_timeout", "0.2").start(factory);
    raw::read_to_end(raw::dial(server.socket()));
    assert_eq!(server.messenger.stats().msgr_drop_handshake_timeout, 1);
}

/// A server that accepts and says nothing does not hold the dial for ever.
pub fn a_silent_server_is_given_up_when_its_handshake_times_out(factory: &dyn MessengerFactory) {
    let silent = TcpListener::bind(loopback()).unwrap();
    let client = Plan::client(Policy::lossy_client())
        .with("ms_connection_ready_timeout", "0.05")
        .with("ms_initial_backoff", "0.01")
        .start(factory);
    client.connect(EntityAddr::new(silent.local_addr().unwrap(), 0));
    // It comes again: the attempt before has ended.
    let first = silent.accept().unwrap();
    silent.accept().unwrap();
    drop(first);
    assert!(client.messenger.stats().msgr_drop_handshake_timeout >= 1);
}
