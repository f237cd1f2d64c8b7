//! Every case for event drivers.

use msgr::EventDriverKind;
use msgr_async::driver::create;

mod epoll {
    use super::*;
    msgr_conformance::driver_suite!(|| create(EventDriverKind::Epoll).unwrap());
}

mod poll {
    use super::*;
    msgr_conformance::driver_suite!(|| create(EventDriverKind::Poll).unwrap());
}
