//! Interop with a real monitor.

use msgr_simple::SimpleFactory;

msgr_conformance::interop!(SimpleFactory);
