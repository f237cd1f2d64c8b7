//! The percentile curve: every percentile of the round trips at one place.

use super::figure::Figure;
use super::table;
use crate::analysis::along::Place;
use crate::analysis::group::{Cell, Group};
use crate::analysis::kind::Kind;
use crate::analysis::metric::quantile_of;
use crate::charts::{Axis, Caption, DrawError, Plot, Series};
use crate::format::{Quantity, Unit};
use hdrhistogram::Histogram;

/// A curve ends where fewer values lie beyond: the last few are single events, not a distribution.
pub(super) const VALUES_BEYOND_MIN: f64 = 10.0;

/// Points drawn per further nine; more cannot be seen at the size of the figure.
const POINTS_A_NINE: f64 = 24.0;

impl Figure {
    /// The percentile curves at one place; `None` when no round trip was recorded there.
    ///
    /// # Errors
    ///
    /// When the plot cannot be drawn.
    pub(super) fn percentiles(group: &Group<'_>, place: Place, section: &str) -> Result<Option<Figure>, DrawError> {
        let cells: Vec<(&Kind, &Cell<'_>, &Histogram<u64>)> = group
            .kinds
            .iter()
            .filter_map(|kind| {
                let cell = group.cell(kind, place)?;
                Some((kind, cell, cell.merged.as_ref()?))
            })
            .collect();
        let medians = cells.iter().filter_map(|(_, _, merged)| quantile_of(merged, 0.5));
        let Some(least) = medians.reduce(f64::min) else {
            return Ok(None);
        };
        let unit = Quantity::Nanoseconds.unit_for(least);
        let series: Vec<Series> = cells
            .iter()
            .map(|(kind, cell, merged)| Series {
                slot: kind.slot,
                name: kind.label().to_string(),
                named: true,
                pieces: vec![curve(merged, unit)],
                faint: rounds(cell, unit),
                marks: Vec::new(),
            })
            .collect();
        let all = || series.iter().flat_map(|one| one.pieces.iter().chain(&one.faint).flatten());
        let nines = all().map(|(nines, _)| *nines).fold(0.0, f64::max);
        let plot = Plot {
            x: Axis::percentiles(1.0 - 10_f64.powf(-nines)),
            y: Axis::values(&format!("{}, round trip", unit.name), all().map(|(_, value)| *value)),
            series,
        };
        let id = format!("{section}-percentiles-{place}");
        let table = table::of_percentiles(group, place, unit);
        let caption = Caption {
            id: id.clone(),
            title: format!("Percentiles of the round trip {}", group.along.at(&[place])),
            description: describe(&cells),
        };
        Ok(Some(Figure {
            id,
            metric: None,
            note: None,
            title: format!("Percentiles {}", group.along.at(&[place])),
            meaning: format!(
                "Thick: all rounds together; thin: single rounds. A curve ends where fewer than {VALUES_BEYOND_MIN} \
                 round trips lie beyond."
            ),
            svg: plot.draw(&caption)?,
            table,
        }))
    }
}

/// The curve of one histogram: number of nines against the value in `unit`.
fn curve(histogram: &Histogram<u64>, unit: Unit) -> Vec<(f64, f64)> {
    let last = (histogram.len() as f64 / VALUES_BEYOND_MIN).max(1.0).log10();
    let steps = (last * POINTS_A_NINE).floor() as u32;
    let at = |step: u32| {
        let nines = f64::from(step) / POINTS_A_NINE;
        let value = quantile_of(histogram, 1.0 - 10_f64.powf(-nines))?;
        Some((nines, value / unit.factor))
    };
    (0..=steps).filter_map(at).collect()
}

/// The curves of single rounds, when there are several.
fn rounds(cell: &Cell<'_>, unit: Unit) -> Vec<Vec<(f64, f64)>> {
    if cell.rounds.len() < 2 {
        return Vec::new();
    }
    let histograms = cell.rounds.iter().filter_map(|measured| measured.histogram.as_ref());
    histograms.map(|histogram| curve(histogram, unit)).collect()
}

fn describe(cells: &[(&Kind, &Cell<'_>, &Histogram<u64>)]) -> String {
    let each: Vec<String> = cells
        .iter()
        .filter_map(|(kind, _, merged)| {
            let show = |quantile| Some(Quantity::Nanoseconds.show(quantile_of(merged, quantile)?));
            Some(format!("{}: median {}, p99 {}", kind.label(), show(0.5)?, show(0.99)?))
        })
        .collect();
    format!("{}. More percentiles are in the table below.", each.join("; "))
}
