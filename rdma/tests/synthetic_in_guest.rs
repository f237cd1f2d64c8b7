//! The random workloads of the conformance suite on verbs.

mod verbs;

msgr_conformance::suite!(synthetic: verbs::Verbs);
