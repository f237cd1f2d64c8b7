//! Pairs of identical programs, played again as other jobs.
//!
//! A job begins at a random place of each cell's tape and goes on in the order in which the pairs were measured, so that what
//! disturbed several pairs in a row still does. Since the programs are identical, the sample that came first can be
//! called A as well as B: each played job draws the order of its pairs anew, as a real one would. Windows of one tape
//! overlap, so rates that are played say less than as many live jobs would.

use super::super::decide::{Gate, GateError, Next};
use super::super::record::{Cell, Facts, GateRecord, Order, Pair, Stage, Values};

/// The pairs of one cell.
pub(super) struct Tape {
    pub(super) cell: Cell,
    /// The sample that was measured first, and the other.
    pairs: Vec<[Values; 2]>,
}

impl Tape {
    /// The tapes of all cells of jobs, in the order of their plan; none unless all have the same plan.
    pub(super) fn all(jobs: &[&GateRecord]) -> Option<Vec<Tape>> {
        let plan: Vec<&Cell> = jobs.first()?.cells.iter().map(|cell| &cell.cell).collect();
        let mut tapes: Vec<Tape> = plan.iter().map(|cell| Tape { cell: (*cell).clone(), pairs: Vec::new() }).collect();
        for job in jobs {
            if job.cells.len() != plan.len() || job.cells.iter().zip(&plan).any(|(cell, of)| cell.cell != **of) {
                return None;
            }
            for (tape, cell) in tapes.iter_mut().zip(&job.cells) {
                tape.pairs.extend(cell.pairs.iter().map(in_order));
            }
        }
        tapes.iter().all(|tape| !tape.pairs.is_empty()).then_some(tapes)
    }

    /// How many pairs there are.
    pub(super) fn pairs(&self) -> usize {
        self.pairs.len()
    }
}

fn in_order(pair: &Pair) -> [Values; 2] {
    // Their histograms are not needed to judge them.
    let bare = |values: &Values| Values { latency: None, ..values.clone() };
    match pair.order {
        Order::AFirst => [bare(&pair.a), bare(&pair.b)],
        Order::BFirst => [bare(&pair.b), bare(&pair.a)],
    }
}

/// Plays a job in which each message of the candidate takes longer by a share of its p50.
///
/// # Errors
///
/// Those of [`Gate`], which a tape of real jobs does not meet.
pub(super) fn play(tapes: &[Tape], slower: f64, seed: u64) -> Result<GateRecord, GateError> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut at: Vec<usize> = tapes.iter().map(|tape| rng.usize(..tape.pairs.len())).collect();
    let mut gate = Gate::new(tapes.iter().map(|tape| tape.cell.clone()).collect(), seed)?;
    while let Next::Pairs { cell, orders, .. } = gate.next() {
        for order in orders {
            let tape = &tapes[cell];
            let [first, second] = tape.pairs[at[cell] % tape.pairs.len()].clone();
            at[cell] += 1;
            let (a, b) = if order == Order::AFirst { (first, second) } else { (second, first) };
            let b = if tape.cell.control { b } else { slowed(b, slower) };
            gate.feed(cell, Pair { order, stage: Stage::Main, a, b })?;
        }
    }
    Ok(gate.finish(Facts::default()))
}

/// What the same sample would have been with each message longer by a share of the median. CPU time stays as it is, so that
/// only latencies can tell.
fn slowed(values: Values, share: f64) -> Values {
    let longer = values.p50_ns * share;
    Values { p50_ns: values.p50_ns + longer, p99_ns: values.p99_ns + longer, ..values }
}
