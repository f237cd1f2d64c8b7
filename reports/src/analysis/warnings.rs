//! What a record itself gives away about how far it can be trusted.

mod load;
mod machine;
mod samples;

use std::collections::BTreeSet;

use super::group::Group;
use crate::record::{Run, Warning};

/// The warnings of the record, then those derived from it; a kind that the record already has is not repeated.
pub(crate) fn all(run: &Run, groups: &[Group<'_>]) -> Vec<Warning> {
    let known: BTreeSet<&str> = run.warnings.iter().map(|warning| warning.kind.as_str()).collect();
    let derived = [
        samples::partial(run),
        machine::debug_build(run),
        machine::load_average(run),
        machine::steal(run),
        samples::few_rounds(groups),
        machine::oversubscribed(run),
        machine::governor(run),
        samples::missing_points(run),
        samples::no_floor(groups),
        samples::empty_samples(run),
        samples::unreadable(run),
        samples::thin_tails(groups),
        load::overloaded(groups),
        load::late_generator(run),
        load::heavy_harness(run),
    ];
    let fresh = derived.into_iter().flatten().filter(|warning| !known.contains(warning.kind.as_str()));
    run.warnings.iter().cloned().chain(fresh).collect()
}

fn warning(kind: &str, text: String) -> Option<Warning> {
    Some(Warning { kind: kind.to_string(), text })
}

#[cfg(test)]
mod tests;
