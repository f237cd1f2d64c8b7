//! Axes: which values they span, where their ticks stand and what those say.

use crate::format;

/// A range of positive values wider than this factor is drawn on a logarithmic axis.
const LOG_FROM: f64 = 8.0;

/// Ticks that a linear axis aims for.
const LINEAR_TICKS: f64 = 5.0;

/// Decades from which on a logarithmic axis labels only powers of ten.
const DECADES_ONLY_FROM: f64 = 2.4;

/// Tick labels closer than this share of the axis would run into each other.
const TICK_GAP_MIN: f64 = 0.085;

/// Least step between the ticks of an axis of changes: finer ones would show noise as large.
const CHANGE_STEP_MIN: f64 = 0.01;

/// Space beside the first and the last place, in decades.
const PLACE_MARGIN: f64 = 0.13;

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Where, from 0 to 1.
    pub(crate) at: f64,
    /// What it says; empty where there is no room.
    pub(crate) label: String,
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Its title, with the unit.
    pub(crate) title: String,
    /// Its ticks, ascending.
    pub(crate) ticks: Vec<Tick>,
    log: bool,
    // In decades when the axis is logarithmic.
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis with a tick at each of ascending places: logarithmic.
    pub(crate) fn places(title: &str, places: &[f64], label: impl Fn(f64) -> String) -> Axis {
        let log = |place: Option<&f64>| place.unwrap_or(&1.0).max(1.0).log10();
        let (low, high) = (log(places.first()) - PLACE_MARGIN, log(places.last()) + PLACE_MARGIN);
        let mut axis = Axis { title: title.to_string(), ticks: Vec::new(), log: true, low, high };
        axis.put_ticks(places, label);
        axis
    }

    /// An axis of names: the first at 0, the next at 1, and so on.
    pub(crate) fn names(title: &str, names: &[&str]) -> Axis {
        let high = names.len() as f64 - 0.5;
        let mut axis = Axis { title: title.to_string(), ticks: Vec::new(), log: false, low: -0.5, high: high.max(0.5) };
        let tick = |(i, name): (usize, &&str)| Tick { at: axis.at(i as f64), label: (*name).to_string() };
        axis.ticks = names.iter().enumerate().map(tick).collect();
        axis
    }

    /// Whether it begins at zero, so that the length of a line from there means something.
    pub(crate) fn begins_at_zero(&self) -> bool {
        !self.log && self.low == 0.0
    }

    /// An axis for values, which are all at least 0: linear from zero, or logarithmic when they span too much.
    pub(crate) fn values(name: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if low > 0.0 && low.is_finite() && high / low >= LOG_FROM {
            Axis::logarithmic(name, low, high)
        } else {
            Axis::linear(name, high)
        }
    }

    /// An axis for changes, as shares: linear, with no change among its ticks.
    pub(crate) fn changes(name: &str, shares: impl IntoIterator<Item = f64>) -> Axis {
        let finite = shares.into_iter().filter(|share| share.is_finite());
        let (low, high) = finite.fold((0.0, 0.0), |(low, high): (f64, f64), share| (low.min(share), high.max(share)));
        let step = nice_above(((high - low) / LINEAR_TICKS).max(CHANGE_STEP_MIN));
        let first = (low / step).floor();
        let last = (high / step).ceil().max(first + 1.0);
        let (title, ticks) = (name.to_string(), Vec::new());
        let mut axis = Axis { title, ticks, log: false, low: first * step, high: last * step };
        let ticks: Vec<f64> = (first as i64..=last as i64).map(|tick| tick as f64 * step).collect();
        axis.put_ticks(&ticks, |share| format::signed_percent(share).replace(".0 %", " %"));
        axis
    }

    fn linear(name: &str, high: f64) -> Axis {
        // Nothing but zeros still needs a scale.
        let high = if high > 0.0 { high } else { 1.0 };
        let step = nice_above(high / LINEAR_TICKS);
        let steps = (high / step).ceil();
        let mut axis = Axis { title: name.to_string(), ticks: Vec::new(), log: false, low: 0.0, high: steps * step };
        let ticks: Vec<f64> = (0..=steps as u32).map(|i| f64::from(i) * step).collect();
        axis.put_ticks(&ticks, tick_label);
        axis
    }

    fn logarithmic(name: &str, low: f64, high: f64) -> Axis {
        let first = low.log10().floor() as i32;
        let last = high.log10().ceil() as i32;
        let all: Vec<f64> =
            (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power))).collect();
        let below = all.iter().rposition(|tick| *tick <= low).unwrap_or(0);
        let above = all.iter().position(|tick| *tick >= high).unwrap_or(all.len() - 1);
        let ticks = &all[below..=above];
        let (low, high) = (ticks[0].log10(), ticks[ticks.len() - 1].log10());
        let only_decades = high - low >= DECADES_ONLY_FROM;
        let is_decade = |tick: &f64| (tick.log10() - tick.log10().round()).abs() < 1e-9;
        let shown: Vec<f64> = ticks.iter().copied().filter(|tick| !only_decades || is_decade(tick)).collect();
        let mut axis = Axis { title: format!("{name} (log scale)"), ticks: Vec::new(), log: true, low, high };
        axis.put_ticks(&shown, tick_label);
        axis
    }

    /// The axis of a percentile curve: the logarithm of 1/(1 − p), so that each further nine has the same width, up to
    /// the percentile `last`.
    pub(crate) fn percentiles(last: f64) -> Axis {
        const NINES: [(f64, &str); 8] = [
            (0.0, "0"),
            (0.5, "50"),
            (0.9, "90"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
            (0.99999, "99.999"),
            (0.999999, "99.9999"),
        ];
        let high = nines(last).max(1.0);
        let mut axis = Axis {
            title: "percentile of the round trips, %".to_string(),
            ticks: Vec::new(),
            log: false,
            low: 0.0,
            high,
        };
        let within = NINES.iter().filter(|(quantile, _)| nines(*quantile) <= high + 1e-9);
        axis.ticks = within
            .map(|(quantile, label)| Tick { at: axis.at(nines(*quantile)), label: (*label).to_string() })
            .collect();
        axis
    }

    /// Where a value stands, from 0 to 1.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn put_ticks(&mut self, values: &[f64], label: impl Fn(f64) -> String) {
        let mut last_labelled = f64::NEG_INFINITY;
        for value in values {
            let at = self.at(*value);
            let room = at - last_labelled >= TICK_GAP_MIN;
            if room {
                last_labelled = at;
            }
            self.ticks.push(Tick { at, label: if room { label(*value) } else { String::new() } });
        }
    }
}

/// The place of a quantile on the axis of a percentile curve: its number of nines, log10 of 1/(1 − p).
pub(crate) fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// A tick needs no trailing zeros: `0.5`, `2.5`, `1,000`.
fn tick_label(value: f64) -> String {
    let text = format::number(value);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `value`.
fn nice_above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let digits = [1.0, 2.0, 2.5, 5.0, 10.0];
    digits.into_iter().map(|digit| digit * power).find(|nice| *nice >= value * (1.0 - 1e-9)).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn peers(counts: &[f64]) -> Axis {
        Axis::places("peers", counts, |count| format::count(count as u64))
    }

    #[test]
    fn each_peer_count_is_a_tick() {
        let axis = peers(&[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]);
        assert_eq!(labels(&axis), ["1", "4", "16", "64", "256", "1,024"]);
    }

    #[test]
    fn crowded_peer_counts_keep_their_tick_and_lose_their_label() {
        let axis = peers(&[1.0, 2.0, 1000.0, 1001.0]);
        assert_eq!(labels(&axis), ["1", "2", "1,000", ""]);
    }

    #[test]
    fn a_narrow_range_is_linear_and_starts_at_zero() {
        let axis = Axis::values("µs", [20.0, 45.0]);
        assert_eq!(axis.title, "µs");
        assert_eq!(labels(&axis), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(axis.at(0.0), 0.0);
    }

    #[test]
    fn a_wide_range_is_logarithmic_between_round_numbers() {
        let axis = Axis::values("µs", [23.0, 450.0]);
        assert_eq!(axis.title, "µs (log scale)");
        assert_eq!(labels(&axis), ["20", "50", "100", "200", "500"]);
        let wide = Axis::values("threads", [2.0, 2052.0]);
        assert_eq!(labels(&wide), ["10", "100", "1,000"]);
    }

    #[test]
    fn changes_have_round_steps_around_no_change() {
        let axis = Axis::changes("change", [0.012, -0.034, 0.17]);
        assert_eq!(labels(&axis), ["−5 %", "+0 %", "+5 %", "+10 %", "+15 %", "+20 %"]);
        assert!((axis.at(0.0) - axis.ticks[1].at).abs() < 1e-9);
        assert_eq!(labels(&Axis::changes("change", [0.0])), ["+0 %", "+1 %"]);
        assert_eq!(labels(&Axis::changes("change", [-0.004, f64::NAN])), ["−1 %", "+0 %"]);
    }

    #[test]
    fn zeros_and_nothing_at_all_still_have_an_axis() {
        assert_eq!(Axis::values("", [0.0]).at(0.0), 0.0);
        assert!(!Axis::values("", []).ticks.is_empty());
        assert!(!peers(&[]).at(1.0).is_nan());
    }

    #[test]
    fn each_further_nine_has_the_same_width() {
        let axis = Axis::percentiles(0.9999);
        assert_eq!(labels(&axis), ["0", "50", "90", "99", "99.9", "99.99"]);
        let step = axis.ticks[3].at - axis.ticks[2].at;
        assert!((axis.ticks[4].at - axis.ticks[3].at - step).abs() < 1e-9);
    }
}
