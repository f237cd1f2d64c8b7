//! Figures as inline SVG.
//!
//! Only `canvas` knows the plotting library. The rest says what a figure shows; colours are CSS classes, so that one
//! SVG serves the light page, the dark page and the printed one.

mod axis;
mod canvas;
mod ink;
mod plot;

pub(crate) use axis::Axis;
pub(crate) use canvas::DrawError;
pub(crate) use plot::{Caption, Mark, Plot, Series, swatch};
