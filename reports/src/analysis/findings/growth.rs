//! How the median round trip grows with the peers, while the work stays the same.

use std::collections::BTreeMap;

use super::{ESTIMATES, Finding, ROUNDS_MIN, over_rounds, ratio_spread};
use crate::analysis::along::{Along, Place};
use crate::analysis::group::Group;
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::analysis::metric::Metric;
use crate::format;
use crate::record::Workload;

pub(super) fn finding(group: &Group<'_>) -> Option<Finding> {
    if group.workload != Workload::PingPong || group.along != Along::Peers {
        return None;
    }
    let to = *group.places.last()?;
    let from = *group.places.iter().find(|from| **from < to && same_load(group, **from, to))?;
    let (grown, rounds): (Vec<String>, Vec<usize>) = group
        .kinds
        .iter()
        .filter_map(|kind| {
            let growth = growth(group, kind, from, to)?;
            if growth.rounds < ROUNDS_MIN {
                return None;
            }
            let spread = ratio_spread(&growth);
            let change =
                if growth.holds(1.0) { "not clearly different".to_string() } else { format::ratio(growth.median) };
            Some((format!("{change} for {} ({spread})", kind.label()), growth.rounds))
        })
        .unzip();
    if grown.is_empty() {
        return None;
    }
    Some(Finding {
        topic: "Growth",
        text: format!(
            "With the same requests in flight, the median round trip at {} relative to that at {} is {}{}.",
            format::plural(to, "peer"),
            format::count(from),
            format::list(&grown),
            over_rounds(&rounds)
        ),
        rule: format!(
            "{ESTIMATES} of the per-round ratios of the medians at the two peer counts, between which neither the \
             requests in flight nor the load side differ; at least {ROUNDS_MIN} rounds. No clear change: the interval holds 1."
        ),
    })
}

fn same_load(group: &Group<'_>, from: Place, to: Place) -> bool {
    group.kinds.iter().all(|kind| match (group.cell(kind, from), group.cell(kind, to)) {
        (Some(few), Some(many)) => few.load() == many.load(),
        _ => true,
    })
}

fn growth(group: &Group<'_>, kind: &Kind, from: Place, to: Place) -> Option<Interval> {
    let few: BTreeMap<u32, f64> = group.cell(kind, from)?.per_round(Metric::P50).collect();
    let many = group.cell(kind, to)?.per_round(Metric::P50);
    Interval::of_ratios(many.filter_map(|(round, ns)| Some(ns / few.get(&round)?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Builder, text};

    #[test]
    fn growth_is_taken_only_between_counts_of_the_same_load() {
        let run = Builder::default()
            .each(&["simple"], &[1, 4, 256], 3, |sample| {
                sample.in_flight = if sample.peers == 1 { 1 } else { 16 };
                let ns = if sample.peers == 256 { 60_000 } else { 20_000 };
                Builder::constant_latency(sample, ns, 5_000);
            })
            .build();
        let text = text(&run, "Growth");
        assert!(text[0].contains("at 256 peers relative to that at 4 is"), "{text:?}");
        assert!(text[0].contains("3.00× for simple") || text[0].contains("2.99× for simple"), "{text:?}");
    }

    #[test]
    fn one_count_cannot_grow() {
        let run = Builder::default().each(&["simple"], &[4], 3, |_| {}).build();
        assert!(text(&run, "Growth").is_empty());
    }
}
