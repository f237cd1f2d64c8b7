//! One cell on its way through looks and confirmations.

use super::decision::{Confirmation, Decision, Look, Rule, Verdict};
use super::judge::{self, FASTER, SLOWER};
use super::record::{Cell, CellRecord, Metric, Order, Pair, Stage};
use super::thresholds::{CONFIRM_PAIRS, CONTROL_DIRECTIONS, LOOKS};
use super::words;

/// Where one metric stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// More pairs are needed.
    Open,
    /// Slower by the rules; fresh pairs are asked.
    Flagged,
    /// Settled, by a rule.
    Settled(Verdict, Rule),
}

/// One metric with what was seen of it.
struct Track {
    metric: Metric,
    state: State,
    looks: Vec<Look>,
    confirmation: Option<Confirmation>,
}

/// One cell: its pairs, and what is still to be measured.
pub(super) struct Course {
    pub(super) cell: Cell,
    pairs: Vec<Pair>,
    tracks: [Track; Metric::ALL.len()],
    /// Looks so far.
    looks: usize,
    /// What is measured now.
    pub(super) stage: Stage,
    /// Which side runs first in each pair to come.
    pub(super) orders: Vec<Order>,
}

impl Course {
    /// A cell of which nothing is measured yet.
    pub(super) fn new(cell: Cell, rng: &mut fastrand::Rng) -> Course {
        let track = |metric| Track { metric, state: State::Open, looks: Vec::new(), confirmation: None };
        let orders = draw(LOOKS[0].pairs, rng);
        let tracks = Metric::ALL.map(track);
        Course { cell, pairs: Vec::new(), tracks, looks: 0, stage: Stage::Main, orders }
    }

    /// Takes a pair that was asked for, and looks at them all when it was the last.
    pub(super) fn take(&mut self, mut pair: Pair, rng: &mut fastrand::Rng) {
        pair.stage = self.stage;
        self.pairs.push(pair);
        self.orders.remove(0);
        if self.orders.is_empty() {
            match self.stage {
                Stage::Main => self.look(),
                Stage::Confirm => self.confirm(),
            }
            self.go_on(rng);
        }
    }

    /// Whether identical programs were told apart.
    pub(super) fn is_unfit(&self) -> bool {
        self.tracks.iter().any(|track| matches!(track.state, State::Settled(Verdict::Unfit, _)))
    }

    fn look(&mut self) {
        let when = LOOKS[self.looks];
        self.looks += 1;
        let last = self.looks == LOOKS.len();
        let pairs: Vec<&Pair> = self.pairs.iter().filter(|pair| pair.stage == Stage::Main).collect();
        for track in self.tracks.iter_mut().filter(|track| track.state == State::Open) {
            // Every look has pairs enough for its bounds.
            let Some(look) = judge::look(&pairs, track.metric, when) else { continue };
            track.state = state(&look, track.metric, self.cell.control, last);
            track.looks.push(look);
        }
    }

    fn confirm(&mut self) {
        let first = self.pairs.len() - CONFIRM_PAIRS as usize;
        let fresh: Vec<&Pair> = self.pairs[first..].iter().collect();
        for track in self.tracks.iter_mut().filter(|track| track.state == State::Flagged) {
            let Some(confirmation) = judge::confirm(&fresh, first as u32, track.metric) else { continue };
            let verdict = if confirmation.confirmed { Verdict::Regression } else { Verdict::Pass };
            track.state = State::Settled(verdict, Rule::Confirmation);
            track.confirmation = Some(confirmation);
        }
    }

    /// Says what to measure next: the confirmation of a flag; the next look while a metric is open and no other is
    /// confirmed to be slower; or nothing. At most each metric is confirmed once, so that a cell has 180 pairs at most.
    fn go_on(&mut self, rng: &mut fastrand::Rng) {
        let any = |state: State| self.tracks.iter().any(|track| track.state == state);
        if any(State::Flagged) {
            self.stage = Stage::Confirm;
            self.orders = draw(CONFIRM_PAIRS, rng);
        } else if any(State::Open) && !any(State::Settled(Verdict::Regression, Rule::Confirmation)) && !self.is_unfit()
        {
            self.stage = Stage::Main;
            // A metric that the last look saw is not open.
            let (seen, next) = (LOOKS[self.looks - 1].pairs, LOOKS[self.looks].pairs);
            self.orders = draw(next - seen, rng);
        }
    }

    /// What became of the cell.
    pub(super) fn finish(self) -> CellRecord {
        let Course { cell, pairs, tracks, .. } = self;
        let decisions = tracks.into_iter().map(|track| {
            let Track { metric, state, looks, confirmation } = track;
            let (verdict, rule) = match state {
                State::Settled(verdict, rule) => (verdict, rule),
                State::Open | State::Flagged => (Verdict::Inconclusive, Rule::Stopped),
            };
            let mut decision = Decision { metric, verdict, rule, sentence: String::new(), looks, confirmation };
            decision.sentence = words::sentence(&decision);
            decision
        });
        CellRecord { cell, pairs, decisions: decisions.collect() }
    }
}

/// Where a look leaves a metric.
fn state(look: &Look, metric: Metric, control: bool, last: bool) -> State {
    let directions: &[f64] = if control { &CONTROL_DIRECTIONS } else { &[SLOWER] };
    if directions.iter().any(|direction| look.declines(metric, *direction).is_none()) {
        return if control { State::Settled(Verdict::Unfit, Rule::Control) } else { State::Flagged };
    }
    if look.declines(metric, FASTER).is_none() {
        return State::Settled(Verdict::Improved, Rule::Improvement);
    }
    if directions.iter().all(|direction| look.is_futile(metric, *direction)) {
        return State::Settled(Verdict::Pass, Rule::Futility);
    }
    match (last, look.is_blind(metric)) {
        (false, _) => State::Open,
        (true, false) => State::Settled(Verdict::Pass, Rule::LastLook),
        (true, true) => State::Settled(Verdict::Inconclusive, Rule::LastLook),
    }
}

/// Which side runs first in each of some pairs: each in half of them, so that what the second side gains or loses by its place
/// cancels out, in an order that nothing on the machine can be in step with.
fn draw(pairs: u32, rng: &mut fastrand::Rng) -> Vec<Order> {
    let mut orders: Vec<Order> = (0..pairs).map(|i| if i % 2 == 0 { Order::AFirst } else { Order::BFirst }).collect();
    rng.shuffle(&mut orders);
    orders
}
