//! Every input that the fuzzer kept, run once more, without the fuzzer.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::fs;
use std::path::Path;

use msgr_sim::fuzz;

/// Runs `target` with every input of its corpus, which must not be empty.
fn replay(name: &str, target: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", dir.display());
    inputs.sort();
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        // Says which one it was.
        let failed = std::panic::catch_unwind(|| target(&bytes)).is_err();
        assert!(!failed, "{} fails", input.display());
    }
}

#[test]
fn the_decoder_stands_its_corpus() {
    replay("decoder", fuzz::decoder);
}

#[test]
fn the_acceptor_stands_its_corpus() {
    replay("acceptor", fuzz::acceptor);
}

#[test]
fn the_connector_stands_its_corpus() {
    replay("connector", fuzz::connector);
}

#[test]
fn sessions_stand_their_corpus() {
    replay("session", fuzz::session);
}
