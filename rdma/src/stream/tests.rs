#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;

use super::*;

fn pair() -> [Stream<Vec<u8>>; 2] {
    [(); 2].map(|()| Stream::new(WINDOW_MIN, WINDOW_MIN, 64))
}

/// Sends one message; the receiver's answer.
fn carry(streams: &mut [Stream<Vec<u8>>; 2], from: usize, bytes: &[u8]) -> Option<Wake> {
    let kind = if bytes.is_empty() { Kind::Grant } else { Kind::Data };
    let note = streams[from].begin(kind)?;
    streams[from].completed();
    let (wake, _) = streams[1 - from].receive(bytes.to_vec(), bytes.len(), note).unwrap();
    Some(wake)
}

fn read(stream: &mut Stream<Vec<u8>>, room: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let take = |bytes: &[u8]| {
        let n = bytes.len().min(room - out.len());
        out.extend_from_slice(&bytes[..n]);
        n
    };
    stream.read(take, &mut Vec::new()).map(|_| out)
}

#[test]
fn a_note_survives_the_journey() {
    for (grants, heard, end) in [(0, false, false), (u16::MAX, true, true), (7, true, false), (7, false, true)] {
        let note = Note { grants, heard, end };
        assert_eq!(Note::parse(note.emit()), note);
    }
}

#[test]
fn reads_cross_the_borders_of_messages_and_stop_within_them() {
    let mut streams = pair();
    carry(&mut streams, 0, b"one").unwrap();
    carry(&mut streams, 0, b"two").unwrap();
    assert_eq!(read(&mut streams[1], 4).unwrap(), b"onet");
    assert_eq!(read(&mut streams[1], 4).unwrap(), b"wo");
    assert_eq!(read(&mut streams[1], 4).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_sender_stops_when_its_credits_are_used_up_and_goes_on_when_it_hears_of_more() {
    let mut streams = pair();
    let sent = (0..10).take_while(|_| carry(&mut streams, 0, b"x").is_some()).count();
    assert_eq!(sent as u32, WINDOW_MIN);
    assert!(carry(&mut streams, 1, b"").is_none(), "nothing was read");
    read(&mut streams[1], 1).unwrap();
    let wake = carry(&mut streams, 1, b"").unwrap();
    assert!(wake.writable && !wake.readable);
    assert!(carry(&mut streams, 0, b"x").is_some());
}

#[test]
fn data_that_go_the_other_way_carry_what_is_owed() {
    let mut streams = pair();
    carry(&mut streams, 0, b"x").unwrap();
    read(&mut streams[1], 1).unwrap();
    carry(&mut streams, 1, b"y").unwrap();
    assert_eq!(streams[0].credits, WINDOW_MIN);
}

#[test]
fn the_next_grant_waits_until_the_last_one_was_heard() {
    let mut streams = pair();
    for _ in 0..4 {
        carry(&mut streams, 0, b"x").unwrap();
    }
    read(&mut streams[1], 2).unwrap();
    assert!(carry(&mut streams, 1, b"").is_some());
    read(&mut streams[1], 2).unwrap();
    assert!(carry(&mut streams, 1, b"").is_none());
    carry(&mut streams, 0, b"x").unwrap();
    assert!(carry(&mut streams, 1, b"").is_some());
}

#[test]
fn the_end_comes_behind_the_last_byte() {
    let mut streams = pair();
    carry(&mut streams, 0, b"x").unwrap();
    let note = streams[0].begin(Kind::End).unwrap();
    assert!(streams[1].receive(Vec::new(), 0, note).unwrap().0.readable);
    assert_eq!(read(&mut streams[1], 8).unwrap(), b"x");
    assert_eq!(read(&mut streams[1], 8).unwrap(), b"");
    assert_eq!(streams[0].begin(Kind::Data), None, "nothing can follow");
}

#[test]
fn what_arrived_before_a_break_can_be_read() {
    let mut streams = pair();
    carry(&mut streams, 0, b"x").unwrap();
    streams[1].break_off();
    assert_eq!(read(&mut streams[1], 8).unwrap(), b"x");
    assert_eq!(read(&mut streams[1], 8).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(streams[1].begin(Kind::Data), None);
}

#[test]
fn a_peer_that_breaks_the_rules_is_found_out() {
    let note = Note::default();
    let mut stream = Stream::new(WINDOW_MIN, WINDOW_MIN, 64);
    for _ in 0..WINDOW_MIN {
        stream.receive(vec![1], 1, note).unwrap();
    }
    assert_eq!(stream.receive(vec![1], 1, note).unwrap_err().0, PeerError::Overrun);
    let mut stream = Stream::new(WINDOW_MIN, WINDOW_MIN, 64);
    let grants = Note { grants: WINDOW_MAX as u16, ..note };
    assert_eq!(stream.receive(vec![1], 1, grants).unwrap_err().0, PeerError::Credits);
    let mut stream = Stream::new(WINDOW_MIN, WINDOW_MIN, 64);
    stream.receive(Vec::new(), 0, Note { end: true, ..note }).unwrap();
    assert_eq!(stream.receive(vec![1], 1, note).unwrap_err().0, PeerError::BehindEnd);
    let mut stream = Stream::new(WINDOW_MIN, WINDOW_MIN, 64);
    stream.receive(Vec::new(), 0, note).unwrap();
    assert_eq!(
        stream.receive(Vec::new(), 0, note).unwrap_err().0,
        PeerError::Overrun,
        "a grant before it was answered"
    );
}

#[test]
fn a_window_grows_for_a_peer_that_uses_it_up_and_a_reader_that_keeps_pace() {
    let mut streams = pair();
    for _ in 0..4 {
        carry(&mut streams, 0, b"x").unwrap();
    }
    assert_eq!(streams[1].wants(), 0, "the reader does not keep pace");
    read(&mut streams[1], 4).unwrap();
    assert_eq!(streams[1].wants(), WINDOW_MIN);
    streams[1].grow(WINDOW_MIN);
    assert_eq!((streams[1].wants(), streams[1].window()), (0, 8), "the peer does not know yet");
    carry(&mut streams, 1, b"").unwrap();
    assert_eq!(streams[0].credits, 8);
}
