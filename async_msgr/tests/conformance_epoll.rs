//! Every conformance case on epoll.

use msgr_async::AsyncFactory;

msgr_conformance::suite!(AsyncFactory);
