//! The messengers that the suites are run with.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::sync::Arc;

use msgr::{Config, Error, Messenger, MessengerFactory, Setup};
use msgr_conformance::gateway;
use msgr_rdma::{RdmaFactory, RdmaStack};

/// [`RdmaFactory`], where raw bytes and cut connections go by verbs too.
pub(crate) struct Verbs;

impl MessengerFactory for Verbs {
    fn name(&self) -> &'static str {
        RdmaFactory.name()
    }

    fn create(&self, setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        gateway::install(|| Arc::new(RdmaStack::new(&Config::default()).unwrap()));
        RdmaFactory.create(setup)
    }
}
