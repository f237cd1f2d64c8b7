//! Lines with markers and intervals over one horizontal axis.

use std::fmt::Write;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, DrawError, scaled};
use super::ink::Ink;
use crate::analysis::kind::Slot;

// All lengths are in CSS pixels at the size at which a figure is drawn.
/// Width and height of a figure, as large as it is in three columns.
const USUAL: Size = Size { width: 400.0, height: 256.0 };
/// The same of a small one, in five columns: text is as large as in the others.
const SMALL: Size = Size { width: 262.0, height: 190.0 };
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
/// Room for the names beside the lines.
const NAMES: f64 = 82.0;
/// Room on the right when no line has a name.
const RIGHT: f64 = 14.0;
const FONT: f64 = 11.5;
/// Width of a digit, for the room that tick labels need.
const DIGIT: f64 = 6.6;
/// Least room between two tick labels.
const LABEL_GAP: f64 = 3.0;
/// Names of lines closer than this would overlap.
const NAME_GAP: f64 = 14.0;
const MARKER: f64 = 4.0;
/// Shift between neighbouring series, so that intervals at the same place stand side by side.
const SHIFT: f64 = 3.0;
/// Longest name that fits beside its line, in characters.
const NAME_MAX: usize = 10;
/// Room around a marker in which the pointer shows its figures.
const POINTER: f64 = 9.0;

/// One point of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Its place.
    pub(crate) x: f64,
    /// Its value.
    pub(crate) y: f64,
    /// The interval of the value.
    pub(crate) interval: (f64, f64),
    /// What the pointer shows.
    pub(crate) tip: String,
}

/// One line of a figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Its look.
    pub(crate) slot: Slot,
    /// Its name.
    pub(crate) name: String,
    /// Whether its name is written beside its end.
    pub(crate) named: bool,
    /// Its pieces; points in different pieces are not joined.
    pub(crate) pieces: Vec<Vec<(f64, f64)>>,
    /// Lines drawn faintly behind it, such as its single rounds.
    pub(crate) faint: Vec<Vec<(f64, f64)>>,
    /// Its points.
    pub(crate) marks: Vec<Mark>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plot {
    /// Horizontal axis.
    pub(crate) x: Axis,
    /// Vertical axis.
    pub(crate) y: Axis,
    /// Its lines, the first drawn last and thus on top.
    pub(crate) series: Vec<Series>,
}

/// Width and height.
#[derive(Clone, Copy)]
struct Size {
    width: f64,
    height: f64,
}

/// What those hear who cannot see a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caption {
    /// Identifier that no other figure of the page has.
    pub(crate) id: String,
    /// Title.
    pub(crate) title: String,
    /// The figure in a sentence or two.
    pub(crate) description: String,
}

/// The rectangle that the data are drawn in.
#[derive(Clone, Copy)]
struct Frame<'a> {
    plot: &'a Plot,
    size: Size,
    left: f64,
    right: f64,
}

impl<'a> Frame<'a> {
    /// The rectangle of one series: points of several series that share a place are shifted apart.
    fn of_series(&self, index: usize) -> Frame<'a> {
        let shared = self.plot.series[index].named && !self.plot.series[index].marks.is_empty();
        let middle = (self.plot.series.len() - 1) as f64 / 2.0;
        let shift = if shared { (index as f64 - middle) * SHIFT } else { 0.0 };
        Frame { left: self.left + shift, right: self.right + shift, ..*self }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + self.plot.x.at(value) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.plot.y.at(value) * (self.bottom() - TOP)
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }

    fn point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }
}

impl Plot {
    /// Draws the figure as an `<svg>` element.
    ///
    /// # Errors
    ///
    /// When the plotting library fails.
    pub(crate) fn draw(&self, caption: &Caption) -> Result<String, DrawError> {
        self.draw_at(USUAL, caption)
    }

    /// Draws it small.
    ///
    /// # Errors
    ///
    /// When the plotting library fails.
    pub(crate) fn draw_small(&self, caption: &Caption) -> Result<String, DrawError> {
        self.draw_at(SMALL, caption)
    }

    fn draw_at(&self, size: Size, caption: &Caption) -> Result<String, DrawError> {
        let widest = self.y.ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(1);
        let named = self.series.iter().any(|series| series.named);
        let frame = Frame {
            plot: self,
            size,
            left: (widest as f64 * DIGIT + 12.0).max(30.0),
            right: size.width - if named { NAMES } else { RIGHT },
        };
        let mut elements = Canvas::draw(size.width, size.height, |canvas| {
            self.draw_axes(canvas, &frame)?;
            for (i, series) in self.series.iter().enumerate().rev() {
                draw_series(canvas, &frame.of_series(i), series)?;
            }
            self.draw_names(canvas, &frame)
        })?;
        let marks =
            self.series.iter().enumerate().flat_map(|(i, series)| series.marks.iter().map(move |mark| (i, mark)));
        for (i, mark) in marks {
            let (x, y) = frame.of_series(i).point((mark.x, mark.y));
            let tip = escape(&mark.tip);
            // Writing to a string cannot fail.
            let _ = writeln!(
                elements,
                "<circle class=\"tip\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{tip}</title></circle>",
                scaled(x),
                scaled(y),
                scaled(POINTER)
            );
        }
        let (width, height) = (scaled(size.width), scaled(size.height));
        let Caption { id, title, description } = caption;
        Ok(format!(
            "<svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n{elements}</svg>",
            escape(title),
            escape(description)
        ))
    }

    fn draw_axes(&self, canvas: &Canvas<'_>, frame: &Frame<'_>) -> Result<(), DrawError> {
        let (left, right) = (frame.left, frame.right);
        let (top, bottom) = (TOP, frame.bottom());
        canvas.text(&self.y.title, (2.0, 9.0), Anchor::Start, FONT, Ink::Text)?;
        for tick in &self.y.ticks {
            let y = bottom - tick.at * (bottom - top);
            canvas.line([(left, y), (right, y)], Ink::Grid, 1.0)?;
            canvas.text(&tick.label, (left - 7.0, y), Anchor::End, FONT, Ink::Text)?;
        }
        // From the right, since the largest place says most: a label that would touch the one before is left out.
        let mut taken = f64::INFINITY;
        for tick in self.x.ticks.iter().rev() {
            let x = left + tick.at * (right - left);
            canvas.line([(x, bottom), (x, bottom + 4.0)], Ink::Axis, 1.0)?;
            let half = tick.label.chars().count() as f64 * DIGIT / 2.0;
            if !tick.label.is_empty() && x + half < taken {
                canvas.text(&tick.label, (x, bottom + 7.0), Anchor::Below, FONT, Ink::Text)?;
                taken = x - half - LABEL_GAP;
            }
        }
        canvas.line([(left, bottom), (right, bottom)], Ink::Axis, 1.0)?;
        let middle = (left + right) / 2.0;
        canvas.text(&self.x.title, (middle, frame.size.height - 16.0), Anchor::Below, FONT, Ink::Text)
    }

    /// Writes each line's name beside its end, moved apart where they would overlap.
    fn draw_names(&self, canvas: &Canvas<'_>, frame: &Frame<'_>) -> Result<(), DrawError> {
        let end = |series: &Series| {
            let (x, y) = *series.pieces.iter().rev().find_map(|piece| piece.last())?;
            Some(frame.point((x, y)))
        };
        let mut names: Vec<(f64, &Series)> = self
            .series
            .iter()
            .filter(|series| series.named)
            .filter_map(|series| Some((end(series)?.1, series)))
            .collect();
        names.sort_by(|(one, _), (two, _)| one.total_cmp(two));
        let wanted: Vec<f64> = names.iter().map(|(y, _)| *y).collect();
        for (y, (_, series)) in spread(&wanted, TOP, frame.bottom()).into_iter().zip(&names) {
            let at = (frame.right + 9.0, y);
            canvas.text(&short(&series.name), at, Anchor::Start, FONT, Ink::Name(series.slot))?;
        }
        Ok(())
    }
}

fn draw_series(canvas: &Canvas<'_>, frame: &Frame<'_>, series: &Series) -> Result<(), DrawError> {
    let slot = series.slot;
    for line in &series.faint {
        canvas.line(line.iter().map(|point| frame.point(*point)), Ink::Faint(slot), 1.0)?;
    }
    for mark in &series.marks {
        let x = frame.x(mark.x);
        let (low, high) = mark.interval;
        canvas.line([(x, frame.y(low)), (x, frame.y(high))], Ink::Interval(slot), 4.0)?;
    }
    for piece in series.pieces.iter().filter(|piece| piece.len() > 1) {
        canvas.line(piece.iter().map(|point| frame.point(*point)), Ink::Line(slot), 2.0)?;
    }
    for mark in &series.marks {
        draw_marker(canvas, frame.point((mark.x, mark.y)), slot)?;
    }
    Ok(())
}

/// The marker of a messenger: its shape tells it apart where colours cannot.
fn draw_marker(canvas: &Canvas<'_>, (x, y): (f64, f64), slot: Slot) -> Result<(), DrawError> {
    let ink = Ink::Marker(slot);
    let r = MARKER;
    match slot {
        Slot::Simple => canvas.disc((x, y), r, ink),
        Slot::Async => {
            let r = r * 0.9;
            canvas.polygon([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)], ink)
        }
        Slot::Rdma => {
            let r = r * 1.25;
            canvas.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], ink)
        }
        Slot::Other => {
            let r = r * 1.15;
            canvas.polygon([(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], ink)
        }
        Slot::Zmq => {
            let r = r * 1.15;
            canvas.polygon([(x, y + r), (x + r, y - r * 0.8), (x - r, y - r * 0.8)], ink)
        }
        Slot::Verbs => {
            let (long, short) = (r * 0.95, r * 0.3);
            canvas.polygon(
                [(x - short, y - long), (x + short, y - long), (x + short, y + long), (x - short, y + long)],
                ink,
            )
        }
        Slot::Floor => {
            let (long, short) = (r * 0.95, r * 0.3);
            canvas.polygon(
                [(x - long, y - short), (x + long, y - short), (x + long, y + short), (x - long, y + short)],
                ink,
            )
        }
        Slot::FloorEpoll => {
            let (long, short) = (r * 0.95, r * 0.3);
            let plus =
                [(-long, -short), (-short, -short), (-short, -long), (short, -long), (short, -short), (long, -short)];
            let corners = plus.into_iter().chain(plus.map(|(a, b)| (-a, -b)));
            canvas.polygon(corners.map(|(a, b)| (x + a, y + b)), ink)
        }
        Slot::FloorSpin => {
            let (long, short) = (r * 0.95, r * 0.45);
            canvas.polygon(
                [
                    (x - long, y + long),
                    (x - long + short, y + long),
                    (x + long, y - long),
                    (x + long - short, y - long),
                ],
                ink,
            )
        }
    }
}

/// A messenger's line and marker, for a legend.
///
/// # Errors
///
/// When the plotting library fails.
pub(crate) fn swatch(slot: Slot) -> Result<String, DrawError> {
    let (width, height) = (34.0, 14.0);
    let elements = Canvas::draw(width, height, |canvas| {
        canvas.line([(1.0, height / 2.0), (width - 1.0, height / 2.0)], Ink::Line(slot), 2.0)?;
        draw_marker(canvas, (width / 2.0, height / 2.0), slot)
    })?;
    let (w, h) = (scaled(width), scaled(height));
    Ok(format!("<svg class=\"swatch\" viewBox=\"0 0 {w} {h}\" aria-hidden=\"true\">\n{elements}</svg>"))
}

/// Moves ascending places apart to at least [`NAME_GAP`], within `low..=high` as far as they fit.
fn spread(wanted: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut least = low;
    for place in &mut places {
        *place = place.max(least);
        least = *place + NAME_GAP;
    }
    let mut most = high;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - NAME_GAP;
    }
    places
}

/// A name that fits beside its line; the legend has it in full. What stands after a comma sets it apart from its like.
fn short(name: &str) -> String {
    let name = name.rsplit(", ").next().unwrap_or(name);
    if name.chars().count() <= NAME_MAX {
        return name.to_string();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_overlap_are_moved_apart() {
        assert_eq!(spread(&[50.0, 52.0, 120.0], 0.0, 200.0), [50.0, 64.0, 120.0]);
        assert_eq!(spread(&[195.0, 199.0], 0.0, 200.0), [186.0, 200.0]);
    }

    #[test]
    fn long_names_are_cut_to_the_room_that_they_have() {
        assert_eq!(short("bare TCP"), "bare TCP");
        assert_eq!(short("experimental"), "experimen…");
        assert_eq!(short("bare TCP, spinning"), "spinning");
    }

    #[test]
    fn a_figure_without_data_is_drawn_empty() {
        let plot = Plot { x: Axis::values("peers", []), y: Axis::values("µs", []), series: Vec::new() };
        let caption = Caption { id: "a".to_string(), title: "<b>".to_string(), description: String::new() };
        let svg = plot.draw(&caption).unwrap();
        assert!(svg.contains("&lt;b&gt;") && svg.ends_with("</svg>"));
    }
}
