//! What the guest's devices tell of themselves.
#![allow(clippy::unwrap_used)] // in helpers as in tests
#![allow(dead_code)] // no test file needs all of it

use std::fs;
use std::process::Command;

/// The counters of rxe0 whose names have `part` in them.
pub(crate) fn counters(part: &str) -> Vec<(String, String)> {
    let dir = fs::read_dir("/sys/class/infiniband/rxe0/ports/1/hw_counters").unwrap();
    let mut found: Vec<(String, String)> = dir
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().contains(part))
        .map(|entry| (entry.file_name().to_string_lossy().into(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "there is no counter with {part:?} in its name");
    found
}

/// How many of this the process and its kernel hold of rxe0: `qp`, `mr`, `cq`, `srq`.
pub(crate) fn resources(kind: &str) -> u64 {
    let output = Command::new("rdma").arg("resource").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("rxe0")).unwrap();
    let mut words = line.split_whitespace();
    words.find(|word| *word == kind).unwrap();
    words.next().unwrap().parse().unwrap()
}

/// Open files of this process.
pub(crate) fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Cuts the cable between the two devices, or mends it.
pub(crate) fn cable(up: bool) {
    let done = Command::new("guest-net").arg(if up { "up" } else { "down" }).status().unwrap();
    assert!(done.success());
}
