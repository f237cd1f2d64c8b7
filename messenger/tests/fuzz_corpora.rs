//! Every input that the fuzzer kept, and those written by hand for it to begin with, without the fuzzer.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::fs;
use std::path::Path;

use msgr_sim::fuzz;

/// Runs `target` with every input below `fuzz/` in `dir`, which must not be empty.
fn replay(dir: &str, target: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(dir);
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
    replay("corpus/decoder", fuzz::decoder);
}

#[test]
fn the_acceptor_stands_its_corpus() {
    replay("corpus/acceptor", fuzz::acceptor);
}

#[test]
fn the_connector_stands_its_corpus() {
    replay("corpus/connector", fuzz::connector);
}

#[test]
fn sessions_stand_their_corpus() {
    replay("corpus/session", fuzz::session);
}

#[test]
fn sessions_go_as_scripted() {
    replay("seeds/session", fuzz::session);
}

#[test]
fn formats_are_emitted_as_they_were_parsed() {
    replay("seeds/decoder", fuzz::decoder);
}

#[test]
fn handshakes_go_as_once_found() {
    replay("seeds/acceptor", fuzz::acceptor);
    replay("seeds/connector", fuzz::connector);
}
