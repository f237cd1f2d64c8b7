//! The trend: what the gate said of one commit after another, as a file of lines and a page.
//!
//! A gate compares two commits and forgets them; many changes that are each too small for it can add up. A trend keeps a line of
//! each job and is advisory: it names shifts, and fails nothing. Absolute figures are those of a machine, so machines are never
//! put together; the paired estimates, chained from commit to commit, tell a slower program from a slower machine.
//!
//! `entry` owns the lines, `file` reads and appends them, `series` sorts them by machine, cell and metric, `shift` finds where a
//! level changed, and `page` draws it all with `figures` and `words`.

mod entry;
mod figures;
mod file;
mod page;
mod series;
mod shift;
mod words;

pub use entry::{CellFigures, Entry, Figure, Host, SCHEMA, schema_json};
pub use file::{Trend, TrendError, load_gate};
pub use page::{PAGE_NAME, write_page};
