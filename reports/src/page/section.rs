//! The part of the page for one group.

use super::figure::Figure;
use super::table::{self, Table};
use super::{counts, neighbours, offers, stages};
use crate::analysis::along::{Along, Place};
use crate::analysis::findings::{self, Finding};
use crate::analysis::group::Group;
use crate::analysis::kind::Slot;
use crate::analysis::metric::Metric;
use crate::charts::{DrawError, swatch};
use crate::format;
use crate::record::Workload;

/// One messenger in the legend.
pub(super) struct Legend {
    /// Its name.
    pub(super) name: String,
    /// CSS class of its colour.
    pub(super) class: &'static str,
    /// Its line and marker.
    pub(super) swatch: String,
}

/// One group.
pub(super) struct Section {
    /// Identifier within the page.
    pub(super) id: String,
    /// Heading.
    pub(super) title: String,
    /// What was done, from the samples.
    pub(super) lead: String,
    /// Its messengers.
    pub(super) legend: Vec<Legend>,
    /// What the data say.
    pub(super) findings: Vec<Finding>,
    /// Figures along the places.
    pub(super) figures: Vec<Figure>,
    /// Percentile curves, and where the time went.
    pub(super) curves: Vec<Figure>,
    /// What was offered at a fixed rate, and what became of it.
    pub(super) offers: Option<Table>,
    /// What a message costs, counted.
    pub(super) counts: Vec<Table>,
    /// What the neighbour did.
    pub(super) neighbours: Option<Table>,
    /// Ratios to the floors.
    pub(super) ratios: Vec<Table>,
    /// Threads by name, and the messengers' own counters.
    pub(super) details: Vec<Table>,
}

impl Section {
    /// Draws the section of a group.
    ///
    /// # Errors
    ///
    /// When a figure cannot be drawn.
    pub(super) fn new(group: &Group<'_>) -> Result<Section, DrawError> {
        let id = slug(group);
        let figures = metrics(group)
            .filter_map(|metric| Figure::new(group, *metric, &id).transpose())
            .collect::<Result<Vec<Figure>, DrawError>>()?;
        let curves = few(&group.places)
            .iter()
            .filter_map(|place| Figure::percentiles(group, *place, &id).transpose())
            .collect::<Result<Vec<Figure>, DrawError>>()?;
        let stages = ends(&group.places)
            .iter()
            .filter_map(|place| stages::figure(group, *place, &id).transpose())
            .collect::<Result<Vec<Figure>, DrawError>>()?;
        let legend = group
            .kinds
            .iter()
            .map(|kind| {
                let name = kind.label().to_string();
                Ok(Legend { name, class: kind.slot.class(), swatch: swatch(kind.slot)? })
            })
            .collect::<Result<Vec<Legend>, DrawError>>()?;
        let threads =
            table::of_names(group, "Threads by name of the side under test", "name", |s| &s.server.threads_by_name);
        let counters =
            table::of_names(group, "Counters of the messenger under test", "counter", |s| &s.server.counters);
        Ok(Section {
            title: group.title(),
            lead: lead(group),
            legend,
            findings: findings::of(group),
            figures,
            curves: curves.into_iter().chain(stages).collect(),
            offers: offers::table(group),
            counts: counts::tables(group),
            neighbours: neighbours::table(group),
            ratios: table::of_ratios(group),
            details: threads.into_iter().chain(counters).collect(),
            id,
        })
    }
}

/// The smallest, the middle and the largest place, as far as they differ.
fn few(places: &[Place]) -> Vec<Place> {
    let all = [places.first(), places.get(places.len() / 2), places.last()];
    let mut few: Vec<Place> = all.into_iter().flatten().copied().collect();
    few.dedup();
    few
}

/// The first and the last place, as far as they differ.
fn ends(places: &[Place]) -> Vec<Place> {
    let mut ends: Vec<Place> = places.first().into_iter().chain(places.last()).copied().collect();
    ends.dedup();
    ends
}

/// The figures of a group. Beside a neighbour, CPU time and switches are in part the neighbour's.
fn metrics(group: &Group<'_>) -> impl Iterator<Item = &'static Metric> + use<> {
    let beside = matches!(group.along, Along::Beside(_));
    Metric::of(group.workload).iter().filter(move |metric| !(beside && metric.is_per_message()))
}

/// Its identifier: what sets it apart from all other groups of the record.
fn slug(group: &Group<'_>) -> String {
    let workload = match group.workload {
        Workload::PingPong => "ping-pong",
        Workload::UnderLoad => "under-load",
        Workload::Stream => "stream",
    };
    let size = if group.along == Along::Size { "sizes".to_string() } else { group.sizes[0].to_string() };
    let peers = if group.along == Along::Peers { String::new() } else { format!("-{}", group.peers[0]) };
    let measure = if group.measure == 0 { String::new() } else { format!("-{}", group.measure + 1) };
    format!("{workload}-{size}{peers}{measure}")
}

/// What was sent, with how much in flight and by whom, as the samples say it.
fn lead(group: &Group<'_>) -> String {
    let what = match group.workload {
        Workload::PingPong => {
            "Requests are answered by small replies; latency is the round trip, from sending a request to having its \
             reply. The loop is closed: the next request leaves when a reply arrives, so a stall also holds back \
             requests that would have waited in it, and tails under a fixed rate are longer."
        }
        Workload::UnderLoad => {
            "Requests are sent at a fixed rate, whatever becomes of them, and answered by small replies. The loop is open: \
             latency is the round trip from when a request was to be sent, so a stall shows in every request that fell \
             into it."
        }
        Workload::Stream => "Messages go one way, within a window that the receiver grants.",
    };
    let in_flight = by_place(group, |place| {
        let mut cells = group.kinds.iter().filter_map(|kind| group.cell(kind, place)?.load());
        cells.next().filter(|(in_flight, _)| *in_flight > 0).map(|(in_flight, _)| format::count(u64::from(in_flight)))
    });
    let load = by_place(group, |place| {
        let one_peer = group.peers == [1] || (group.along == Along::Peers && place == 1);
        let mut loads: Vec<&str> = Vec::new();
        for kind in group.messengers() {
            let (_, load) = group.cell(kind, place)?.load()?;
            // Nobody else speaks RDMA: that rdma is its own load side at any number of peers goes without choice.
            let own = load == kind.name && (kind.slot != Slot::Rdma || one_peer);
            loads.push(if own { "the same messenger" } else { load });
        }
        // A messenger that is its own load side everywhere needs no mention where another one names it.
        if loads.iter().any(|load| *load != "the same messenger") {
            loads.retain(|load| *load != "the same messenger");
        }
        loads.dedup();
        let mut named: Vec<String> = loads.iter().map(|load| (*load).to_string()).collect();
        if loads.len() > 1
            && let Some(rdma) = named.iter_mut().find(|load| *load == "rdma")
        {
            *rdma = "rdma for rdma".to_string();
        }
        Some(format::list(&named))
    });
    let mut lead = what.to_string();
    if !in_flight.is_empty() {
        lead.push_str(&format!(" In flight in all: {}.", in_flight.join("; ")));
    }
    if !load.is_empty() {
        lead.push_str(&format!(" Load side: {}.", load.join("; ")));
    }
    if in_flight.len() > 1 || load.len() > 1 {
        lead.push_str(" Lines that depend on the load are broken where it changes.");
    }
    lead
}

/// What holds at which places, runs of the same taken together: `1 at 1 peer`, `16 at 4 to 1,024 peers`.
fn by_place(group: &Group<'_>, say: impl Fn(Place) -> Option<String>) -> Vec<String> {
    let said: Vec<(Place, String)> =
        group.places.iter().filter_map(|place| Some((*place, say(*place).filter(|text| !text.is_empty())?))).collect();
    let runs = said.chunk_by(|(_, one), (_, two)| one == two);
    runs.filter_map(|run| {
        let ((from, text), (to, _)) = (run.first()?, run.last()?);
        Some(format!("{text} {}", group.along.span(*from, *to)))
    })
    .collect()
}
