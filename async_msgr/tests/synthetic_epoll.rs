//! The random workloads of the conformance suite on epoll.

use msgr_async::AsyncFactory;

msgr_conformance::suite!(synthetic: AsyncFactory);
