//! The trend: which shifts it names, what it makes of damaged files, and the page.
#![allow(clippy::unwrap_used)]

mod files;
mod made_up;
mod page;
mod shifts;
#[path = "../support/mod.rs"]
mod support;
