//! Every conformance case.

use msgr_simple::SimpleFactory;

msgr_conformance::suite!(SimpleFactory);
