//! A program without ZeroMQ: says how to get one that has it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;

use super::Version;
use crate::load::{Recorder, Spec, Traffic};
use crate::serve::{Delays, Side};

const NOT_BUILT: &str = "this msgr-bench was built without ZeroMQ: install libzmq with `just setup`, and build with `just build`, \
                         or with `cargo build --release --package msgr-bench --features zmq`";

/// There is none.
pub(crate) fn find() -> anyhow::Result<Version> {
    bail!(NOT_BUILT)
}

/// Serves nothing.
pub(crate) fn bind(_: SocketAddr, _: u64, _: Option<Delays>) -> anyhow::Result<Arc<dyn Side>> {
    bail!(NOT_BUILT)
}

/// Connects nothing.
pub(crate) fn connect(_: &Spec, _: &Arc<Recorder>) -> anyhow::Result<Box<dyn Traffic>> {
    bail!(NOT_BUILT)
}
