//! Rules of the code base that no lint knows.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines. Half of this is a good length.
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Rust source below `dir` of the workspace, with its text.
fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {dir}");
    found
}

/// As [`sources`], without the tests of hand-offs, which stand beside what they test.
fn shipped(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = sources(dir);
    found
        .retain(|(path, _)| !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("schedules")));
    found
}

#[test]
fn stacks_know_nothing_of_the_protocol() {
    let protocol =
        ["connect_seq", "global_seq", "in_seq", "out_seq", "wire::", "Phase::", "tag::", "crc32c", "policy.lossy"];
    for (path, text) in ["simple/src", "async_msgr/src"].into_iter().flat_map(shipped) {
        for word in protocol {
            assert!(!text.contains(word), "{} says {word:?}: that belongs in messenger/", path.display());
        }
    }
}

#[test]
fn the_protocol_opens_no_socket_and_starts_no_thread_but_the_dispatch_queue() {
    for (path, text) in shipped("messenger/src") {
        for word in ["TcpStream", "TcpListener", "socket2", "rustix", "thread::sleep"] {
            assert!(!text.contains(word), "{} says {word:?}: that belongs in a stack", path.display());
        }
        let may_spawn = path.ends_with("queue_thread.rs");
        assert!(may_spawn || !text.contains("spawn("), "{} starts a thread", path.display());
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let crates = [
        "messenger",
        "messenger/conformance",
        "messenger/conformance/table",
        "messenger/sim",
        "simple",
        "async_msgr",
        "bench",
        "reports",
    ];
    for dir in crates {
        let src = root().join(dir).join("src");
        let text = fs::read_to_string(src.join("lib.rs")).or_else(|_| fs::read_to_string(src.join("main.rs"))).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{dir}");
    }
}

#[test]
fn unsafe_code_stands_where_verbs_are_called_and_nowhere_else() {
    for (path, text) in sources("rdma") {
        let raw = path.ends_with("rdma/src/verbs/raw.rs");
        let has = ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|word| text.contains(word));
        assert!(raw || !has, "{} has unsafe code: that belongs in verbs/raw.rs", path.display());
    }
    let text = fs::read_to_string(root().join("rdma/src/lib.rs")).unwrap();
    assert!(text.contains(r#"cfg_attr(not(feature = "verbs"), forbid(unsafe_code))"#));
    assert!(text.contains(r#"cfg_attr(feature = "verbs", deny(unsafe_code))"#));
}

#[test]
fn no_source_file_is_longer_than_the_cap() {
    let dirs = [
        "messenger/src",
        "messenger/conformance",
        "messenger/sim",
        "simple/src",
        "async_msgr/src",
        "rdma",
        "bench/src",
        "reports/src",
        "fuzz/fuzz_targets",
    ];
    for (path, text) in dirs.into_iter().flat_map(sources) {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines: is there a seam to split along?", path.display());
    }
}
