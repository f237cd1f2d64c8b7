//! The rates of an open loop as shares of a ceiling: what the slowest messenger reached when the next request left with each
//! reply. The same absolute rate for every messenger, which all of them can bear below it.

use std::collections::BTreeMap;

use msgr_reports::record::Sample;

use super::pair::{Pace, Point};
use crate::kinds::Kind;
use crate::speed::median;
use crate::text;

/// Replaces the shares of `points` by rates, as far as `samples` tell the ceilings. Gives what it could not find, a
/// sentence each.
pub(super) fn resolve(points: &mut [Point], samples: &[Sample]) -> Vec<String> {
    let mut unknown = Vec::new();
    for point in points {
        let Pace::Share { percent, ceiling } = point.pace else { continue };
        match find(samples, ceiling, point.size, point.peers) {
            Some(per_s) => point.pace = Pace::Found { percent, per_s: per_s * f64::from(percent) / 100.0 },
            None => {
                unknown.push(format!(
                    "The rates of {} are not known, since no messenger could be measured without one; the samples are \
                     left out. The warnings before this one say why.",
                    point.what().split_whitespace().collect::<Vec<_>>().join(" ")
                ));
            }
        }
    }
    unknown
}

/// What the slowest messenger reached, in requests a second: the median over the rounds of each.
fn find(samples: &[Sample], measure: u32, size: u64, peers: u32) -> Option<f64> {
    let mut reached: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for sample in samples.iter().filter(|it| it.measure == measure && it.size == size && it.peers == peers) {
        if Kind::parse(&sample.messenger).is_ok_and(Kind::is_messenger) {
            reached.entry(&sample.messenger).or_default().push(text::messages_per_second(sample));
        }
    }
    reached.into_values().filter_map(|mut each| median(&mut each)).reduce(f64::min)
}
