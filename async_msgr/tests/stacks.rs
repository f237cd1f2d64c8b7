//! Every case for network stacks, with either driver.

use msgr::EventDriverKind;
use msgr_async::driver::{EventDriver, create};
use msgr_async::stack::posix::PosixStack;
use msgr_conformance::loopback;
use msgr_conformance::stacks::Testbed;

fn posix(driver: fn() -> Box<dyn EventDriver>) -> Testbed {
    Testbed { stack: &PosixStack, driver, address: loopback, connects_alone: true }
}

mod posix_on_epoll {
    use super::*;
    msgr_conformance::stack_suite!(posix(|| create(EventDriverKind::Epoll).unwrap()));
}

mod posix_on_poll {
    use super::*;
    msgr_conformance::stack_suite!(posix(|| create(EventDriverKind::Poll).unwrap()));
}
