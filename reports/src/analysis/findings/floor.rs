//! How far each messenger is from the bare socket of the same run.

use super::{ESTIMATES, Finding, TAIL_VALUES_MIN, is_fit, over_rounds, ratio_spread};
use crate::analysis::along::Place;
use crate::analysis::group::Group;
use crate::analysis::metric::Metric;
use crate::analysis::ratio::paired;
use crate::format;
use crate::record::Workload;

pub(super) fn findings(group: &Group<'_>) -> Vec<Finding> {
    let metrics: &[Metric] = match group.workload {
        Workload::PingPong | Workload::UnderLoad => &[Metric::P50, Metric::P99],
        Workload::Stream => &[Metric::Throughput],
    };
    let mut ends: Vec<Place> = group.places.first().into_iter().chain(group.places.last()).copied().collect();
    ends.dedup();
    let each = ends.iter().flat_map(|place| metrics.iter().map(|metric| (*place, *metric)));
    each.filter_map(|(place, metric)| finding(group, place, metric)).collect()
}

fn finding(group: &Group<'_>, place: Place, metric: Metric) -> Option<Finding> {
    let floor = group.floor()?;
    let bare = group.cell(floor, place)?;
    if !is_fit(bare, metric) {
        return None;
    }
    let bare = metric.quantity().show(bare.point(metric)?.value);
    let (ratios, rounds): (Vec<String>, Vec<usize>) = group
        .messengers()
        .filter(|kind| group.cell(kind, place).is_some_and(|cell| is_fit(cell, metric)))
        .filter_map(|kind| {
            let ratio = paired(group, kind, floor, place, metric)?;
            Some((kind.label(), ratio))
        })
        .enumerate()
        .map(|(i, (label, ratio))| {
            let (median, spread) = (format::ratio(ratio.median), ratio_spread(&ratio));
            let of = if i == 0 { format!(" bare TCP's {bare}") } else { String::new() };
            (format!("{median}{of} for {label} ({spread})"), ratio.rounds)
        })
        .unzip();
    if ratios.is_empty() {
        return None;
    }
    Some(Finding {
        topic: "Floor",
        text: format!(
            "{}, the {} is {}{}.",
            format::capital(&group.along.at(&[place])),
            metric.noun(),
            format::list(&ratios),
            over_rounds(&rounds)
        ),
        rule: format!(
            "{ESTIMATES} of the per-round ratios to the bare-TCP floor measured in the \
             same round; percentiles with fewer \
             than {TAIL_VALUES_MIN} values beyond them, and those of what was overloaded, are left out."
        ),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Builder, text};

    #[test]
    fn ratios_to_the_floor_are_paired_by_round() {
        // The machine is twice as slow in round 1; the ratio is not.
        let run = Builder::default()
            .each(&["async", "tcp"], &[1], 3, |sample| {
                let machine = if sample.round == 1 { 2 } else { 1 };
                let own = if sample.messenger == "tcp" { 20_000 } else { 30_000 };
                Builder::constant_latency(sample, machine * own, 20_000);
            })
            .build();
        let text = text(&run, "Floor");
        assert_eq!(text.len(), 2);
        assert!(text[0].starts_with("At 1 peer, the median round trip is 1.50× bare TCP's 20.0 µs for async ("));
    }

    #[test]
    fn what_was_overloaded_is_not_compared_and_one_late_round_is_no_overload() {
        let sentences = |who: &'static str, answered: u64| {
            let run = Builder::default().each(&["simple", "async", "tcp"], &[4], 3, |sample| {
                Builder::constant_latency(sample, 20_000, 20_000);
                if sample.messenger == who && sample.round == 1 {
                    sample.messages = answered;
                }
                Builder::under_load(sample, 10_000.0, 100);
            });
            text(&run.build(), "Floor")
        };
        assert!(
            sentences("simple", 9_800)[0]
                .ends_with(" for simple (all rounds alike) and 1.00× for async (all rounds alike) over 3 rounds.")
        );
        assert!(
            sentences("simple", 9_600)[0]
                .ends_with("1.00× bare TCP's 20.0 µs for async (all rounds alike) over 3 rounds.")
        );
        assert!(sentences("tcp", 9_600).is_empty());
    }

    #[test]
    fn the_rounds_that_are_said_are_those_that_a_ratio_rests_on() {
        let run = Builder::default().each(&["simple", "async", "tcp"], &[4], 3, |_| {}).each(
            &["simple", "async", "tcp"],
            &[1],
            3,
            |sample| Builder::constant_latency(sample, 20_000, 20_000),
        );
        let some = run.keep(|sample| sample.messenger != "async" || sample.peers == 4 || sample.round != 1);
        assert!(text(&some.build(), "Floor")[0].ends_with(" over 2 to 3 rounds."));
    }

    #[test]
    fn a_thin_tail_gives_no_sentence() {
        let run = Builder::default()
            .each(&["async", "tcp"], &[1], 3, |sample| {
                Builder::constant_latency(sample, 20_000, 1_000);
            })
            .build();
        let text = text(&run, "Floor");
        assert_eq!(text.len(), 1, "{text:?}");
        assert!(text[0].contains("median"));
    }

    #[test]
    fn without_a_floor_there_is_nothing_to_say() {
        let run = Builder::default().each(&["async"], &[1], 3, |_| {}).build();
        assert!(text(&run, "Floor").is_empty());
    }
}
