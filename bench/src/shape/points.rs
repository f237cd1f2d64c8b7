//! What is measured, and which figures come of it: a table of points.

use std::collections::BTreeMap;

use super::law::Law;
use super::sample::{Counts, Pair, Side};
use crate::kinds::{Kind, Network};
use crate::parse::Setting;

/// Payloads: a small one, and one of which a copy or an allocation shows.
const SIZES: [(&str, u64); 2] = [("64B", 64), ("64KiB", 64 << 10)];

/// Peers at which threads are counted and the memory of each is told: the line through the last two of them has no part of
/// what the first ones cost, and the usual limits of a host leave room for them.
const PEERS: [u32; 3] = [1, 64, 320];

/// Figures by name, with their laws.
pub(super) type Figures = BTreeMap<String, (Law, f64)>;

/// What one or a few pairs of processes tell.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// What the names of its figures begin with.
    pub(super) name: String,
    pub(super) kind: Kind,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// What a message of this size costs each of these sides.
    Message { size: u64, sides: &'static [Side], set: Vec<Setting> },
    /// What peers cost the side under test.
    Peers,
}

impl Point {
    /// Every point, in the order in which they are measured.
    pub(super) fn all() -> Vec<Point> {
        let mut points = Vec::new();
        for kind in Kind::all().filter(|kind| kind.network() == Network::Tcp) {
            let name = |part: &str| format!("{}/{part}", kind.name());
            for (words, size) in SIZES {
                let what = What::Message { size, sides: &[Side::Serve, Side::Load], set: Vec::new() };
                points.push(Point { name: name(words), kind, what });
            }
            points.push(Point { name: name("peers"), kind, what: What::Peers });
        }
        // Where a thread writes what it sends, no worker is woken. That is seen where it may not, on the side that sends from
        // a thread of its own.
        let set = vec![Setting { name: "ms_async_send_inline".into(), value: "false".into() }];
        let (words, size) = SIZES[0];
        let what = What::Message { size, sides: &[Side::Load], set };
        points.push(Point { name: format!("async-queued/{words}"), kind: Kind::DEFAULT_LOAD, what });
        points
    }

    /// Whether names of its figures may begin so.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.name.starts_with(prefix) || prefix.starts_with(&format!("{}/", self.name))
    }

    /// The pairs of processes that it takes.
    pub(super) fn pairs(&self) -> Vec<Pair<'_>> {
        match &self.what {
            What::Message { size, set, .. } => {
                vec![Pair { kind: self.kind, load: self.kind, peers: 1, size: *size, set, messages: true }]
            }
            What::Peers => {
                let pair = |peers| Pair {
                    kind: self.kind,
                    load: Kind::DEFAULT_LOAD,
                    peers,
                    size: SIZES[0].1,
                    set: &[],
                    messages: false,
                };
                PEERS.map(pair).into()
            }
        }
    }

    /// Measures it once.
    ///
    /// # Errors
    ///
    /// When a side fails, this host refuses, or Ctrl-C was pressed.
    pub(super) fn measure(&self, take: impl Fn(&Pair<'_>) -> anyhow::Result<Counts>) -> anyhow::Result<Figures> {
        let counts = self.pairs().iter().map(take).collect::<anyhow::Result<Vec<_>>>()?;
        let mut figures = Figures::new();
        match &self.what {
            What::Message { size, sides, .. } => {
                for side in *sides {
                    for (what, law, value) in counts[0].per_message(*side, *size) {
                        figures.insert(format!("{}/{}/{what}", self.name, side.name()), (law, value));
                    }
                }
            }
            What::Peers => {
                for (peers, counts) in PEERS.iter().zip(&counts) {
                    let threads = counts.serve.probe.threads as f64;
                    figures.insert(format!("{}/threads-at-{peers}", self.name), (Law::Exact, threads));
                }
                let [_, some, most] = [0, 1, 2].map(|at: usize| counts[at].serve.probe.rss as f64);
                let each = (most - some) / f64::from(PEERS[2] - PEERS[1]);
                figures.insert(format!("{}/memory-each", self.name), (Law::Memory, each));
            }
        }
        Ok(figures)
    }
}
