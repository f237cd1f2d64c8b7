//! Interop with a stock ceph-mon: what a real monitor was seen to do, made to happen again by our code, a row of a
//! table each. A row that differs fails the test.
//!
//! * [`mon`] is the monitor as a child process.
//! * The rows of `bare_client` and `bare_mon` are by our own hand on the wire ([`peer`], [`who`]), for what a messenger
//!   never does on purpose.
//! * The rows of `our_client`, `our_mon` and `our_faults` are with a messenger ([`us`]), whose conversation with the
//!   monitor passes a [`tap`] that sees, holds and cuts it.
//! * [`piece`] and [`pieces`] take a conversation apart, [`body`] its messages; [`mod@table`] is what is printed.

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
pub mod who;

use msgr::MessengerFactory;

use mon::Mon;
use table::Table;

/// The rows by our own hand on the wire, against a monitor of their own.
pub fn bare() {
    let Some(mon) = Mon::start() else { return };
    let mut table = table("by our own hand on the wire");
    bare_client::rows(&mut table, &mon);
    bare_mon::rows(&mut table, &mon);
    table.finish();
}

/// The rows with this messenger, against a monitor of their own.
pub fn with(factory: &dyn MessengerFactory) {
    let Some(mut mon) = Mon::start() else { return };
    let mut table = table(&format!("with the messenger {}", factory.name()));
    our_client::rows(&mut table, &mon, factory);
    our_mon::rows(&mut table, &mon, factory);
    our_faults::rows(&mut table, &mut mon, factory);
    table.finish();
}

fn table(how: &str) -> Table {
    Table::new(format!("{}, {how}", mon::version().unwrap_or_default()))
}
