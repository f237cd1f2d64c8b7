//! The first thing on the page: the figures that tell the architectures apart, small, over the peers. Each leads to its figure
//! below, where its table is.

use crate::analysis::along::Along;
use crate::analysis::group::Group;
use crate::analysis::metric::Metric;
use crate::charts::DrawError;

use super::figure;
use super::section::{Legend, Section};

/// What is shown at a glance.
const METRICS: [Metric; 5] = [Metric::Threads, Metric::Rss, Metric::P50, Metric::P99, Metric::Throughput];

/// Peer counts that make a curve worth showing first.
const PLACES_MIN: usize = 3;

/// One small figure.
pub(super) struct Small {
    /// Identifier of the figure that it leads to.
    pub(super) leads_to: String,
    /// Heading.
    pub(super) title: &'static str,
    /// The plot.
    pub(super) svg: String,
}

/// The small figures.
pub(super) struct Glance<'a> {
    /// Heading of the section that they are from.
    pub(super) of: &'a str,
    /// Its messengers.
    pub(super) legend: &'a [Legend],
    /// The figures.
    pub(super) figures: Vec<Small>,
}

/// The first group over several peer counts, small; `None` when the run has none.
///
/// # Errors
///
/// When a plot cannot be drawn.
pub(super) fn new<'a>(groups: &[Group<'_>], sections: &'a [Section]) -> Result<Option<Glance<'a>>, DrawError> {
    let over_peers = |group: &Group<'_>| group.along == Along::Peers && group.places.len() >= PLACES_MIN;
    let Some((group, section)) = groups.iter().zip(sections).find(|(group, _)| over_peers(group)) else {
        return Ok(None);
    };
    let mut figures = Vec::new();
    for metric in METRICS {
        if let Some((plot, caption, _)) = figure::plot(group, metric, &format!("glance-{}", metric.slug())) {
            let leads_to = format!("{}-{}", section.id, metric.slug());
            figures.push(Small { leads_to, title: metric.title(), svg: plot.draw_small(&caption)? });
        }
    }
    Ok(Some(Glance { of: &section.title, legend: &section.legend, figures }))
}
