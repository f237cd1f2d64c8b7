//! Interop with a stock ceph-mon: every row of what a real monitor was seen to do, made again by our code.
//!
//! * [`mon`] is the monitor as a child process.
//! * [`bare`] are the rows by our own hand on the wire, for what a messenger never does on purpose.
//! * [`table`] is what is printed: the rows side by side with what the facts say. A row that differs is a failure.

mod bare_client;
mod bare_mon;
pub mod body;
pub mod mon;
mod our_client;
mod our_faults;
mod our_mon;
pub mod peer;
pub mod piece;
pub mod pieces;
mod pump;
pub mod table;
pub mod tap;
pub mod us;

use msgr::MessengerFactory;

use mon::Mon;
use table::Table;

/// The rows by our own hand on the wire, against a monitor of their own.
pub fn bare() {
    let Some(mon) = Mon::start() else { return };
    let mut table = Table::new(format!("{}, by our own hand on the wire", mon::version().unwrap_or_default()));
    bare_client::rows(&mut table, &mon);
    bare_mon::rows(&mut table, &mon);
    table.finish();
}

/// The rows with this messenger, against a monitor of their own.
pub fn with(factory: &dyn MessengerFactory) {
    let Some(mut mon) = Mon::start() else { return };
    let mut table = Table::new(format!("{}, with the messenger {}", mon::version().unwrap_or_default(), factory.name()));
    our_client::rows(&mut table, &mon, factory);
    our_mon::rows(&mut table, &mon, factory);
    our_faults::rows(&mut table, &mut mon, factory);
    table.finish();
}
