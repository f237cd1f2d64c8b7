//! Whole measurements, in short.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;

use msgr_reports::record::{Sample, Workload};
use rustix::process::Signal;
use support::{Running, fails, free, point, record, succeeds, taken};

/// Short, and still long enough for a message to get through on a machine that does much else.
const SHORT: &str = "--duration 200ms --warmup 10ms";

#[test]
fn the_floor_alone_gives_a_record_and_a_page_in_an_order_that_the_seed_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let mut orders = Vec::new();
    for out in ["a", "b"] {
        let out = dir.path().join(out);
        let args = format!(
            "run --messengers tcp --peers 1,2,3 --workload ping-pong,stream --rounds 2 --seed 7 {SHORT} --out {}",
            out.display()
        );
        let page = succeeds(&args);
        assert_eq!(page.trim(), out.join("index.html").display().to_string());
        assert!(std::fs::read_to_string(out.join("index.html")).unwrap().contains("<svg"));
        let run = record(&out);
        assert!(!run.partial && run.plan.messengers.is_empty() && run.plan.seed == 7);
        assert!(run.samples.iter().all(|sample| sample.messages > 0 && sample.server.threads > 0));
        orders.push(run.samples.iter().map(point).collect::<Vec<_>>());
    }
    // Three peer counts of ping-pong and one stream, in each round.
    assert_eq!(orders[0].len(), 2 * 4);
    assert_eq!(orders[0], orders[1]);
}

#[test]
fn threads_grow_with_the_peers_of_one_messenger_and_not_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "run --messengers simple,async --peers 2,7 --sizes 64 --depth 64 --workload ping-pong,stream --rounds 1 {SHORT} --out {}",
        dir.path().display()
    );
    succeeds(&args);
    let run = record(dir.path());
    let threads = |kind: &str, peers| {
        let sample = run.samples.iter().find(|sample| sample.messenger == kind && sample.peers == peers);
        sample.unwrap().server.threads
    };
    assert_eq!(threads("simple", 7), threads("simple", 2) + 2 * 5);
    assert_eq!(threads("async", 7), threads("async", 2));
    for sample in &run.samples {
        let round_trips = sample.latency.as_ref().map(|latency| latency.count);
        match sample.workload {
            Workload::PingPong | Workload::UnderLoad => assert_eq!(round_trips, Some(sample.messages)),
            Workload::Stream => assert_eq!(round_trips, None),
        }
        assert!(sample.bytes == sample.messages * sample.size && sample.server.rss_before > 0, "{}", point(sample));
        assert_eq!(sample.server.counters.is_empty(), sample.messenger == "tcp");
    }
}

#[test]
fn a_messenger_whose_side_fails_is_missing_with_its_reason_and_the_run_goes_on() {
    let (_listener, address) = taken();
    let port = address.rsplit(':').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "run --messengers async --peers 1 --rounds 1 {SHORT} --set ms_bind_retry_count=0 --set ms_bind_port_min={port} \
         --set ms_bind_port_max={port} --out {}",
        dir.path().display()
    );
    succeeds(&args);
    let run = record(dir.path());
    assert_eq!(run.samples.iter().map(point).collect::<Vec<_>>(), ["0 tcp PingPong 1"]);
    let failed: Vec<_> = run.warnings.iter().filter(|warning| warning.kind == "sample-failed").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].text.contains("serve async") && failed[0].text.contains("in use"), "{}", failed[0].text);
}

/// A server by hand, with the address it serves on and its control address.
fn serve(kind: &str) -> (Running, String, String) {
    let args = format!("serve --messenger {kind} --bind 127.0.0.1:0 --control 127.0.0.1:0");
    let mut server = Running::start(&args, true, ("BY_HAND", kind));
    let first = server.line();
    let words: Vec<_> = first.split([' ', ',', ';']).collect();
    let after = |word: &str| words[words.iter().position(|found| *found == word).unwrap() + 1].to_owned();
    let (address, control) = (after("on"), words[words.iter().rposition(|word| *word == "on").unwrap() + 1].to_owned());
    // Two more lines of advice.
    server.line();
    server.line();
    (server, address, control)
}

#[test]
fn both_sides_by_hand_give_a_record_and_the_server_its_counters() {
    for kind in ["simple", "async"] {
        let (mut server, address, control) = serve(kind);
        let dir = tempfile::tempdir().unwrap();
        let common = format!("--messenger {kind} --connect {address} --control {control} --size 1k {SHORT}");
        succeeds(&format!("load {common} --depth 4 --out {}", dir.path().display()));
        let run = record(dir.path());
        assert_eq!((run.samples.len(), run.samples[0].in_flight, run.partial), (1, 4, false));
        assert!(dir.path().join("index.html").exists());

        let json = succeeds(&format!("load {common} --workload stream --peers 3 --json -"));
        let sample: Sample = serde_json::from_str(&json).unwrap();
        assert_eq!((sample.peers, sample.messenger.as_str()), (3, kind));

        server.signal(Signal::INT);
        let counters: BTreeMap<_, _> = server
            .rest()
            .into_iter()
            .filter_map(|line| {
                let (name, value) = line.split_once(' ')?;
                Some((name.to_owned(), value.parse::<u64>().ok()?))
            })
            .collect();
        assert_eq!(server.wait(), Some(0));
        assert_eq!(counters["msgr_created_connections"], 1 + 3);
        assert!(counters["msgr_recv_messages"] >= run.samples[0].messages + sample.messages);
    }
}

#[test]
fn sides_that_do_not_fit_are_told_apart_before_anything_is_sent() {
    let (_server, address, control) = serve("tcp");
    fails(&format!("load --messenger async --connect {address} --control {control}"), 2, &["tcp goes with tcp only"]);
    fails(
        &format!("load --messenger tcp --workload stream --peers 2 --connect {address} --control {control}"),
        2,
        &["--peers 1"],
    );
}

#[test]
fn a_refused_dial_says_that_nothing_listens() {
    for kind in ["simple", "async"] {
        let (_server, _, control) = serve(kind);
        let nobody = free();
        let args = format!("load --messenger {kind} --connect {nobody} --control {control} {SHORT}");
        fails(&args, 2, &[&nobody, "refused", "msgr-bench serve"]);
    }
}

#[test]
fn a_server_that_is_none_of_ours_is_an_error_and_no_hang() {
    for kind in ["simple", "async"] {
        let (_server, _, control) = serve(kind);
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap();
        // Lives as long as this process: a dial that fails is tried again.
        std::thread::spawn(move || {
            for mut stream in stranger.incoming().map_while(Result::ok) {
                let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
            }
        });
        let args = format!("load --messenger {kind} --connect {address} --control {control} {SHORT}");
        fails(&args, 2, &["no `msgr-bench serve`", "wrong banner"]);
    }
}
