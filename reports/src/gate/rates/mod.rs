//! How often the gate errs: what real jobs came to, and what jobs played from their pairs would have.
//!
//! A rate of 1 % takes hundreds of jobs, and each takes minutes. So some are measured with the real programs, and the
//! others are [played](tape) from the pairs that the real ones have measured of identical programs. Which is which stays
//! apart in every table.

mod table;
mod tape;

use super::decide::GateError;
use super::decision::Verdict;
use super::judge::median;
use super::record::{GateRecord, Metric, Outcome};
use super::words;
use tape::Tape;

/// Jobs of identical programs in all: so many that 1 % is more than one.
const SAME_JOBS: usize = 200;

/// Jobs of each slow-down in all.
const SLOWER_JOBS: usize = 100;

/// Jobs of each sort that must have been measured: fewer would say little of the programs and much of the tape.
const LIVE_MIN: usize = 10;

/// Greatest share of jobs of identical programs that may be called slower.
const ALARMS_MAX: f64 = 0.01;

/// Slow-downs of p50 that are measured, in percent, and the least share of cells in which each must be found: by kind where
/// one scatters more than another.
const BARS: [(f64, &str, f64); 4] =
    [(20.0, "async", 0.95), (20.0, "simple", 0.95), (10.0, "async", 0.60), (10.0, "simple", 0.35)];

/// Slow-downs of p50 that each cell is played with, in percent.
const PLAYED: [f64; 5] = [5.0, 10.0, 15.0, 20.0, 30.0];

/// Longest that half of the jobs without a regression may take, and any of them, in seconds: what a review waits for, and
/// what a CI job has.
const SECONDS_MAX: [f64; 2] = [6.0 * 60.0, 15.0 * 60.0];

/// Why there are no rates.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RatesError {
    /// There are too few jobs of a sort.
    #[error("{found} jobs are {sort}, and {LIVE_MIN} are needed: measure more with `just gate-selftest`")]
    Few {
        /// How many there are.
        found: usize,
        /// Which were counted.
        sort: &'static str,
    },
    /// The jobs of identical programs have not all the same cells.
    #[error("not all jobs of identical programs have the same cells: keep those of one plan in the directory")]
    Plans,
    /// The two programs of a job differ.
    #[error(
        "a job compares two different programs ({0} and {1}): only a program against itself shows how often the gate errs"
    )]
    Programs(String, String),
    /// The pairs of a job are none that a gate takes.
    #[error("the pairs of a job cannot be played: {0}")]
    Pairs(#[from] GateError),
}

/// How jobs of one sort ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ends {
    jobs: usize,
    slower: usize,
    inconclusive: usize,
    unfit: usize,
    /// Pairs of all cells, and how many cells these are.
    pairs: usize,
    cells: usize,
}

impl Ends {
    fn of<'a>(jobs: impl IntoIterator<Item = &'a GateRecord>) -> Ends {
        let mut ends = Ends::default();
        for job in jobs {
            let unfit = job.cells.iter().flat_map(|cell| &cell.decisions).any(|one| one.verdict == Verdict::Unfit);
            ends.jobs += 1;
            ends.slower += usize::from(job.outcome == Outcome::Regression);
            ends.inconclusive += usize::from(job.outcome == Outcome::Inconclusive);
            ends.unfit += usize::from(unfit);
            ends.cells += job.cells.len();
            ends.pairs += job.cells.iter().map(|cell| cell.pairs.len()).sum::<usize>();
        }
        ends
    }
}

/// In how many cells something was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Found {
    cells: usize,
    found: usize,
    /// Of these, in how many it was p50. Where another metric is confirmed first, p50 is not looked at again.
    by_p50: usize,
}

impl Found {
    /// Of all cells that `which` picks by the messenger and the name. A cell counts as found when any metric of it was called
    /// slower: that is when its job fails because of it.
    fn of<'a>(jobs: impl IntoIterator<Item = &'a GateRecord>, which: impl Fn(&str, &str) -> bool) -> Found {
        let mut all = Found::default();
        for cell in jobs.into_iter().flat_map(|job| &job.cells).filter(|cell| !cell.cell.control) {
            if which(&cell.cell.messenger, &words::cell(&cell.cell)) {
                let slower = || cell.decisions.iter().filter(|one| one.verdict == Verdict::Regression);
                all.cells += 1;
                all.found += usize::from(slower().next().is_some());
                all.by_p50 += usize::from(slower().any(|one| one.metric == Metric::P50));
            }
        }
        all
    }

    fn share(self) -> f64 {
        self.found as f64 / self.cells.max(1) as f64
    }

    fn and(self, other: Found) -> Found {
        Found { cells: self.cells + other.cells, found: self.found + other.found, by_p50: self.by_p50 + other.by_p50 }
    }
}

/// One slow-down in the cells of one messenger.
#[derive(Clone, Debug, PartialEq)]
struct Power {
    percent: f64,
    messenger: &'static str,
    /// The median of what live jobs estimated the slow-down of p50 to be, as a share.
    seen: f64,
    live: Found,
    played: Found,
    bar: f64,
}

/// The rates. [`ErrorRates::markdown`] shows them, [`ErrorRates::missed`] says where they are not what is promised.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRates {
    live: Ends,
    played: Ends,
    /// Seconds of live jobs of identical programs, sorted.
    seconds: Vec<f64>,
    power: Vec<Power>,
    /// Of each cell in words, the share of jobs of each of [`PLAYED`] in which it was found.
    cells: Vec<(String, Vec<f64>)>,
    /// Pairs of identical programs that were played, the least of any cell.
    tape: usize,
}

impl ErrorRates {
    /// The rates of jobs that compared a program with itself, with and without a slow-down. The same jobs and the same seed
    /// give the same rates.
    ///
    /// # Errors
    ///
    /// [`RatesError`]: fewer than 10 jobs of a sort, jobs of different plans, or of two different programs.
    pub fn of(jobs: &[GateRecord], seed: u64) -> Result<ErrorRates, RatesError> {
        if let Some(job) = jobs.iter().find(|job| job.facts.baseline.binary_hash != job.facts.candidate.binary_hash) {
            let short = |hash: &str| hash.chars().take(12).collect();
            return Err(RatesError::Programs(
                short(&job.facts.baseline.binary_hash),
                short(&job.facts.candidate.binary_hash),
            ));
        }
        let sort = |percent: Option<f64>| jobs.iter().filter(move |job| job.facts.injected_percent == percent);
        enough(sort(None), "of identical programs")?;
        enough(sort(Some(10.0)), "10 % slower")?;
        enough(sort(Some(20.0)), "20 % slower")?;
        let same: Vec<&GateRecord> = sort(None).collect();
        let tapes = Tape::all(&same).ok_or(RatesError::Plans)?;
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut play = |percent: f64, jobs: usize| -> Result<Vec<GateRecord>, GateError> {
            (0..jobs).map(|_| tape::play(&tapes, percent / 100.0, rng.u64(..))).collect()
        };

        let unchanged = play(0.0, SAME_JOBS.saturating_sub(same.len()))?;
        let slowed = PLAYED.iter().map(|percent| Ok((*percent, play(*percent, SLOWER_JOBS)?)));
        let slowed: Vec<(f64, Vec<GateRecord>)> = slowed.collect::<Result<_, GateError>>()?;
        let power = BARS.iter().map(|(percent, messenger, bar)| {
            let live: Vec<&GateRecord> = sort(Some(*percent)).collect();
            let played = slowed.iter().find(|(of, _)| of == percent).map_or(&[][..], |(_, jobs)| jobs);
            let rest = SLOWER_JOBS.saturating_sub(live.len());
            Power {
                percent: *percent,
                messenger,
                seen: seen(&live, messenger),
                live: Found::of(live, |of, _| of == *messenger),
                played: Found::of(&played[..rest.min(played.len())], |of, _| of == *messenger),
                bar: *bar,
            }
        });
        let power = power.collect();
        let cells = tapes.iter().filter(|tape| !tape.cell.control).map(|tape| {
            let name = words::cell(&tape.cell);
            let shares = slowed.iter().map(|(_, jobs)| Found::of(jobs, |_, of| of == name).share());
            (name.clone(), shares.collect())
        });
        let mut seconds: Vec<f64> = same.iter().map(|job| job.facts.elapsed_s).collect();
        seconds.sort_by(f64::total_cmp);
        Ok(ErrorRates {
            live: Ends::of(same),
            played: Ends::of(&unchanged),
            seconds,
            power,
            cells: cells.collect(),
            tape: tapes.iter().map(Tape::pairs).min().unwrap_or(0),
        })
    }

    /// What is promised and was not kept, a sentence each.
    #[must_use]
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let alarms = (self.live.slower + self.played.slower) as f64 / (self.live.jobs + self.played.jobs) as f64;
        if alarms > ALARMS_MAX {
            missed.push(table::missed_alarms(alarms));
        }
        missed.extend(
            self.power.iter().filter(|power| power.live.and(power.played).share() < power.bar).map(table::missed_power),
        );
        for (which, took) in
            [median(self.seconds.iter().copied()), self.seconds.last().copied()].into_iter().enumerate()
        {
            if let Some(took) = took.filter(|took| *took > SECONDS_MAX[which]) {
                missed.push(table::missed_time(which, took));
            }
        }
        missed
    }

    /// The tables, for docs/METHOD.md.
    #[must_use]
    pub fn markdown(&self) -> String {
        table::render(self)
    }
}

fn enough<'a>(jobs: impl Iterator<Item = &'a GateRecord>, sort: &'static str) -> Result<(), RatesError> {
    let found = jobs.count();
    if found < LIVE_MIN { Err(RatesError::Few { found, sort }) } else { Ok(()) }
}

/// The median of what the last looks at p50 estimated, of all cells of a messenger.
fn seen(jobs: &[&GateRecord], messenger: &str) -> f64 {
    let cells = jobs.iter().flat_map(|job| &job.cells);
    let cells = cells.filter(|cell| !cell.cell.control && cell.cell.messenger == messenger);
    let decisions = cells.flat_map(|cell| &cell.decisions).filter(|decision| decision.metric == Metric::P50);
    median(decisions.filter_map(|one| one.looks.last()).map(|look| look.estimate)).unwrap_or(f64::NAN)
}
