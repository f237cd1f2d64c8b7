//! Cases: sources are reported for what they are ready for.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use msgr_async::driver::{EventDriver, Ready, Token};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Make, look, wait};
use crate::{PATIENCE, loopback};

const TOKEN: Token = Token(7);

/// The two ends of a pipe, the reading one watched for what arrives.
fn watched_pipe(driver: &mut dyn EventDriver) -> (Arc<OwnedFd>, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    let reader = Arc::new(reader);
    driver.add(&reader, TOKEN).unwrap();
    driver.interest(TOKEN, true, false);
    (reader, writer)
}

fn put(writer: &OwnedFd) {
    assert_eq!(rustix::io::write(writer, b"x"), Ok(1));
}

fn assert_readable(ready: &[Ready]) {
    let [Ready { token: TOKEN, readable: true, closed: false, .. }] = ready else { panic!("{ready:?}") };
}

/// Nothing is reported of an empty pipe; what is written is, and what is written again is too, though the first was not
/// read; after the removal nothing is.
pub fn what_arrives_in_a_pipe_is_reported_until_it_is_removed(make: &Make) {
    let mut driver = make();
    let (reader, writer) = watched_pipe(&mut *driver);
    assert_eq!(look(&mut *driver), []);
    for _ in 0..2 {
        put(&writer);
        assert_readable(&wait(&mut *driver, PATIENCE));
    }
    driver.remove(&reader, TOKEN).unwrap();
    put(&writer);
    assert_eq!(look(&mut *driver), []);
}

/// An edge-triggered driver reports a change once, a level-triggered one goes on reporting until it is acted on.
pub fn readiness_is_reported_once_or_for_as_long_as_it_lasts(make: &Make) {
    let mut driver = make();
    let (reader, writer) = watched_pipe(&mut *driver);
    put(&writer);
    assert_readable(&wait(&mut *driver, PATIENCE));
    if driver.is_edge_triggered() {
        assert_eq!(look(&mut *driver), []);
    } else {
        assert_readable(&look(&mut *driver));
    }
    assert_eq!(rustix::io::read(&reader, &mut [0; 8]), Ok(1));
    assert_eq!(look(&mut *driver), []);
}

/// A listener is reported when somebody connects; a socket for reading when bytes or the end arrive, and for writing
/// when that is asked for; a server answers 30 banners that way.
pub fn a_socket_is_reported_for_what_it_is_ready_for(make: &Make) {
    const TURNS: usize = 30;
    const BANNER: &[u8; 6] = b"banner";
    let mut driver = make();
    let listener = TcpListener::bind(loopback()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let listening = Arc::new(OwnedFd::from(listener.try_clone().unwrap()));
    driver.add(&listening, TOKEN).unwrap();
    driver.interest(TOKEN, true, false);
    assert_eq!(look(&mut *driver), []);

    let client = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..TURNS {
            socket.write_all(BANNER).unwrap();
            socket.read_exact(&mut [0; BANNER.len()]).unwrap();
        }
    });
    assert_readable(&wait(&mut *driver, PATIENCE));
    let (mut socket, _) = listener.accept().unwrap();
    driver.remove(&listening, TOKEN).unwrap();

    socket.set_nonblocking(true).unwrap();
    let source = Arc::new(OwnedFd::from(socket.try_clone().unwrap()));
    driver.add(&source, TOKEN).unwrap();
    driver.interest(TOKEN, true, false);
    let level_triggered = !driver.is_edge_triggered();
    for _ in 0..TURNS {
        // An edge-triggered driver watches for both, and may report room for writing first.
        let mut ready = wait(&mut *driver, PATIENCE);
        while matches!(ready[..], [Ready { readable: false, writable: true, .. }]) && !level_triggered {
            ready = wait(&mut *driver, PATIENCE);
        }
        let [Ready { token: TOKEN, readable: true, writable, .. }] = ready[..] else { panic!("{ready:?}") };
        assert!(!(writable && level_triggered), "that was not asked for");
        let mut banner = [0; BANNER.len()];
        socket.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, BANNER);
        if level_triggered {
            driver.interest(TOKEN, true, true);
            let ready = wait(&mut *driver, PATIENCE);
            let [Ready { token: TOKEN, readable: false, writable: true, closed: false }] = ready[..] else {
                panic!("{ready:?}")
            };
            driver.interest(TOKEN, true, false);
        }
        socket.write_all(&banner).unwrap();
    }
    client.join().unwrap();
    let begun = Instant::now();
    while !wait(&mut *driver, PATIENCE).iter().any(|ready| ready.readable && ready.closed) {
        assert!(begun.elapsed() < PATIENCE, "the end is not reported");
    }
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);
}

/// Far more sources than a driver can report at once, or has room for at first: each is reported under its own token,
/// and none any more after its removal.
pub fn hundreds_of_sources_are_told_apart(make: &Make) {
    const SOURCES: usize = 300;
    let mut driver = make();
    let pairs: Vec<_> = (0..SOURCES)
        .map(|token| {
            let (here, there) = UnixStream::pair().unwrap();
            let here = Arc::new(OwnedFd::from(here));
            driver.add(&here, Token(token)).unwrap();
            driver.interest(Token(token), true, false);
            (here, there)
        })
        .collect();
    for (_, there) in &pairs {
        (&mut &*there).write_all(b"x").unwrap();
    }
    let mut readable = BTreeSet::new();
    let begun = Instant::now();
    while readable.len() < SOURCES {
        assert!(begun.elapsed() < PATIENCE, "only {readable:?} were reported");
        readable.extend(wait(&mut *driver, PATIENCE).iter().filter(|ready| ready.readable).map(|ready| ready.token.0));
    }
    assert!(readable.iter().copied().eq(0..SOURCES));
    for (token, (here, there)) in pairs.iter().enumerate() {
        driver.remove(here, Token(token)).unwrap();
        (&mut &*there).write_all(b"x").unwrap();
    }
    assert_eq!(look(&mut *driver), []);
}
