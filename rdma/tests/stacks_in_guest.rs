//! Every case for network stacks, on verbs.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use msgr::{Config, EventDriverKind};
use msgr_async::driver::create;
use msgr_conformance::loopback;
use msgr_conformance::stacks::Testbed;
use msgr_rdma::RdmaStack;

fn verbs() -> Testbed {
    let stack = Box::leak(Box::new(RdmaStack::new(&Config::default()).unwrap()));
    Testbed { stack, driver: || create(EventDriverKind::Epoll).unwrap(), address: loopback, connects_alone: false }
}

msgr_conformance::stack_suite!(verbs());
