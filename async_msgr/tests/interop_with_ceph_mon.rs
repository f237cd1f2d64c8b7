//! Interop with a real monitor.

use msgr_async::AsyncFactory;

msgr_conformance::interop!(AsyncFactory);
