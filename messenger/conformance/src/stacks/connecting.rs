//! Cases: connections begin and end.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use msgr::session::{Outbox, ReadInto};

use super::worker::Worker;
use super::{Testbed, on_every_worker};
use crate::raw;

/// An outbox with these bytes in it.
fn outbox(bytes: &'static [u8]) -> Outbox {
    let mut outbox = Outbox::new();
    outbox.push(Bytes::from_static(bytes));
    outbox
}

/// Listening, connecting and accepting never block; what one end sends the other reads; after a shutdown sends fail and
/// the other end reads the end.
pub fn a_connection_carries_bytes_to_its_end(testbed: &Testbed) {
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (here, there) = worker.pair();
        assert!(there.socket.is_connected().unwrap());
        let text = b"message in a bottle, 1";
        assert_eq!(worker.send(&here, &outbox(text)).unwrap(), text.len());
        let mut buffer = [0; 64];
        assert_eq!(worker.read(&there, &mut buffer).unwrap(), text.len());
        assert_eq!(&buffer[..text.len()], text);
        let empty = there.socket.read(ReadInto::Slice(&mut buffer));
        assert_eq!(empty.unwrap_err().kind(), ErrorKind::WouldBlock);
        here.socket.shutdown();
        assert_eq!(worker.send(&here, &outbox(text)).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(worker.read(&there, &mut buffer).unwrap(), 0);
        worker.close(here);
        worker.close(there);
    });
}

/// Where nobody listens, the attempt ends refused.
pub fn a_connection_that_cannot_be_made_says_so(testbed: &Testbed) {
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (listening, free) = worker.listen();
        worker.unlisten(&listening);
        drop(listening);
        let error = worker.try_connect(free).and_then(|stream| worker.finish_connect(&stream)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset), "{error}");
    });
}

/// Where nobody answers, the attempt is neither made nor failed, and can be given up.
///
/// Upstream dials an address of a network that it hopes is not there. What does not answer here is a listening socket of
/// this host whose queue of connections is full.
pub fn an_unanswered_connection_stays_pending(testbed: &Testbed) {
    const LOOKS: usize = 50;
    let full = raw::Unanswering::new();
    let mut worker = Worker::new(testbed);
    let stream = worker.connect(full.address());
    worker.driver.interest(stream.token, true, true);
    for _ in 0..LOOKS {
        assert!(!stream.socket.is_connected().unwrap());
        worker.driver.wait(&mut Vec::new(), Some(Duration::from_millis(1))).unwrap();
    }
    stream.socket.shutdown();
    worker.close(stream);
}

/// A second listener on an address is refused as such.
pub fn an_address_in_use_is_told(testbed: &Testbed) {
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (_listening, address) = worker.listen();
        let Err(error) = testbed.stack.listen(address, &worker.config) else { panic!("two listen on {address}") };
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

/// Accepting when nobody waits would block; an accepted connection that is dropped ends at the other side; one that its
/// other side closed before it was accepted is accepted, and at its end.
pub fn connections_may_close_before_and_after_they_are_accepted(testbed: &Testbed) {
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (listening, address) = worker.listen();
        let Err(nobody) = listening.socket.accept(&worker.config) else { panic!("nobody connected") };
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);

        let here = worker.connect(address);
        let there = worker.accept(&listening);
        worker.finish_connect(&here).unwrap();
        worker.close(there);
        assert_eq!(worker.read(&here, &mut [0; 8]).unwrap(), 0);
        worker.close(here);

        let gone = worker.connect(address);
        // The attempt of one that is closed sooner is given up.
        worker.await_arrival(&listening);
        if testbed.connects_alone {
            worker.finish_connect(&gone).unwrap();
        }
        worker.close(gone);
        let there = worker.accept(&listening);
        ends(worker.read(&there, &mut [0; 8]));
        worker.close(there);
    });
}

/// What a read finds of a connection that is over.
fn ends(read: std::io::Result<usize>) {
    match read {
        Ok(0) => {}
        Ok(n) => panic!("{n} bytes from nobody"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Once the listener is gone, so is whoever was waiting to be accepted, and nobody connects any more.
pub fn without_a_listener_nobody_connects(testbed: &Testbed) {
    on_every_worker(|| {
        let mut worker = Worker::new(testbed);
        let (listening, address) = worker.listen();
        let waiting = worker.connect(address);
        if testbed.connects_alone {
            worker.finish_connect(&waiting).unwrap();
        }
        worker.unlisten(&listening);
        drop(listening);
        ends(worker.read(&waiting, &mut [0; 8]));
        let error = worker.try_connect(address).and_then(|late| worker.finish_connect(&late)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset), "{error}");
    });
}
