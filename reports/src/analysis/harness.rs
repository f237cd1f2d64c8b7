//! What the harness itself costs, against what it measures.

use crate::record::{Run, Sample};

/// The sample in which counting and timing takes the largest share of the time of a message, and that share; `None` when no
/// sample knows it.
pub(crate) fn heaviest(run: &Run) -> Option<(f64, &Sample)> {
    let shares = run.samples.iter().filter_map(|sample| {
        let a_message = sample.elapsed_ns as f64 / sample.messages as f64;
        let share = sample.harness_ns? / a_message;
        share.is_finite().then_some((share, sample))
    });
    shares.max_by(|(one, _), (two, _)| one.total_cmp(two))
}
