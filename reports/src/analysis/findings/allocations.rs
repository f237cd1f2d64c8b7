//! How often each messenger allocates for a message.

use super::Finding;
use crate::analysis::group::Group;
use crate::analysis::interval::Interval;
use crate::format;
use crate::record::Allocations;

/// Below this many times a message, "once in so many messages" reads better.
const SELDOM: f64 = 0.2;

pub(super) fn finding(group: &Group<'_>) -> Option<Finding> {
    let rates: Vec<String> = group
        .messengers()
        .filter_map(|kind| {
            let counted = group
                .cells()
                .filter(|(of, _, _)| *of == kind)
                .flat_map(|(_, _, cell)| &cell.rounds)
                .filter(|measured| measured.sample.beside.is_none())
                .filter_map(|measured| measured.sample.allocations.as_ref());
            let (times, bytes): (Vec<f64>, Vec<f64>) = counted.filter_map(a_message).unzip();
            let (times, bytes) = (Interval::over(times)?, Interval::over(bytes)?);
            let bytes = format::number(bytes.median);
            Some(format!("{} allocates {} ({bytes} bytes a message)", kind.label(), rate(times.median)))
        })
        .collect();
    if rates.is_empty() {
        return None;
    }
    Some(Finding {
        topic: "Allocations",
        text: format!("{}.", format::list(&rates)),
        rule: "Allocations and reallocations of the side under test over the measured interval, divided by its \
               messages; median over all samples of the counting binary without a neighbour."
            .to_string(),
    })
}

/// `3.10 times a message`, or `once in 40 messages` where that reads better.
fn rate(times: f64) -> String {
    if times <= 0.0 {
        "nothing".to_string()
    } else if times < SELDOM {
        format!("once in {} messages", format::count((1.0 / times).round() as u64))
    } else {
        format!("{} times a message", format::number(times))
    }
}

/// Allocations and allocated bytes per message; `None` when no message was handled.
fn a_message(counted: &Allocations) -> Option<(f64, f64)> {
    let messages = counted.messages as f64;
    (counted.messages > 0).then(|| (counted.count as f64 / messages, counted.bytes as f64 / messages))
}

#[cfg(test)]
mod tests {
    use crate::record::{Allocations, Beside, Neighbour};
    use crate::testing::{Builder, text};

    #[test]
    fn allocations_are_stated_per_message() {
        let run = Builder::default()
            .each(&["simple", "async"], &[4], 1, |sample| {
                let count = if sample.messenger == "simple" { 310 } else { 2 };
                sample.allocations = Some(Allocations { count, bytes: 6_400, messages: 100 });
            })
            .build();
        assert_eq!(
            text(&run, "Allocations"),
            [
                "simple allocates 3.10 times a message (64 bytes a message) and async allocates once in 50 messages (64 bytes a message)."
            ]
        );
    }

    #[test]
    fn allocations_for_a_neighbour_are_not_among_those_of_a_message() {
        let run = Builder::default()
            .each(&["async"], &[16], 2, |sample| {
                sample.allocations = Some(Allocations { count: 200, bytes: 6_400, messages: 100 });
                if sample.round == 1 {
                    sample.allocations = Some(Allocations { count: 90_000, bytes: 640_000, messages: 100 });
                    sample.beside =
                        Some(Beside { what: Neighbour::Flood, peers: 1, size: 4096, per_s: 9.0, latency: None });
                }
            })
            .build();
        assert_eq!(text(&run, "Allocations"), ["async allocates 2 times a message (64 bytes a message)."]);
    }

    #[test]
    fn uncounted_allocations_stay_silent() {
        let run = Builder::default().each(&["simple"], &[4], 3, |_| {}).build();
        assert!(text(&run, "Allocations").is_empty());
    }
}
