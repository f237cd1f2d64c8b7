//! A surface to draw on, backed by plotters' SVG writer; the only place that knows it.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::ink::Ink;

/// The library draws at whole coordinates; drawn this much larger, curves stay smooth.
pub(super) const SCALE: f64 = 8.0;

/// plotters divides font sizes by this before it writes them.
const FONT_SCALE: f64 = 1.24;

/// A figure could not be drawn: a defect of this crate or of the plotting library.
#[derive(Debug, thiserror::Error)]
#[error("a figure cannot be drawn: {0}")]
pub(crate) struct DrawError(String);

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// To the right of the point, centred in height.
    Start,
    /// To the left of the point, centred in height.
    End,
    /// Below the point, centred in width.
    Below,
}

/// A surface of `width` by `height` units, the origin at its top left.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl Canvas<'_> {
    /// Lets `draw` fill a surface, and gives the elements that it drew, without the `<svg>` around them.
    pub(super) fn draw(
        width: f64,
        height: f64,
        draw: impl FnOnce(&Canvas<'_>) -> Result<(), DrawError>,
    ) -> Result<String, DrawError> {
        let mut text = String::new();
        let size = ((width * SCALE) as u32, (height * SCALE) as u32);
        {
            let canvas = Canvas { area: SVGBackend::with_string(&mut text, size).into_drawing_area() };
            draw(&canvas)?;
            canvas.area.present().map_err(error)?;
        }
        Ok(elements(&text))
    }

    /// A line through points.
    pub(super) fn line(
        &self,
        points: impl IntoIterator<Item = (f64, f64)>,
        ink: Ink,
        width: f64,
    ) -> Result<(), DrawError> {
        let points: Vec<(i32, i32)> = points.into_iter().map(pixel).collect();
        self.area.draw(&PathElement::new(points, stroke(ink, width))).map_err(error)
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, corners: impl IntoIterator<Item = (f64, f64)>, ink: Ink) -> Result<(), DrawError> {
        let corners: Vec<(i32, i32)> = corners.into_iter().map(pixel).collect();
        self.area.draw(&Polygon::new(corners, colour(ink).filled())).map_err(error)
    }

    /// A filled circle.
    pub(super) fn disc(&self, centre: (f64, f64), radius: f64, ink: Ink) -> Result<(), DrawError> {
        let radius = (radius * SCALE) as i32;
        self.area.draw(&Circle::new(pixel(centre), radius, colour(ink).filled())).map_err(error)
    }

    /// A text of the given size.
    pub(super) fn text(
        &self,
        text: &str,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        ink: Ink,
    ) -> Result<(), DrawError> {
        let position = match anchor {
            Anchor::Start => Pos::new(HPos::Left, VPos::Center),
            Anchor::End => Pos::new(HPos::Right, VPos::Center),
            Anchor::Below => Pos::new(HPos::Center, VPos::Top),
        };
        let colour = colour(ink);
        let style = TextStyle::from(("sans-serif", size * SCALE * FONT_SCALE).into_font()).color(&colour).pos(position);
        self.area.draw(&Text::new(text.to_string(), pixel(at), style)).map_err(error)
    }
}

/// The units of the finished SVG, scaled as the elements are.
pub(super) fn scaled(value: f64) -> f64 {
    (value * SCALE).round()
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (scaled(x) as i32, scaled(y) as i32)
}

fn colour(ink: Ink) -> RGBColor {
    let (red, green, blue) = ink.stand_in();
    RGBColor(red, green, blue)
}

fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    colour(ink).stroke_width((width * SCALE).round() as u32)
}

fn error(error: impl std::fmt::Display) -> DrawError {
    DrawError(error.to_string())
}

/// What stands between `<svg ...>` and `</svg>`, without attributes that say what is the default or what the style
/// sheet says.
fn elements(svg: &str) -> String {
    let inner = svg.find(">\n").map_or("", |end| &svg[end + 2..]);
    let inner = inner.trim_end().trim_end_matches("</svg>");
    Ink::to_classes(inner)
        .replace(" opacity=\"1\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" \"/>", "\"/>")
}
