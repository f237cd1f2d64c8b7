//! What to measure next, and when to stop: the gate as a state machine that is fed pairs.

use super::course::Course;
use super::decision::Verdict;
use super::machine;
use super::record::{Cell, CellRecord, Facts, GateRecord, Metric, Order, Outcome, Pair, SCHEMA, Stage, Values};
use super::thresholds::{CELLS_MAX, TURN_PAIRS};
use super::words;

/// Why a plan or a pair was not taken. Each is an error of the tool or of a sample, never a verdict: exit code 2.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GateError {
    /// The plan has no cell, or too many.
    #[error("the plan has {0} cells beside the A/A cell; give 1 to {max}", max = CELLS_MAX)]
    Cells(usize),
    /// The plan has no A/A cell, or several.
    #[error("the plan has {0} A/A cells; give exactly one, which tells whether the machine can be trusted")]
    Controls(usize),
    /// A sample is no positive number.
    #[error(
        "{metric} of side {side} is {value} in a pair of {cell}; a sample is missing or damaged: run the gate again"
    )]
    Sample {
        /// The cell in words.
        cell: String,
        /// The metric in words.
        metric: &'static str,
        /// `A` or `B`.
        side: char,
        /// What was fed.
        value: f64,
    },
    /// A pair was fed that nobody asked for.
    #[error(
        "a pair of cell {cell} was fed with {order:?}, which `next` did not ask for; feed what it asks for, in order"
    )]
    Unasked {
        /// Number of the cell in the plan.
        cell: usize,
        /// Which side had run first.
        order: Order,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Measure pairs of one cell, one after another, and feed each. It is as well to feed only the first and to ask again.
    Pairs {
        /// Number of the cell in the plan.
        cell: usize,
        /// What they are for.
        stage: Stage,
        /// Which side runs first, of each pair; at least one and at most five.
        orders: Vec<Order>,
    },
    /// Everything is settled, or nothing can be any more.
    Done,
}

/// The gate: which pairs to measure, and what they say. It has no I/O and reads no clock.
///
/// ```
/// use msgr_reports::gate::{Cell, Facts, Gate, Next, Outcome, Pair, Stage, Values};
/// use msgr_reports::record::Workload;
///
/// let cell = |control| Cell {
///     messenger: "async".into(), workload: Workload::PingPong, size: 64, peers: 1, in_flight: 1, control,
/// };
/// let measure = |cpu_ns| Values { p50_ns: 50_000.0, p99_ns: 90_000.0, cpu_ns, latency: None };
/// let mut gate = Gate::new(vec![cell(true), cell(false)], 1)?;
/// while let Next::Pairs { cell, orders, .. } = gate.next() {
///     let (a, b) = (measure(9_000.0), measure(if cell == 1 { 11_000.0 } else { 9_000.0 }));
///     gate.feed(cell, Pair { order: orders[0], stage: Stage::Main, a, b })?;
/// }
/// let record = gate.finish(Facts::default());
/// assert_eq!((record.outcome, record.exit_code), (Outcome::Regression, 1));
/// # Ok::<(), msgr_reports::gate::GateError>(())
/// ```
pub struct Gate {
    seed: u64,
    rng: fastrand::Rng,
    courses: Vec<Course>,
    /// The cell whose turn it is.
    turn: usize,
    /// Why no verdict is possible any more.
    failure: Option<String>,
}

impl Gate {
    /// A gate over cells, of which exactly one is the A/A cell. The seed decides which side of each pair runs first.
    ///
    /// # Errors
    ///
    /// [`GateError::Cells`], [`GateError::Controls`].
    pub fn new(plan: Vec<Cell>, seed: u64) -> Result<Gate, GateError> {
        let controls = plan.iter().filter(|cell| cell.control).count();
        let compared = plan.len() - controls;
        if !(1..=CELLS_MAX).contains(&compared) {
            return Err(GateError::Cells(compared));
        }
        if controls != 1 {
            return Err(GateError::Controls(controls));
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        let courses = plan.into_iter().map(|cell| Course::new(cell, &mut rng)).collect();
        Ok(Gate { seed, rng, courses, turn: 0, failure: None })
    }

    /// What to measure next. Cells take turns, so that each is spread over the time of the job; asking changes nothing.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.failure.is_some() || self.is_unfit() {
            return Next::Done;
        }
        let mut in_turn = (0..self.courses.len()).map(|i| (self.turn + i) % self.courses.len());
        let Some(cell) = in_turn.find(|cell| !self.courses[*cell].orders.is_empty()) else {
            return Next::Done;
        };
        let Course { stage, orders, .. } = &self.courses[cell];
        let turn = (orders.len() - 1) % TURN_PAIRS as usize + 1;
        Next::Pairs { cell, stage: *stage, orders: orders[..turn].to_vec() }
    }

    /// Takes a pair that [`Gate::next`] asked for.
    ///
    /// # Errors
    ///
    /// [`GateError::Unasked`] for any other pair, [`GateError::Sample`] for one with a figure that is not finite or not above
    /// zero. After either the gate is done, and its outcome is an error.
    pub fn feed(&mut self, cell: usize, pair: Pair) -> Result<(), GateError> {
        let taken = self.take(cell, pair);
        if let Err(error) = &taken {
            self.fail(&error.to_string());
        }
        taken
    }

    fn take(&mut self, cell: usize, pair: Pair) -> Result<(), GateError> {
        let order = pair.order;
        match self.next() {
            Next::Pairs { cell: asked, orders, .. } if asked == cell && orders.first() == Some(&order) => {}
            _ => return Err(GateError::Unasked { cell, order }),
        }
        let course = &mut self.courses[cell];
        check(&course.cell, 'A', &pair.a)?;
        check(&course.cell, 'B', &pair.b)?;
        course.take(pair, &mut self.rng);
        self.turn = if course.orders.len().is_multiple_of(TURN_PAIRS as usize) { cell + 1 } else { cell };
        Ok(())
    }

    /// Ends the gate, since a pair could not be measured; `reason` says why and what to do. The outcome is an error.
    pub fn fail(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| reason.to_string());
    }

    /// The record of the job, whatever state it is in: one that ended before all was settled is an error, never a pass, and one
    /// whose CPU time was the hypervisor's is inconclusive.
    #[must_use]
    pub fn finish(mut self, facts: Facts) -> GateRecord {
        if self.next() != Next::Done {
            self.fail("measuring ended before every cell was settled: run the gate again");
        }
        let unfit = self.is_unfit();
        let stolen = machine::little_steal(facts.environment.steal).err().map(|unfit| unfit.to_string());
        let cells: Vec<_> = self.courses.into_iter().map(Course::finish).collect();
        let has = |verdict| cells.iter().flat_map(|cell| &cell.decisions).any(|decision| decision.verdict == verdict);
        let accepted = facts.acceptance.as_ref().is_some_and(|reason| !reason.trim().is_empty());
        let outcome = if self.failure.is_some() {
            Outcome::Error
        } else if unfit || stolen.is_some() {
            Outcome::Inconclusive
        } else if has(Verdict::Regression) {
            if accepted { Outcome::Accepted } else { Outcome::Regression }
        } else if has(Verdict::Inconclusive) {
            Outcome::Inconclusive
        } else if has(Verdict::Improved) {
            Outcome::Improved
        } else {
            Outcome::Pass
        };
        let sentence = words::outcome(outcome, &cells, &facts, self.failure.or(stolen).as_deref());
        record(outcome, sentence, facts, self.seed, cells)
    }

    fn is_unfit(&self) -> bool {
        self.courses.iter().any(Course::is_unfit)
    }
}

impl GateRecord {
    /// The record of a job that measured nothing, since the machine is unfit; `reason` says why and what to do.
    #[must_use]
    pub fn refused(facts: Facts, seed: u64, reason: &str) -> GateRecord {
        let sentence = words::outcome(Outcome::Refused, &[], &facts, Some(reason));
        record(Outcome::Refused, sentence, facts, seed, Vec::new())
    }
}

fn record(outcome: Outcome, sentence: String, facts: Facts, seed: u64, cells: Vec<CellRecord>) -> GateRecord {
    let exit_code = outcome.exit_code();
    GateRecord { schema: SCHEMA.to_string(), outcome, exit_code, sentence, facts, seed, cells }
}

fn check(cell: &Cell, side: char, values: &Values) -> Result<(), GateError> {
    for metric in Metric::ALL {
        let value = metric.of(values);
        if !(value.is_finite() && value > 0.0) {
            return Err(GateError::Sample { cell: words::cell(cell), metric: words::metric(metric), side, value });
        }
    }
    Ok(())
}
