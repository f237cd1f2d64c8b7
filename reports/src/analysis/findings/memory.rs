//! What an added peer costs in resident memory.

use std::collections::BTreeMap;

use super::{Finding, over_rounds, quantity_spread, spread};
use crate::analysis::along::{Along, Place};
use crate::analysis::group::Group;
use crate::analysis::interval::Interval;
use crate::analysis::kind::Kind;
use crate::analysis::metric::Metric;
use crate::format::{self, Quantity};

/// Peers from which on the slope is taken when it can be: below, fixed costs that start with the first peers (pools,
/// helper threads, allocator arenas) would be charged to each peer.
const PEERS_FROM: u64 = 64;

/// The slope is taken over at least this factor of peers, else noise of the resident set drowns it.
const SPAN_MIN: u64 = 4;

/// The slope is taken over at least this many added peers: a resident set moves by tens of KiB of itself, which fewer
/// peers would be charged with at a KiB or more each.
const ADDED_MIN: u64 = 60;

pub(super) fn finding(group: &Group<'_>) -> Option<Finding> {
    if group.along != Along::Peers {
        return None;
    }
    let (from, to) = span(&group.places)?;
    let (costs, rounds): (Vec<String>, Vec<usize>) = group
        .messengers()
        .filter_map(|kind| {
            let slope = slope(group, kind, from, to)?;
            let (cost, spread) = if slope.low > 0.0 {
                (Quantity::Bytes.show(slope.median), quantity_spread(&slope, Quantity::Bytes))
            } else {
                ("no measurable memory".to_string(), spread(&slope, signed_bytes))
            };
            Some((format!("{} {cost} ({spread})", kind.label()), slope.rounds))
        })
        .unzip();
    if costs.is_empty() {
        return None;
    }
    Some(Finding {
        topic: "Memory",
        text: format!("An added peer costs {}{}.", format::list(&costs), over_rounds(&rounds)),
        rule: format!(
            "Growth of the resident set of the side under test from {} to {}, divided by the peers added; median \
             and spread of the per-round figures.",
            format::plural(from, "peer"),
            format::plural(to, "peer")
        ),
    })
}

/// Bytes of either sign, with the unit that no figure before them has.
fn signed_bytes(value: f64) -> String {
    let unit = Quantity::Bytes.unit_for(value);
    format!("{} {}", format::number(value / unit.factor), unit.name)
}

/// The peer counts between which the slope is taken.
fn span(peers: &[Place]) -> Option<(Place, Place)> {
    let to = *peers.last()?;
    let wide = |from: &&u64| from.saturating_mul(SPAN_MIN) <= to && to - **from >= ADDED_MIN;
    let from = peers.iter().filter(|peers| **peers >= PEERS_FROM).find(wide);
    let from = from.or_else(|| peers.iter().find(wide))?;
    Some((*from, to))
}

fn slope(group: &Group<'_>, kind: &Kind, from: Place, to: Place) -> Option<Interval> {
    let few: BTreeMap<u32, f64> = group.cell(kind, from)?.per_round(Metric::Rss).collect();
    let many = group.cell(kind, to)?.per_round(Metric::Rss);
    let slopes = many.filter_map(|(round, rss)| Some((rss - few.get(&round)?) / (to - from) as f64));
    Interval::over(slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Builder, text};

    #[test]
    fn the_slope_leaves_fixed_costs_out() {
        let run = Builder::default()
            .each(&["simple", "async"], &[1, 64, 1024], 3, |sample| {
                let a_peer = if sample.messenger == "simple" { 24 * 1024 } else { 2 * 1024 };
                sample.server.rss = 5_000_000 + u64::from(sample.peers) * a_peer;
                if sample.peers == 1 {
                    sample.server.rss = 1_000_000;
                }
            })
            .build();
        assert_eq!(
            text(&run, "Memory"),
            ["An added peer costs simple 24 KiB (all rounds alike) and async 2 KiB (all rounds alike) over 3 rounds."]
        );
    }

    #[test]
    fn a_slope_within_the_noise_is_not_a_cost() {
        let run = Builder::default()
            .each(&["async"], &[64, 1024], 3, |sample| {
                sample.server.rss = 5_000_000;
                if sample.peers == 1024 && sample.round == 1 {
                    sample.server.rss -= 4096;
                }
            })
            .build();
        assert_eq!(
            text(&run, "Memory"),
            ["An added peer costs async no measurable memory (−4.27 B–0 B) over 3 rounds."]
        );
    }

    #[test]
    fn peer_counts_too_close_together_give_no_slope() {
        assert_eq!(span(&[64, 128]), None);
        assert_eq!(span(&[16]), None);
        assert_eq!(span(&[]), None);
        assert_eq!(span(&[1, 4, 16, 64, 256, 1024]), Some((64, 1024)));
        assert_eq!(span(&[1, 4, 16]), None);
        assert_eq!(span(&[1, 16, 64]), Some((1, 64)));
    }
}
