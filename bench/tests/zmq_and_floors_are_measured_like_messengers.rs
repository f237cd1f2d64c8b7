//! ZeroMQ and the floors over real sockets: every workload, one peer and several, and what happens when sides do not fit.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use msgr_reports::record::{Sample, Workload};
use support::{Running, fails, succeeds};

const SHORT: &str = "--duration 100ms --warmup 20ms";

/// A server by hand, with the address it serves on and its control address.
fn serve(kind: &str) -> (Running, String, String) {
    let args = format!("serve --messenger {kind} --bind 127.0.0.1:0 --control 127.0.0.1:0 --reply 100");
    let mut server = Running::start(&args, true, ("BY_HAND", kind));
    let first = server.line();
    let ends: Vec<_> =
        first.split(" on ").skip(1).map(|rest| rest.split([',', ';']).next().unwrap().to_owned()).collect();
    (server, ends[0].clone(), ends[1].clone())
}

/// Takes a sample of each workload at each number of peers from one server, with `sizes` of payloads.
fn every_workload(kind: &str, peers: &[u32], sizes: &[&str]) {
    let (_server, address, control) = serve(kind);
    let load = |what: &str, peers: u32| -> Sample {
        let json = succeeds(&format!(
            "load --messenger {kind} --connect {address} --control {control} --peers {peers} --reply 100 --json - {SHORT} {what}"
        ));
        serde_json::from_str(&json).unwrap()
    };
    for &peers in peers {
        for size in sizes {
            let sample = load(&format!("--workload ping-pong --depth 2 --size {size}"), peers);
            assert_eq!((sample.messenger.as_str(), sample.load_messenger.as_str(), sample.peers), (kind, kind, peers));
            assert_eq!(sample.in_flight, 2 * peers);
            assert_eq!(sample.latency.unwrap().count, sample.messages);
            assert!(sample.messages > 0 && sample.server.threads > 0 && sample.load.threads > 0);
        }
        let sample = load("--workload ping-pong", peers);
        assert!(sample.latency.unwrap().count > 0);

        let sample = load("--workload under-load --rate 500", peers);
        let open = sample.open_loop.unwrap();
        assert!(sample.messages > 0 && open.unsent == 0 && open.late.is_some());
    }
}

/// Takes a sample of a stream at each number of peers.
fn streams(kind: &str, peers: &[u32], size: &str) {
    let (_server, address, control) = serve(kind);
    for peers in peers {
        let json = succeeds(&format!(
            "load --messenger {kind} --connect {address} --control {control} --peers {peers} --size {size} --json - {SHORT} \
             --workload stream"
        ));
        let sample: Sample = serde_json::from_str(&json).unwrap();
        assert!(sample.messages > 0 && sample.workload == Workload::Stream && sample.latency.is_none());
    }
}

#[test]
fn every_floor_takes_every_workload() {
    for kind in ["tcp", "tcp-epoll", "tcp-spin"] {
        every_workload(kind, &[1, 5], &["1", "100KiB"]);
        streams(kind, &[1], "64");
    }
}

#[test]
fn the_streams_of_event_loops_have_any_number_of_peers_and_those_of_blocking_calls_one() {
    for kind in ["tcp-epoll", "tcp-spin"] {
        streams(kind, &[3], "300KiB");
    }
    let (_server, address, control) = serve("tcp");
    let args = format!("load --messenger tcp --workload stream --peers 2 --connect {address} --control {control}");
    fails(&args, 2, &["--peers 1", "tcp-epoll"]);
}

#[test]
fn a_floor_is_loaded_by_its_like_alone_and_has_nothing_to_stall() {
    for (kind, load) in [("tcp-epoll", "tcp"), ("tcp", "tcp-spin"), ("tcp-spin", "async"), ("async", "tcp-epoll")] {
        let (_server, address, control) = serve(kind);
        let args = format!("load --messenger {load} --connect {address} --control {control}");
        fails(&args, 2, &[kind, load, "tcp goes with tcp only"]);
    }
    fails("serve --messenger tcp-spin --bind 127.0.0.1:0 --inject-stall 10ms/1s", 2, &["no callback to stall in"]);
}

#[cfg(feature = "zmq")]
mod zmq {
    use std::collections::BTreeMap;
    use std::net::{TcpListener, TcpStream};

    use support::{free, taken};

    use super::*;

    #[test]
    fn zeromq_takes_every_workload() {
        every_workload("zmq", &[1, 5], &["1", "100KiB", "4MiB"]);
        streams("zmq", &[1, 5], "64");
        streams("zmq", &[2], "5MiB");
    }

    #[test]
    fn more_peers_than_a_context_has_sockets_are_connected_all_the_same() {
        let (_server, address, control) = serve("zmq");
        let json = succeeds(&format!(
            "load --messenger zmq --connect {address} --control {control} --peers 1100 --size 64 --json - {SHORT}"
        ));
        let sample: Sample = serde_json::from_str(&json).unwrap();
        assert!(sample.messages > 0 && sample.peers == 1100);
        let count = |threads: &BTreeMap<String, u64>, name| threads.get(name).copied();
        let (server, load) = (sample.server.threads_by_name, sample.load.threads_by_name);
        assert_eq!((count(&server, "zmq-serve"), count(&load, "zmq-load")), (Some(1), Some(1)));
        let of_library = |threads: &BTreeMap<String, u64>| -> u64 {
            threads.iter().filter(|(name, _)| name.starts_with("ZMQbg")).map(|(_, count)| count).sum()
        };
        assert_eq!((of_library(&server), of_library(&load)), (2, 4), "{server:?} {load:?}");
    }

    #[test]
    fn a_stall_holds_up_zeromq_too() {
        let dir = tempfile::tempdir().unwrap();
        succeeds(&format!(
            "run --messengers zmq --peers 1 --workload under-load --rate 200 --rounds 1 --inject-stall 60ms/200ms \
             --duration 500ms --warmup 200ms --out {}",
            dir.path().display()
        ));
        let run = support::record(dir.path());
        let max = |kind: &str| {
            run.samples.iter().find(|sample| sample.messenger == kind).unwrap().latency.clone().unwrap().max_ns
        };
        assert!(max("zmq") >= 40_000_000, "{}", max("zmq"));
    }

    #[test]
    fn an_address_in_use_and_a_server_that_is_none_of_ours_are_errors_and_no_hang() {
        let (_listener, address) = taken();
        fails(&format!("serve --messenger zmq --bind {address}"), 2, &[&address, "stop what listens there"]);

        let (_server, _, control) = serve("zmq");
        let nobody = free();
        let args = |address: &str| format!("load --messenger zmq --connect {address} --control {control} {SHORT}");
        fails(&args(&nobody), 2, &[&nobody, "refused", "msgr-bench serve"]);

        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap().to_string();
        // Lives as long as this process, and hangs up on everybody.
        std::thread::spawn(move || stranger.incoming().for_each(drop::<std::io::Result<TcpStream>>));
        fails(&args(&address), 2, &[&address, "no `msgr-bench serve", "broke"]);
    }

    #[test]
    fn a_connection_that_breaks_ends_the_sample() {
        for workload in ["ping-pong", "stream", "under-load --rate 1000"] {
            let (_server, address, control) = serve("zmq");
            let cut = breaking(&address);
            let args = format!(
                "load --messenger zmq --connect {cut} --control {control} --duration 30s --workload {workload}"
            );
            fails(&args, 2, &["the connection to `msgr-bench serve` broke"]);
        }
    }

    /// An address that leads to `address`, where each connection breaks after some bytes.
    fn breaking(address: &str) -> String {
        /// Bytes until then: more than a handshake, less than a moment of load.
        const BYTES: u64 = 300 << 10;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (here, there) = (listener.local_addr().unwrap().to_string(), address.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&there).unwrap();
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pipe(&near, &far, BYTES));
                std::thread::spawn(move || pipe(&far_too, &near_too, u64::MAX));
            }
        });
        here
    }

    fn pipe(from: &TcpStream, to: &TcpStream, bytes: u64) {
        use std::io::Read;
        let (mut source, mut sink) = (from.take(bytes), to);
        // Either side may have gone.
        let _ = std::io::copy(&mut source, &mut sink);
        for stream in [from, to] {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
