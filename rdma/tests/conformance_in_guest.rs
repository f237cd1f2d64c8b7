//! Every conformance case on verbs.

mod verbs;

msgr_conformance::suite!(verbs::Verbs);
