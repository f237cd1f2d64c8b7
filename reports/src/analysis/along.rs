//! What the points of a group differ in: the horizontal axis of its plots and the rows of its tables.

use crate::format;
use crate::record::{Neighbour, Sample};

/// A value along an axis, as a whole number: peers, bytes, requests a second, or 0 alone and 1 beside a neighbour.
pub(crate) type Place = u64;

/// The place of what was measured without a neighbour.
pub(crate) const ALONE: Place = 0;

/// What the points of a group differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Along {
    /// Connected peers.
    Peers,
    /// Payload bytes.
    Size,
    /// Requests offered a second.
    Rate,
    /// Whether a neighbour of this kind was there.
    Beside(Neighbour),
}

impl Along {
    /// Where a sample stands.
    pub(crate) fn place(self, sample: &Sample) -> Place {
        match self {
            Along::Peers => u64::from(sample.peers),
            Along::Size => sample.size,
            Along::Rate => rate(sample),
            Along::Beside(_) => u64::from(sample.beside.is_some()),
        }
    }

    /// Heading of a column of places.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Along::Peers => "peers",
            Along::Size => "payload",
            Along::Rate => "offered, /s",
            Along::Beside(_) => "beside",
        }
    }

    /// What a plot is drawn against.
    pub(crate) fn against(self) -> &'static str {
        match self {
            Along::Peers => "connected peers",
            Along::Size => "payload size",
            Along::Rate => "the offered rate",
            Along::Beside(_) => "what else there was to do",
        }
    }

    /// A place as the heading of a row: `64`, `4 KiB`.
    pub(crate) fn row(self, place: Place) -> String {
        match self {
            Along::Peers | Along::Rate => format::count(place),
            Along::Size => format::size(place),
            Along::Beside(_) if place == ALONE => "nothing else".to_string(),
            Along::Beside(what) => neighbour(what).to_string(),
        }
    }

    /// Places within a sentence: `at 1, 4 and 16 peers`.
    pub(crate) fn at(self, places: &[Place]) -> String {
        if let Along::Beside(what) = self {
            let each = |place: &Place| if *place == ALONE { "alone".to_string() } else { beside(what).to_string() };
            return format::list(&places.iter().map(each).collect::<Vec<_>>());
        }
        let names: Vec<String> = places.iter().map(|place| self.row(*place)).collect();
        format!("at {}{}", format::list(&names), self.noun(places))
    }

    /// From one place to another: `at 4 to 1,024 peers`.
    pub(crate) fn span(self, from: Place, to: Place) -> String {
        if from == to || matches!(self, Along::Beside(_)) {
            return if from == to { self.at(&[from]) } else { "in either case".to_string() };
        }
        format!("at {} to {}{}", self.row(from), self.row(to), self.noun(&[from, to]))
    }

    /// Between two neighbouring places: `between 4 and 64 peers`.
    pub(crate) fn between(self, one: Place, two: Place) -> String {
        match self {
            Along::Beside(what) => beside(what).to_string(),
            _ => format!("between {} and {}{}", self.row(one), self.row(two), self.noun(&[one, two])),
        }
    }

    /// Everywhere: `at every peer count`.
    pub(crate) fn every(self) -> &'static str {
        match self {
            Along::Peers => "at every peer count",
            Along::Size => "at every size",
            Along::Rate => "at every rate",
            Along::Beside(_) => "in both cases",
        }
    }

    /// Nowhere: `at any peer count`.
    pub(crate) fn any(self) -> &'static str {
        match self {
            Along::Peers => "at any peer count",
            Along::Size => "at any size",
            Along::Rate => "at any rate",
            Along::Beside(_) => "in either case",
        }
    }

    fn noun(self, places: &[Place]) -> &'static str {
        match self {
            Along::Peers if places == [1] => " peer",
            Along::Peers => " peers",
            Along::Rate => " requests/s",
            Along::Size | Along::Beside(_) => "",
        }
    }
}

/// Requests offered a second, as a whole number; 0 when the loop was closed.
fn rate(sample: &Sample) -> Place {
    // A rate is bounded by what one thread can send.
    sample.open_loop.as_ref().map_or(0, |open| open.offered_per_s.round() as u64)
}

/// A neighbour by name.
pub(crate) fn neighbour(what: Neighbour) -> &'static str {
    match what {
        Neighbour::Flood => "a flood",
        Neighbour::SlowReader => "a slow reader",
        Neighbour::Connects => "a storm of connects",
        Neighbour::Bulk => "bulk streams",
    }
}

/// Beside a neighbour, within a sentence.
pub(crate) fn beside(what: Neighbour) -> &'static str {
    match what {
        Neighbour::Flood => "beside a flood",
        Neighbour::SlowReader => "beside a slow reader",
        Neighbour::Connects => "beside a storm of connects",
        Neighbour::Bulk => "beside bulk streams",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_people_write_them() {
        assert_eq!(Along::Peers.at(&[1]), "at 1 peer");
        assert_eq!(Along::Peers.at(&[1, 16, 1024]), "at 1, 16 and 1,024 peers");
        assert_eq!(Along::Peers.span(4, 1024), "at 4 to 1,024 peers");
        assert_eq!(Along::Size.at(&[64, 4096]), "at 64 B and 4 KiB");
        assert_eq!(Along::Rate.at(&[61_234]), "at 61,234 requests/s");
        assert_eq!(Along::Beside(Neighbour::Flood).at(&[ALONE, 1]), "alone and beside a flood");
    }
}
