//! The figures of a cell: its pairs one by one, and the percentiles of both sides.

use hdrhistogram::Histogram;

use super::decision::Decision;
use super::record::{CellRecord, Order, Pair, Stage, Values};
use super::words;
use crate::analysis::kind::{Kind, Slot};
use crate::analysis::metric::quantile_of;
use crate::charts::{Axis, Caption, DrawError, Mark, Plot, Series};
use crate::format::{self, Quantity, percent, signed_percent};
use crate::record::{HistogramError, merge};

/// Side A, whatever the messenger: the grey, dashed look of what others are held against.
const BASELINE: Slot = Slot::Floor;
/// The look of the action level.
const LEVEL: Slot = Slot::FloorEpoll;
/// Parts that the span of changes is divided into, about.
const TICKS: f64 = 6.0;
/// Share of the pairs on either side that may stand at the edge of a plot, so that single wild ones leave room for the others.
const EDGE: f64 = 0.05;
/// Points of a percentile curve for each further nine; more cannot be seen.
const POINTS_A_NINE: f64 = 24.0;
/// A curve ends where fewer round trips lie beyond: the last few are single events, not a distribution.
const BEYOND_MIN: f64 = 10.0;
/// Percentiles of the table.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// A figure with its table.
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) meaning: String,
    pub(super) svg: String,
    pub(super) columns: Vec<&'static str>,
    /// Heading and cells.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// Why a figure cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum FigureError {
    #[error(transparent)]
    Draw(#[from] DrawError),
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// The change from A to B in every pair, with the action level; `None` without a look.
pub(super) fn pairs(cell: &CellRecord, decision: &Decision, section: &str) -> Result<Option<Figure>, DrawError> {
    let Some(look) = decision.looks.last() else { return Ok(None) };
    let change = |pair: &Pair| decision.metric.of(&pair.b) / decision.metric.of(&pair.a) - 1.0;
    let changes: Vec<f64> = cell.pairs.iter().map(change).collect();
    let action = decision.metric.action();
    let scale = Scale::around(&changes, [look.low, look.high, 0.0, action]);
    let last = changes.len() as f64;
    let across = |share: f64| vec![(0.0, scale.place(share)), (last, scale.place(share))];
    let line = |slot, name: &str, share| Series {
        slot,
        name: name.to_string(),
        named: true,
        pieces: vec![across(share)],
        faint: Vec::new(),
        marks: Vec::new(),
    };
    let slot = Kind::new(&cell.cell.messenger).slot;
    let mark = |(number, pair): (usize, &Pair)| {
        let y = scale.place(changes[number]);
        let tip = format!("pair {}, {}: {}", number + 1, stage(pair.stage), signed_percent(changes[number]));
        Mark { x: number as f64 + 1.0, y, interval: (y, y), tip }
    };
    // Where looks end and a confirmation begins, or the other way round.
    let turns = cell.pairs.windows(2).enumerate().filter(|(_, two)| two[0].stage != two[1].stage);
    let turns = turns.map(|(number, _)| vec![(number as f64 + 1.5, 0.0), (number as f64 + 1.5, scale.steps())]);
    let turns: Vec<Vec<(f64, f64)>> = turns.collect();
    let dots = Series {
        slot,
        name: "B".to_string(),
        named: false,
        pieces: Vec::new(),
        faint: turns,
        marks: cell.pairs.iter().enumerate().map(mark).collect(),
    };
    let mut estimate = line(slot, "estimate", look.estimate);
    estimate.faint = vec![across(look.low), across(look.high)];
    let plot = Plot {
        x: Axis::values("pair, in the order of measuring", [last]),
        y: scale.axis("B against A"),
        series: vec![estimate, line(LEVEL, "action", action), line(BASELINE, "no change", 0.0), dots],
    };
    let name = words::metric(decision.metric);
    let id = format!("{section}-pairs-{}", name.split(' ').next().unwrap_or_default().to_lowercase());
    let title = format!("{name}, pair by pair");
    let caption = Caption {
        id: id.clone(),
        title: format!("{title}: {}", words::cell(&cell.cell)),
        description: format!("{} Every pair is in the table below.", decision.sentence),
    };
    Ok(Some(Figure {
        svg: plot.draw(&caption)?,
        id,
        title,
        meaning: format!(
            "Each mark is a pair; an upright line parts looks from confirmation. Thin lines: the {} interval after {} \
             pairs; the action level is {}. Pairs beyond the scale stand at its edge.",
            words::coverage(look),
            look.pairs,
            percent(action)
        ),
        columns: vec!["pair", "for", "first", "A", "B", "change"],
        rows: cell
            .pairs
            .iter()
            .enumerate()
            .map(|(number, pair)| row(number, pair, decision, changes[number]))
            .collect(),
    }))
}

fn row(number: usize, pair: &Pair, decision: &Decision, change: f64) -> (String, Vec<String>) {
    let first = match pair.order {
        Order::AFirst => "A",
        Order::BFirst => "B",
    };
    let time = |values: &Values| words::time(decision.metric.of(values));
    let cells = [stage(pair.stage).into(), first.into(), time(&pair.a), time(&pair.b), signed_percent(change)];
    (format::count(number as u64 + 1), cells.to_vec())
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Main => "look",
        Stage::Confirm => "confirmation",
    }
}

/// A vertical scale of changes, in steps of whole per cent.
struct Scale {
    /// Width of a step, as a share.
    step: f64,
    /// Number of the lowest tick, counted from no change.
    first: i32,
    /// Number of the highest.
    last: i32,
}

impl Scale {
    /// A scale that shows all of `shown`, and of the changes all but the wildest.
    fn around(changes: &[f64], shown: [f64; 4]) -> Scale {
        let mut sorted = changes.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = (sorted.len() as f64 * EDGE) as usize;
        let middle = sorted.get(cut..sorted.len().saturating_sub(cut)).unwrap_or_default();
        let all = || middle.iter().chain(&shown).copied();
        let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
        let step = round_up((high - low) / TICKS);
        Scale { step, first: (low / step).floor() as i32, last: (high / step).ceil() as i32 }
    }

    fn axis(&self, title: &str) -> Axis {
        let label = |tick| signed_percent(f64::from(tick) * self.step).replace(".0 %", " %");
        let labels: Vec<String> = (self.first..=self.last).map(label).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        Axis::names(title, &labels)
    }

    /// Where its highest tick stands on the axis.
    fn steps(&self) -> f64 {
        f64::from(self.last - self.first)
    }

    /// Where a change stands on the axis: its lowest tick is at 0, the next at 1.
    fn place(&self, share: f64) -> f64 {
        share / self.step - f64::from(self.first)
    }
}

/// The least of 1, 2 and 5 times a power of ten per cent that is at least `share`, and at least one per cent.
fn round_up(share: f64) -> f64 {
    let power = 10_f64.powf(share.max(0.01).log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= share).unwrap_or(power * 10.0)
}

/// The percentile curves of both sides over all pairs; `None` where not every side has a histogram.
pub(super) fn percentiles(cell: &CellRecord, section: &str) -> Result<Option<Figure>, FigureError> {
    let (Some(a), Some(b)) = (merged(cell, |pair| &pair.a)?, merged(cell, |pair| &pair.b)?) else { return Ok(None) };
    let Some(unit) = quantile_of(&a, 0.5).map(|median| Quantity::Nanoseconds.unit_for(median)) else { return Ok(None) };
    let slot = Kind::new(&cell.cell.messenger).slot;
    let series: Vec<Series> = [(slot, "B", &b), (BASELINE, "A", &a)]
        .into_iter()
        .map(|(slot, name, histogram)| Series {
            slot,
            name: name.to_string(),
            named: true,
            pieces: vec![curve(histogram, unit.factor)],
            faint: Vec::new(),
            marks: Vec::new(),
        })
        .collect();
    let points = || series.iter().flat_map(|one| one.pieces.iter().flatten());
    let nines = points().map(|(nines, _)| *nines).fold(0.0, f64::max);
    let x = Axis::percentiles(1.0 - 10_f64.powf(-nines));
    let y = Axis::values(&format!("{}, round trip", unit.name), points().map(|(_, value)| *value));
    let rows: Vec<(String, Vec<String>)> = QUANTILES
        .into_iter()
        .filter_map(|(quantile, name)| {
            let (a, b) = (quantile_of(&a, quantile)?, quantile_of(&b, quantile)?);
            Some((name.to_string(), vec![words::time(a), words::time(b), signed_percent(b / a - 1.0)]))
        })
        .collect();
    let id = format!("{section}-percentiles");
    let caption = Caption {
        id: id.clone(),
        title: format!("Percentiles: {}", words::cell(&cell.cell)),
        description: "Percentiles of all pairs of both sides. The figures are in the table below.".to_string(),
    };
    Ok(Some(Figure {
        svg: Plot { x, y, series }.draw(&caption)?,
        id,
        title: "Percentiles of both sides".to_string(),
        meaning: format!(
            "All pairs of a side together. A curve ends where fewer than {BEYOND_MIN} round trips lie beyond. The \
             verdict rests on the pairs, not on these."
        ),
        columns: vec!["percentile", "A", "B", "change"],
        rows,
    }))
}

/// All histograms of one side together; `None` when one is missing.
fn merged<'a>(
    cell: &'a CellRecord,
    side: impl Fn(&'a Pair) -> &'a Values,
) -> Result<Option<Histogram<u64>>, HistogramError> {
    let mut histograms = Vec::with_capacity(cell.pairs.len());
    for pair in &cell.pairs {
        let Some(latency) = &side(pair).latency else { return Ok(None) };
        histograms.push(latency.histogram()?);
    }
    merge(&histograms)
}

/// Number of nines against the value in units of `factor`.
fn curve(histogram: &Histogram<u64>, factor: f64) -> Vec<(f64, f64)> {
    let last = (histogram.len() as f64 / BEYOND_MIN).max(1.0).log10();
    let point = |step: u32| {
        let nines = f64::from(step) / POINTS_A_NINE;
        Some((nines, quantile_of(histogram, 1.0 - 10_f64.powf(-nines))? / factor))
    };
    (0..=(last * POINTS_A_NINE).floor() as u32).filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_few_round_steps_and_leaves_the_wildest_pairs_at_its_edge() {
        let mut changes = vec![0.01; 58];
        changes.extend([5.0, -0.9]);
        let scale = Scale::around(&changes, [-0.03, 0.05, 0.0, 0.08]);
        assert_eq!((scale.first, scale.last, (scale.step * 100.0).round()), (-2, 4, 2.0));
        let axis = scale.axis("B against A");
        let labels: Vec<&str> = axis.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["−4 %", "−2 %", "+0 %", "+2 %", "+4 %", "+6 %", "+8 %"]);
        assert_eq!(axis.at(scale.place(5.0)), 1.0);
        assert!((axis.at(scale.place(0.0)) - axis.ticks[2].at).abs() < 1e-9);
    }
}
