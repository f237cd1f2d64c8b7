//! Asking for ZeroMQ where there is none, and where it does not go.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use support::{fails, succeeds};

#[cfg(not(feature = "zmq"))]
#[test]
fn a_program_without_zeromq_says_how_to_build_one_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for args in [
        format!("run --messengers simple,zmq --peers 1 --out {}", out.display()),
        "serve --messenger zmq --bind 127.0.0.1:0".into(),
        "load --messenger zmq --connect 127.0.0.1:1".into(),
    ] {
        fails(&args, 2, &["built without ZeroMQ", "--features zmq", "just setup"]);
    }
    assert!(!out.exists());
    assert!(succeeds("doctor").contains("ZeroMQ: none: this msgr-bench was built without ZeroMQ"));
}

#[cfg(feature = "zmq")]
#[test]
fn the_doctor_names_the_library_and_what_the_host_leaves_room_for() {
    let text = succeeds("doctor");
    assert!(text.contains("ZeroMQ: libzmq 4.") && text.contains("zmq under zmq load"), "{text}");
}

#[cfg(feature = "zmq")]
#[test]
fn zeromq_is_compared_with_and_is_no_messenger() {
    for args in ["run --load-messenger zmq", "speed --messengers zmq", "soak --messengers zmq"] {
        fails(args, 2, &["zmq is a reference, to compare with", "simple, async, rdma"]);
    }
}
