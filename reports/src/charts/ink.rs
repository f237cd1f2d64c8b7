//! Colours of a figure, which are names until the page's style sheet says what they look like.
//!
//! The plotting library writes literal colours. Each ink is drawn in a colour that stands for nothing but itself, and
//! the finished SVG has those colours replaced by CSS classes.

use crate::analysis::kind::Slot;

/// What a stroke or a fill is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Lines behind the data.
    Grid,
    /// The lines that bound the plot.
    Axis,
    /// Tick labels and axis titles.
    Text,
    /// The line of a messenger.
    Line(Slot),
    /// Secondary lines of a messenger, such as single rounds.
    Faint(Slot),
    /// The interval of a messenger's point.
    Interval(Slot),
    /// A messenger's marker.
    Marker(Slot),
    /// A messenger's name beside its line.
    Name(Slot),
}

impl Ink {
    /// Every ink.
    fn all() -> impl Iterator<Item = Ink> {
        let own = Slot::ALL.into_iter().flat_map(|slot| {
            [Ink::Line(slot), Ink::Faint(slot), Ink::Interval(slot), Ink::Marker(slot), Ink::Name(slot)]
        });
        [Ink::Grid, Ink::Axis, Ink::Text].into_iter().chain(own)
    }

    /// The CSS class.
    fn class(self) -> String {
        match self {
            Ink::Grid => "grid".to_string(),
            Ink::Axis => "axis".to_string(),
            Ink::Text => "text".to_string(),
            Ink::Line(slot) => format!("line {}", slot.class()),
            Ink::Faint(slot) => format!("faint {}", slot.class()),
            Ink::Interval(slot) => format!("interval {}", slot.class()),
            Ink::Marker(slot) => format!("marker {}", slot.class()),
            Ink::Name(slot) => format!("name {}", slot.class()),
        }
    }

    /// The colour that stands for it until the SVG is finished: red, green, blue.
    pub(super) fn stand_in(self) -> (u8, u8, u8) {
        match self {
            Ink::Grid => (1, 0, 0),
            Ink::Axis => (2, 0, 0),
            Ink::Text => (3, 0, 0),
            Ink::Line(slot) => (4, slot as u8, 0),
            Ink::Faint(slot) => (5, slot as u8, 0),
            Ink::Interval(slot) => (6, slot as u8, 0),
            Ink::Marker(slot) => (7, slot as u8, 0),
            Ink::Name(slot) => (8, slot as u8, 0),
        }
    }

    /// Replaces the stand-in colours of a finished SVG by classes.
    pub(super) fn to_classes(svg: &str) -> String {
        Ink::all().fold(svg.to_string(), |svg, ink| {
            let (red, green, blue) = ink.stand_in();
            let class = format!("class=\"{}\"", ink.class());
            // An element of this page is stroked or filled, never both, so it gets one class.
            let svg = svg.replace(&format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\""), &class);
            svg.replace(&format!("fill=\"#{red:02X}{green:02X}{blue:02X}\""), &class)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_inks_share_a_stand_in() {
        let all: Vec<Ink> = Ink::all().collect();
        for (i, ink) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other.stand_in() != ink.stand_in()), "{ink:?}");
        }
    }
}
