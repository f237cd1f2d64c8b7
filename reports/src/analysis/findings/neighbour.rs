//! What a neighbour does to the round trips of the others.

use super::{ESTIMATES, Finding, ROUNDS_MIN, is_fit, over_rounds, ratio_spread};
use crate::analysis::along::{ALONE, Along, Place, beside};
use crate::analysis::group::Group;
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::analysis::metric::Metric;
use crate::format;

pub(super) fn findings(group: &Group<'_>) -> Vec<Finding> {
    let Along::Beside(what) = group.along else { return Vec::new() };
    let Some(place) = group.places.iter().copied().find(|place| *place != ALONE) else { return Vec::new() };
    let each = [Metric::P50, Metric::P99].into_iter().filter_map(|metric| {
        let changes = group.messengers().filter_map(|kind| change(group, kind, place, metric));
        let (changed, rounds): (Vec<String>, Vec<usize>) = changes.unzip();
        (!changed.is_empty()).then(|| Finding {
            topic: "Neighbour",
            text: format!(
                "{}, relative to alone, the {} of the others is {}{}.",
                format::capital(beside(what)),
                metric.noun(),
                format::list(&changed),
                over_rounds(&rounds)
            ),
            rule: format!(
                "{ESTIMATES} of the per-round ratios of the same messenger with and without the neighbour; at least \
                 {ROUNDS_MIN} rounds. No clear change: the interval holds 1."
            ),
        })
    });
    each.collect()
}

/// `4.21× for async (3.90–5.10; 105 µs alone, 442 µs beside it)`, and how many rounds it rests on.
fn change(group: &Group<'_>, kind: &Kind, place: Place, metric: Metric) -> Option<(String, usize)> {
    let (with, without) = (group.cell(kind, place)?, group.cell(kind, ALONE)?);
    if !is_fit(with, metric) || !is_fit(without, metric) {
        return None;
    }
    let alone: std::collections::BTreeMap<u32, f64> = without.comparable(metric).collect();
    let ratio = Interval::of_ratios(with.comparable(metric).filter_map(|(round, ns)| Some(ns / alone.get(&round)?)))?;
    if ratio.rounds < ROUNDS_MIN {
        return None;
    }
    let factor = if ratio.holds(1.0) { "not clearly different".to_string() } else { format::ratio(ratio.median) };
    let show = |value| metric.quantity().show(value);
    let (from, to) = (show(without.point(metric)?.value), show(with.point(metric)?.value));
    let text = format!("{factor} for {} ({}; {from} alone, {to} beside it)", kind.label(), ratio_spread(&ratio));
    Some((text, ratio.rounds))
}

#[cfg(test)]
mod tests {
    use crate::record::{Beside, Neighbour};
    use crate::testing::{Builder, text};

    #[test]
    fn what_was_overloaded_is_not_compared() {
        let with = |beside: bool| {
            move |sample: &mut crate::record::Sample| {
                Builder::constant_latency(sample, 20_000, 20_000);
                if beside && sample.messenger == "async" && sample.round == 3 {
                    sample.messages = 9_500;
                }
                Builder::under_load(sample, 10_000.0, 100);
                let what = Neighbour::Flood;
                sample.beside = beside.then_some(Beside { what, peers: 1, size: 4096, per_s: 9.0, latency: None });
            }
        };
        let kinds = ["simple", "async"];
        let run = Builder::default().each(&kinds, &[16], 4, with(false)).each(&kinds, &[16], 4, with(true));
        let text = text(&run.build(), "Neighbour");
        assert_eq!(text.len(), 2);
        assert!(text.iter().all(|text| text.contains("for simple (") && !text.contains("async")), "{text:?}");
    }

    #[test]
    fn a_neighbour_is_compared_with_its_absence_in_the_same_round() {
        let with = |slow: u64| {
            move |sample: &mut crate::record::Sample| {
                let machine = if sample.round == 1 { 2 } else { 1 };
                Builder::constant_latency(sample, machine * slow, 20_000);
                if slow > 20_000 {
                    let what = Neighbour::Flood;
                    sample.beside = Some(Beside { what, peers: 1, size: 4096, per_s: 9.0, latency: None });
                }
            }
        };
        let run = Builder::default().each(&["async"], &[16], 3, with(20_000)).each(&["async"], &[16], 3, with(60_000));
        let text = text(&run.build(), "Neighbour");
        assert_eq!(text.len(), 2);
        let start = "Beside a flood, relative to alone, the median round trip of the others is 3.00× for async (";
        assert!(text[0].starts_with(start), "{text:?}");
    }
}
