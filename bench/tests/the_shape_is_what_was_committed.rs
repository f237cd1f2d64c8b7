//! The shape: counts next to those that were committed.
//!
//! These programs are not optimised, which changes times and no count; so all but the memory of a peer is compared with the
//! committed file itself.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{LONG, bench, fails};

/// A part of the figures that is measured in a moment.
const PART: &str = "async/64B";

/// The committed file.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shape.json")
}

/// A copy of the committed file in `dir`, changed by `change`.
fn copy(dir: &Path, change: impl FnOnce(&mut serde_json::Value)) -> PathBuf {
    let mut shape = serde_json::from_slice(&fs::read(committed()).unwrap()).unwrap();
    change(&mut shape);
    let path = dir.join("shape.json");
    fs::write(&path, shape.to_string()).unwrap();
    path
}

/// Compares `only` some figures with `file`; gives the exit code and what was said on standard output.
fn compare(file: &Path, only: &str) -> (Option<i32>, String) {
    let output = bench(&format!("shape --committed {} --only {only}", file.display())).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn messages_and_peers_cost_what_was_committed() {
    for only in ["simple/64", "simple/peers/threads", "async/64", "async/peers/threads", "async-queued"] {
        let (code, said) = compare(&committed(), only);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("as committed or better"), "{said}");
    }
}

#[test]
fn one_more_than_committed_is_named_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["async/64B/serve/read-calls", "async/64B/load/system-calls", "async/peers/threads-at-64"] {
        let file = copy(dir.path(), |shape| {
            let figure = &mut shape["figures"][name];
            *figure = (figure.as_f64().unwrap() - 1.0).into();
        });
        let (code, said) = compare(&file, name);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("worse than committed: {name};")) && said.contains("just shape-accept"),
            "{said}"
        );
    }
}

#[test]
fn less_than_committed_passes_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = copy(dir.path(), |shape| shape["figures"]["async/64B/serve/write-calls"] = 2.into());
    let (code, said) = compare(&file, PART);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("better than committed: async/64B/serve/write-calls;"), "{said}");
}

#[test]
fn figures_and_measurements_that_do_not_match_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let shape = |file: &Path, only| format!("shape --committed {} --only {only}", file.display());
    let file = copy(dir.path(), |shape| shape["figures"]["async/64B/serve/sleeps"] = 1.into());
    fails(&shape(&file, PART), 2, &["async/64B/serve/sleeps", "does not measure", "just shape-accept"]);
    let file = copy(dir.path(), |shape| {
        shape["figures"].as_object_mut().unwrap().remove("async/64B/serve/read-calls");
    });
    fails(&shape(&file, PART), 2, &["lack async/64B/serve/read-calls", "just shape-accept"]);
    fails("shape --committed bench/shape.json --only aysnc", 2, &["cannot read the committed figures"]);
    fails(&shape(&committed(), "aysnc"), 2, &["no figure begins with \"aysnc\""]);
}

#[test]
fn a_missing_damaged_or_newer_file_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shape.json");
    let shape = format!("shape --committed {}", path.display());
    fails(&shape, 2, &["cannot read", "root of the repository", "just shape-accept"]);
    fs::write(&path, &fs::read(committed()).unwrap()[..200]).unwrap();
    fails(&shape, 2, &["is damaged", "just shape-accept"]);
    copy(dir.path(), |shape| shape["schema"] = "msgr.shape.v2".into());
    fails(&shape, 2, &["msgr.shape.v2", "msgr.shape.v1", "just shape-accept"]);
    copy(dir.path(), |shape| shape["figures"]["async/64B/serve/read-calls"] = (-1).into());
    fails(&shape, 2, &["async/64B/serve/read-calls is -1", "just shape-accept"]);
}

#[test]
fn accepting_takes_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shape.json");
    for reason in ["", "  "] {
        let output = bench("shape --committed").arg(&path).args(["--accept", reason]).timeout(LONG).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("say why the figures changed"));
    }
    assert!(!path.exists());
}

#[test]
fn a_host_without_room_for_the_peers_refuses() {
    let program = bench("").get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 100; exec \"$0\" shape --committed \"$1\" --only async/peers"]);
    let output = shell.arg(program).arg(committed()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("320 peers") && said.contains("nofile"), "{said}");
}
