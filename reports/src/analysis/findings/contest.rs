//! Which of two messengers does better, at which places, and where one overtakes the other.

use super::{ESTIMATES, Finding, ROUNDS_MIN, is_fit};
use crate::analysis::along::{Along, Place};
use crate::analysis::group::Group;
use crate::analysis::kind::Kind;
use crate::analysis::metric::Metric;
use crate::analysis::ratio::paired;
use crate::format;
use crate::record::Workload;

/// Differences below this share are not called differences, however well the rounds agree.
const EFFECT_MIN: f64 = 0.03;

/// The outcome at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    First,
    Second,
    Unclear,
}

/// The outcome at one place.
#[derive(Clone, Copy, Debug)]
struct Bout {
    place: Place,
    verdict: Verdict,
    /// First / second, paired by round.
    ratio: f64,
    /// The points of the first and the second.
    values: (f64, f64),
}

pub(super) fn findings(group: &Group<'_>) -> Vec<Finding> {
    let metrics: &[Metric] = match group.workload {
        Workload::PingPong => &[Metric::P50, Metric::P99, Metric::Throughput, Metric::Cpu, Metric::Connect],
        // All are offered the same, so there is no throughput to win.
        Workload::UnderLoad => &[Metric::P50, Metric::P99, Metric::Cpu, Metric::Connect],
        Workload::Stream => &[Metric::Throughput, Metric::Cpu],
    };
    let kinds: Vec<&Kind> = group.messengers().collect();
    // The messenger listed later is the newer design: sentences speak of it against the older one.
    let pairs: Vec<(&Kind, &Kind)> = kinds
        .iter()
        .enumerate()
        .flat_map(|(i, second)| kinds[i + 1..].iter().map(move |first| (*first, *second)))
        .collect();
    // Beside a neighbour, what a message costs is in part the neighbour's. Connecting is what more peers change.
    let beside = matches!(group.along, Along::Beside(_));
    let tells = |metric: Metric| match metric {
        Metric::Connect => group.along == Along::Peers,
        _ => !(beside && metric.is_per_message()),
    };
    metrics
        .iter()
        .filter(|metric| tells(**metric))
        .flat_map(|metric| pairs.iter().filter_map(|(first, second)| finding(group, first, second, *metric)))
        .collect()
}

fn finding(group: &Group<'_>, first: &Kind, second: &Kind, metric: Metric) -> Option<Finding> {
    let bouts: Vec<Bout> = group.places.iter().filter_map(|place| bout(group, first, second, *place, metric)).collect();
    if bouts.is_empty() {
        return None;
    }
    let text = sentence(group, first, second, metric, &bouts);
    Some(Finding {
        topic: topic(metric),
        text,
        rule: format!(
            "At each place, a difference is claimed when both have at least {ROUNDS_MIN} rounds, their per-round \
             intervals do not overlap and they differ by {} or more. Ratios are {ESTIMATES} of per-round ratios.",
            format::percent(EFFECT_MIN)
        ),
    })
}

fn topic(metric: Metric) -> &'static str {
    match metric {
        Metric::Cpu => "CPU",
        Metric::Throughput => "Throughput",
        Metric::Connect => "Connect",
        _ => "Latency",
    }
}

fn bout(group: &Group<'_>, first: &Kind, second: &Kind, place: Place, metric: Metric) -> Option<Bout> {
    let (one, two) = (group.cell(first, place)?, group.cell(second, place)?);
    if !(is_fit(one, metric) && is_fit(two, metric)) {
        return None;
    }
    let (one, two) = (one.point(metric)?, two.point(metric)?);
    let values = (one.value, two.value);
    let (one, two) = (one.interval, two.interval);
    if one.rounds.min(two.rounds) < ROUNDS_MIN {
        return None;
    }
    let ratio = paired(group, first, second, place, metric)?.median;
    let clear = !one.overlaps(&two) && (ratio - 1.0).abs() >= EFFECT_MIN;
    let verdict = match (clear, (ratio > 1.0) == metric.more_is_better()) {
        (false, _) => Verdict::Unclear,
        (true, true) => Verdict::First,
        (true, false) => Verdict::Second,
    };
    Some(Bout { place, verdict, ratio, values })
}

fn sentence(group: &Group<'_>, first: &Kind, second: &Kind, metric: Metric, bouts: &[Bout]) -> String {
    let (one, two, noun) = (first.label(), second.label(), metric.noun());
    let better = if metric.more_is_better() { "higher" } else { "lower" };
    // Places without enough rounds are in no sentence, so they must not be meant by one.
    let all = bouts.len() == group.places.len();
    let along = group.along;
    let at = |verdict| at(along, bouts, verdict);
    let clear: Vec<&Bout> = bouts.iter().filter(|bout| bout.verdict != Verdict::Unclear).collect();
    let unclear = at(Verdict::Unclear);
    let (Some(start), Some(end)) = (clear.first(), clear.last()) else {
        let place = if all && bouts.len() > 1 { along.any().to_string() } else { unclear };
        return format!("No clear difference in {noun} between {two} and {one} {place}.");
    };
    let changes = clear.windows(2).filter(|pair| pair[0].verdict != pair[1].verdict).count();
    let elsewhere = if clear.len() == bouts.len() { String::new() } else { format!(" No clear difference {unclear}.") };
    let winner = |verdict| {
        if verdict == Verdict::First { (one, two) } else { (two, one) }
    };
    match changes {
        0 => {
            let (better_one, other) = winner(start.verdict);
            // Of an even number of rounds the inverse of a median is no median of inverses.
            let (of, to) = if start.verdict == Verdict::First { (first, second) } else { (second, first) };
            let ratios = clear.iter().filter_map(|bout| Some(paired(group, of, to, bout.place, metric)?.median));
            let place = if all && clear.len() == bouts.len() && bouts.len() > 1 {
                along.every().to_string()
            } else {
                at(start.verdict)
            };
            let figures = figures(along, &clear, start.verdict, metric);
            format!(
                "{better_one}'s {noun} is {better} than {other}'s {place}: {} ({figures}).{elsewhere}",
                range(ratios)
            )
        }
        1 => {
            let (before, after) = (winner(start.verdict).0, winner(end.verdict).0);
            let turn = clear.windows(2).find(|pair| pair[0].verdict != pair[1].verdict);
            let (last, next) = turn.map_or((*start, *end), |pair| (pair[0], pair[1]));
            let caveat = if load_changes(group, first, last.place, next.place) {
                " The load changes between the two as well."
            } else {
                ""
            };
            format!(
                "{after} overtakes {before} in {noun} {}: {one}'s is {} {two}'s {}, {} {}.{caveat}{elsewhere}",
                along.between(last.place, next.place),
                format::ratio(last.ratio),
                along.at(&[last.place]),
                format::ratio(next.ratio),
                along.at(&[next.place]),
            )
        }
        _ => format!(
            "{noun} is {better} for {one} {}, and for {two} {}.{elsewhere}",
            at(Verdict::First),
            at(Verdict::Second)
        ),
    }
}

/// Whether requests in flight or the load side differ between two places.
fn load_changes(group: &Group<'_>, kind: &Kind, from: Place, to: Place) -> bool {
    let load = |place| group.cell(kind, place).and_then(|cell| cell.load());
    load(from) != load(to)
}

/// `at 1, 4 and 16 peers`.
fn at(along: Along, bouts: &[Bout], verdict: Verdict) -> String {
    let places: Vec<Place> = bouts.iter().filter(|bout| bout.verdict == verdict).map(|bout| bout.place).collect();
    along.at(&places)
}

/// The better and the worse figure at both ends: `33.1 µs against 60.5 µs at 1 peer, ...`.
fn figures(along: Along, clear: &[&Bout], winner: Verdict, metric: Metric) -> String {
    let mut ends: Vec<&&Bout> = clear.first().into_iter().chain(clear.last()).collect();
    ends.dedup_by_key(|bout| bout.place);
    let show = |value| metric.quantity().show(value);
    let each = ends.into_iter().map(|bout| {
        let (first, second) = bout.values;
        let (better, worse) = if winner == Verdict::First { (first, second) } else { (second, first) };
        let figures = format!("{} against {}", show(better), show(worse));
        // The sentence has named the only place already.
        if clear.len() == 1 { figures } else { format!("{figures} {}", along.at(&[bout.place])) }
    });
    each.collect::<Vec<String>>().join("; ")
}

/// `0.43×`, or `0.43× to 0.52×`.
fn range(ratios: impl Iterator<Item = f64>) -> String {
    let (low, high) =
        ratios.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
    let (low, high) = (format::ratio(low), format::ratio(high));
    if low == high { low } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use crate::record::{Beside, Neighbour};
    use crate::testing::{Builder, text};

    /// Latency by messenger, peers and round.
    fn latency(of: impl Fn(&str, u32, u32) -> u64, peers: &[u32], rounds: u32) -> Vec<String> {
        let run = Builder::default()
            .each(&["simple", "async"], peers, rounds, |sample| {
                let ns = of(&sample.messenger, sample.peers, sample.round);
                Builder::constant_latency(sample, ns, 20_000);
            })
            .build();
        text(&run, "Latency")
    }

    #[test]
    fn a_messenger_that_wins_everywhere_wins_at_every_count() {
        let text = latency(
            |kind, _, round| {
                if kind == "simple" { 40_000 + u64::from(round) * 100 } else { 20_000 }
            },
            &[4, 64],
            3,
        );
        assert!(
            text[0].starts_with("async's median round trip is lower than simple's at every peer count: 0."),
            "{text:?}"
        );
    }

    #[test]
    fn what_was_overloaded_is_not_compared() {
        // 10,000 a second are answered; of 10,050 that is enough, of 10,200 it is not.
        let sentences = |offered: f64| {
            let run = Builder::default().each(&["simple", "async"], &[4], 3, |sample| {
                let ns = if sample.messenger == "async" { 50_000 } else { 100_000 };
                Builder::constant_latency(sample, ns, 20_000);
                Builder::under_load(sample, if sample.messenger == "async" { 10_050.0 } else { offered }, 100);
            });
            text(&run.build(), "Latency")
        };
        assert_eq!(sentences(10_050.0).len(), 2);
        assert!(sentences(10_200.0).is_empty());
    }

    #[test]
    fn overlapping_rounds_are_no_clear_difference() {
        let text = latency(
            |kind, _, round| {
                if kind == "simple" { 20_000 + u64::from(round) * 9_000 } else { 25_000 }
            },
            &[4, 64],
            3,
        );
        assert_eq!(text[0], "No clear difference in median round trip between simple and async at any peer count.");
    }

    #[test]
    fn two_rounds_claim_nothing() {
        assert!(latency(|kind, _, _| if kind == "simple" { 40_000 } else { 20_000 }, &[4], 2).is_empty());
    }

    #[test]
    fn the_place_where_one_overtakes_the_other_is_named() {
        let text = latency(
            |kind, peers, _| match (kind, peers) {
                ("simple", 4) => 10_000,
                ("simple", _) => 40_000,
                _ => 20_000,
            },
            &[4, 64],
            3,
        );
        assert!(text[0].starts_with("async overtakes simple in median round trip between 4 and 64 peers: async's is 2.00× simple's at 4 peers, 0.50"), "{text:?}");
    }

    #[test]
    fn a_peer_count_with_too_few_rounds_is_not_meant() {
        let run = Builder::default()
            .each(&["simple", "async"], &[4, 64, 256], 3, |sample| {
                let ns = if sample.messenger == "simple" { 40_000 } else { 20_000 };
                Builder::constant_latency(sample, ns, 20_000);
            })
            .keep(|sample| sample.peers != 4 || sample.round == 0)
            .build();
        let text = text(&run, "Latency");
        assert!(
            text[0].starts_with("async's median round trip is lower than simple's at 64 and 256 peers"),
            "{text:?}"
        );
    }

    #[test]
    fn a_ratio_is_that_of_the_better_to_the_worse_in_each_round() {
        // Simple against async: 1/2, 1/2, 1/4, 1/4, of which the median is 3/8 and not the inverse of 3.
        let text = latency(
            |kind, _, round| if kind == "simple" { 10_000 } else { 20_000 * u64::from(1 + round / 2) },
            &[4],
            4,
        );
        assert!(text[0].starts_with("simple's median round trip is lower than async's at 4 peers: 0.375×"), "{text:?}");
    }

    #[test]
    fn cpu_time_that_is_in_part_the_neighbours_is_not_compared() {
        let run = Builder::default()
            .each(&["simple", "async"], &[16], 3, |sample| sample.server.cpu_user_us = 100_000)
            .each(&["simple", "async"], &[16], 3, |sample| {
                sample.server.cpu_user_us = if sample.messenger == "async" { 900_000 } else { 200_000 };
                sample.beside =
                    Some(Beside { what: Neighbour::Flood, peers: 1, size: 4096, per_s: 9.0, latency: None });
            })
            .build();
        assert!(text(&run, "CPU").is_empty(), "{:?}", text(&run, "CPU"));
        assert_eq!(text(&run, "Throughput").len(), 1);
    }

    #[test]
    fn a_tiny_difference_is_none_however_steady() {
        let text = latency(|kind, _, _| if kind == "simple" { 20_200 } else { 20_000 }, &[4], 5);
        assert!(text[0].starts_with("No clear difference"), "{text:?}");
    }
}
