//! The random workloads of the conformance suite.

use msgr_simple::SimpleFactory;

msgr_conformance::suite!(synthetic: SimpleFactory);
