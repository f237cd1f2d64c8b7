//! What is run: tables of cases, and for each the subjects it is run against. A new messenger is one more column here.

use msgr::{EventDriverKind, MessengerFactory};
use msgr_async::AsyncFactory;
use msgr_async::driver::{EventDriver, create};
use msgr_async::stack::posix::PosixStack;
use msgr_conformance::stacks::Testbed;
use msgr_conformance::{Case, Configured, Kind, cases, drivers, loopback, stacks};
use msgr_simple::SimpleFactory;

static ON_EPOLL: Configured<AsyncFactory> =
    Configured { factory: AsyncFactory, options: &[("ms_async_event_driver", "epoll")] };
static ON_POLL: Configured<AsyncFactory> =
    Configured { factory: AsyncFactory, options: &[("ms_async_event_driver", "poll")] };

/// The messengers, in all their shapes.
const MESSENGERS: &[(&str, &dyn MessengerFactory)] =
    &[("simple", &SimpleFactory), ("async/epoll", &ON_EPOLL), ("async/poll", &ON_POLL)];

/// The event drivers of AsyncMessenger.
const DRIVERS: &[(&str, &drivers::Make)] = &[("epoll", &epoll), ("poll", &poll)];

/// The network stacks of AsyncMessenger, each with every driver that can watch its sockets.
const STACKS: &[(&str, &Testbed)] = &[
    ("posix/epoll", &Testbed { stack: &PosixStack, driver: epoll, address: loopback, connects_alone: true }),
    ("posix/poll", &Testbed { stack: &PosixStack, driver: poll, address: loopback, connects_alone: true }),
];

fn epoll() -> Box<dyn EventDriver> {
    create(EventDriverKind::Epoll).expect("epoll")
}

fn poll() -> Box<dyn EventDriver> {
    create(EventDriverKind::Poll).expect("poll")
}

/// Cases and their subjects.
pub(crate) struct Grid {
    /// What the cases are for.
    pub(crate) title: &'static str,
    /// The subjects' names.
    pub(crate) columns: Vec<&'static str>,
    /// The cases.
    pub(crate) rows: Vec<Row>,
}

/// A case.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) upstream: &'static str,
    pub(crate) kind: Kind,
    /// Runs it, by column.
    pub(crate) run: Vec<Box<dyn Fn()>>,
}

/// All of them.
pub(crate) fn grids() -> [Grid; 3] {
    [
        grid("messengers", cases::CASES, MESSENGERS),
        grid("event drivers", drivers::CASES, DRIVERS),
        grid("network stacks", stacks::CASES, STACKS),
    ]
}

fn grid<T: ?Sized>(
    title: &'static str,
    cases: &'static [Case<T>],
    subjects: &'static [(&'static str, &'static T)],
) -> Grid {
    let rows = cases.iter().map(|case| {
        let runs = subjects.iter().map(|(_, subject)| Box::new(|| (case.run)(subject)) as Box<dyn Fn()>);
        Row { name: case.name, upstream: case.upstream, kind: case.kind, run: runs.collect() }
    });
    Grid { title, columns: subjects.iter().map(|(name, _)| *name).collect(), rows: rows.collect() }
}
