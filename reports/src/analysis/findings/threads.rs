//! How many threads each messenger runs, as a law of the peer count where one fits.

use super::Finding;
use crate::analysis::along::{Along, Place};
use crate::analysis::group::Group;
use crate::analysis::metric::Metric;
use crate::format;

/// How far the constant part may wander over the peer counts: helper threads (dispatch, reaper, accepter) start with
/// their first work, so small counts may lack a few.
const CONSTANT_SPREAD_MAX: f64 = 8.0;

/// How far the slope may be from a whole number: a few helper threads over a few dozen peers.
const SLOPE_ERROR_MAX: f64 = 0.1;

pub(super) fn finding(group: &Group<'_>) -> Option<Finding> {
    if group.along != Along::Peers {
        return None;
    }
    let laws: Vec<String> = group
        .messengers()
        .filter_map(|kind| {
            let series = group.series(kind, Metric::Threads);
            let points: Vec<(f64, f64)> = series.iter().map(|(peers, point)| (*peers as f64, point.value)).collect();
            let places: Vec<Place> = series.iter().map(|(place, _)| *place).collect();
            // Places that it lacks must not be meant.
            let everywhere = if places == group.places { "at every count" } else { &group.along.at(&places) };
            Some(format!("{} {}", kind.label(), law(&points, everywhere)?))
        })
        .collect();
    if laws.is_empty() {
        return None;
    }
    Some(Finding {
        topic: "Threads",
        text: format!("{}.", laws.join("; ")),
        rule: format!(
            "Median thread count of the side under test at each peer count. A law “k a peer” is stated when a whole \
             k ≥ 1 is within {SLOPE_ERROR_MAX} of the slope and leaves a constant that moves by at most {CONSTANT_SPREAD_MAX} over all counts."
        ),
    })
}

/// The sentence for thread counts at ascending peer counts, which are `everywhere`; `None` without a point.
fn law(points: &[(f64, f64)], everywhere: &str) -> Option<String> {
    let (first, last) = (points.first()?, points.last()?);
    let at = |point: &(f64, f64)| format!("{} threads at {}", format::number(point.1), format::peers(point.0 as u32));
    if points.len() == 1 {
        return Some(format!("runs {}", at(last)));
    }
    let slope = (last.1 - first.1) / (last.0 - first.0);
    let a_peer = slope.round().max(0.0);
    let constants: Vec<f64> = points.iter().map(|(peers, threads)| threads - a_peer * peers).collect();
    let low = constants.iter().copied().fold(f64::INFINITY, f64::min);
    let high = constants.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high - low > CONSTANT_SPREAD_MAX || (slope - a_peer).abs() > SLOPE_ERROR_MAX {
        return Some(format!("goes from {} to {}", at(first), at(last)));
    }
    let constant =
        if low == high { format::number(low) } else { format!("{} to {}", format::number(low), format::number(high)) };
    if a_peer < 1.0 {
        return Some(format!("runs {constant} threads {everywhere}"));
    }
    let noun = if a_peer == 1.0 { "thread" } else { "threads" };
    Some(format!("runs {} {noun} a peer plus {constant}: {}", format::number(a_peer), at(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Builder, text};

    #[test]
    fn two_threads_a_peer_and_a_constant_pool_are_told_apart() {
        let run = Builder::default()
            .each(&["simple", "async"], &[1, 64, 1024], 3, |sample| {
                let peers = u64::from(sample.peers);
                sample.server.threads = if sample.messenger == "simple" { 2 * peers + 4 } else { 8 };
            })
            .build();
        assert_eq!(
            text(&run, "Threads"),
            ["simple runs 2 threads a peer plus 4: 2,052 threads at 1,024 peers; \
              async runs 8 threads at every count."]
        );
    }

    #[test]
    fn a_count_that_follows_no_whole_law_is_given_as_it_is() {
        assert_eq!(
            law(&[(1.0, 10.0), (100.0, 45.0), (200.0, 300.0)], "").as_deref(),
            Some("goes from 10 threads at 1 peer to 300 threads at 200 peers")
        );
    }

    #[test]
    fn too_few_peers_give_no_law() {
        assert_eq!(
            law(&[(1.0, 10.0), (4.0, 12.0)], "").as_deref(),
            Some("goes from 10 threads at 1 peer to 12 threads at 4 peers")
        );
        assert_eq!(law(&[(16.0, 36.0)], "").as_deref(), Some("runs 36 threads at 16 peers"));
        assert_eq!(law(&[], ""), None);
    }

    #[test]
    fn a_count_that_was_not_measured_is_not_meant() {
        let run = Builder::default()
            .each(&["simple", "async"], &[1, 4, 64], 3, |sample| sample.server.threads = 8)
            .keep(|sample| sample.messenger == "simple" || sample.peers != 64)
            .build();
        assert_eq!(
            text(&run, "Threads"),
            ["simple runs 8 threads at every count; async runs 8 threads at 1 and 4 peers."]
        );
    }

    #[test]
    fn a_constant_that_wanders_a_little_is_a_range() {
        assert_eq!(
            law(&[(1.0, 5.0), (64.0, 132.0)], "").as_deref(),
            Some("runs 2 threads a peer plus 3 to 4: 132 threads at 64 peers")
        );
    }
}
