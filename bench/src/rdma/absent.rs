//! A program without RDMA: says how to get one that has it.

use std::sync::Arc;

use anyhow::bail;
use msgr::{Config, Error, Messenger, MessengerFactory, Setup};

use super::Device;

const NOT_BUILT: &str = "this msgr-bench was built without RDMA: install what it needs with `just rdma-setup`, and build \
                         with `cargo build --release --package msgr-bench --features rdma`; `just bench-rdma` measures \
                         it in a guest, without a device";

/// Stands where RDMA would be, so that it can be asked for.
struct Absent;

/// Makes nothing.
pub(crate) const FACTORY: &dyn MessengerFactory = &Absent;

impl MessengerFactory for Absent {
    fn name(&self) -> &'static str {
        "rdma"
    }

    fn create(&self, _: Setup) -> Result<Arc<dyn Messenger>, Error> {
        Err(Error::Misuse(NOT_BUILT))
    }
}

/// There is none.
pub(crate) fn find(_: &Config) -> anyhow::Result<Device> {
    bail!(NOT_BUILT)
}
