//! Cases that need a process to themselves.

use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::Duration;

use msgr::wire::{BANNER, BANNER_LEN};
use msgr::{MessengerFactory, Policy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Plan, raw};

/// Uses up the process's file descriptors while a peer dials.
pub fn a_peer_that_came_while_files_ran_out_is_accepted_afterwards(factory: &dyn MessengerFactory) {
    let server = Plan::server(Policy::stateless_server()).start(factory);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // The last one is for the peer's end; there is none for the server's.
    files.pop().unwrap();
    let mut peer = raw::dial(server.socket());
    assert!(File::open("/dev/null").is_err());
    // Long enough for the accept to fail, which cannot be seen from here.
    thread::sleep(Duration::from_millis(50));
    drop(files);
    let mut banner = [0; BANNER_LEN];
    peer.read_exact(&mut banner).unwrap();
    assert_eq!(banner, BANNER);
}
