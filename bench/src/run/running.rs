//! A run under way: every sample in its order, each with the extra passes that are asked for, into the record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use msgr_reports::record::{Sample, Stages};

use super::pair::{NoSample, Pace, Point, Taken, Taking};
use super::plan::{Settings, Task};
use super::progress::Progress;
use super::{START_AND_END, ceiling, expected};
use crate::exit::Exit;
use crate::output;
use crate::parse::Setting;
use crate::record::Record;
use crate::text;

/// Measured time of the extra pass that counts allocations: thousands of messages.
const COUNTING_DURATION: Duration = Duration::from_millis(200);

/// Unmeasured time before it, in which queues and pools reach their size.
const COUNTING_WARMUP: Duration = Duration::from_millis(100);

/// A run under way.
pub(super) struct Running {
    pub(super) record: Record,
    pub(super) taking: Taking,
    /// The binary that counts allocations, if they are counted.
    pub(super) counting: Option<PathBuf>,
    /// Whether stages are timed.
    pub(super) stages: bool,
    pub(super) failures: Vec<String>,
}

impl Running {
    /// Takes every sample; true when interrupted before the last.
    pub(super) fn all(&mut self, mut settings: Settings, out: &Path) -> anyhow::Result<bool> {
        let [ceilings, tasks] = settings.phases();
        let costs = |tasks: &[Task]| tasks.iter().map(|task| self.cost(task, &settings)).sum::<Duration>();
        let mut progress = Progress::new(ceilings.len() + tasks.len(), costs(&ceilings) + costs(&tasks));
        let mut interrupted = self.phase(&ceilings, &settings, &mut progress, out)?;
        if !interrupted {
            for words in ceiling::resolve(&mut settings.points, self.record.samples()) {
                self.record.warn("no-ceiling", words);
            }
            interrupted = self.phase(&tasks, &settings, &mut progress, out)?;
        }
        progress.finish();
        Ok(interrupted)
    }

    /// Takes the samples of `tasks`; true when interrupted before the last.
    fn phase(
        &mut self,
        tasks: &[Task],
        settings: &Settings,
        progress: &mut Progress,
        out: &Path,
    ) -> anyhow::Result<bool> {
        for task in tasks {
            let point = &settings.points[task.point];
            let cost = self.cost(task, settings);
            if matches!(point.pace, Pace::Share { .. }) {
                // Nobody found its ceiling, which has been told.
                progress.done(task.round, "left out: its ceiling is not known", cost);
                continue;
            }
            let what = point.what();
            progress.now(&what);
            let result = match self.one(task, point, self.counts(task, settings)) {
                Ok(headline) => headline,
                Err(NoSample::Failed(words)) => {
                    let words = format!("{what}: {words}");
                    self.record
                        .warn("sample-failed", format!("A sample of round {} is missing. {words}", task.round + 1));
                    self.failures.push(words.clone());
                    format!("FAILED {words}")
                }
                Err(NoSample::Interrupted) => return Ok(true),
            };
            self.record.save(out)?;
            progress.done(task.round, &result, cost);
        }
        Ok(false)
    }

    /// What a sample takes, roughly.
    fn cost(&self, task: &Task, settings: &Settings) -> Duration {
        let extra = COUNTING_WARMUP + COUNTING_DURATION + START_AND_END;
        let point = &settings.points[task.point];
        let passes = u32::from(self.counts(task, settings));
        let stages = u32::from(self.stages && point.kind.factory().is_some());
        expected(point, &self.taking) * (1 + stages) + extra * passes
    }

    /// Takes one sample, and the extra passes that are asked for. Gives its headline.
    fn one(&mut self, task: &Task, point: &Point, count: bool) -> Result<String, NoSample> {
        let Taken { mut sample, complaints } = self.taking.take(point, &self.taking.program, task.seed)?;
        sample.round = task.round;
        sample.measure = point.measure;
        let headline = text::headline(&sample);
        for words in complaints {
            self.record
                .warn("no-clean-end", format!("A side did not end as it should after a sample was taken: {words}."));
        }
        let passes = self.passes(task, point, count, &mut sample);
        // What was measured is kept, interrupted or not.
        self.record.add(sample);
        passes.map(|()| headline)
    }

    /// The extra passes of a sample: what costs time to find out is not found out while time is measured.
    fn passes(&mut self, task: &Task, point: &Point, count: bool, sample: &mut Sample) -> Result<(), NoSample> {
        if let (Some(counting), true) = (&self.counting, count) {
            let taking = Taking { warmup: COUNTING_WARMUP, duration: COUNTING_DURATION, ..self.taking.clone() };
            match taking.take(point, counting, task.seed) {
                Ok(counted) => sample.allocations = counted.sample.allocations,
                Err(NoSample::Failed(words)) => self
                    .record
                    .warn("no-allocations", format!("The allocations of one point were not counted: {words}.")),
                Err(interrupted) => return Err(interrupted),
            }
        }
        if self.stages && point.kind.factory().is_some() {
            let timed = Setting { name: "ms_stage_histograms".into(), value: "true".into() };
            let point = Point { set: [point.set.clone(), vec![timed]].concat(), ..point.clone() };
            match self.taking.take(&point, &self.taking.program, task.seed) {
                Ok(Taken { sample: timed, .. }) => {
                    sample.stages = timed.stages.map(|stages| Stages { round_trip: timed.latency, ..stages });
                }
                Err(NoSample::Failed(words)) => {
                    self.record.warn("no-stages", format!("The stages of one point were not timed: {words}."));
                }
                Err(interrupted) => return Err(interrupted),
            }
        }
        Ok(())
    }

    /// Allocations are counted once a point, for messengers: the floor has none to speak of.
    fn counts(&self, task: &Task, settings: &Settings) -> bool {
        let last = task.round + 1 == settings.rounds;
        last && settings.points[task.point].kind.factory().is_some() && self.counting.is_some()
    }

    /// Writes the record and the page, whatever there is to show.
    pub(super) fn end(self, out: &Path, interrupted: bool) -> anyhow::Result<Exit> {
        let Running { record, failures, .. } = self;
        let nothing = record.samples().is_empty();
        let page = record.finish(out, interrupted)?;
        if interrupted {
            output::note("interrupted: the record is partial");
        } else if nothing {
            let first = failures.first().map_or("", String::as_str);
            bail!("nothing could be measured; the first failure: {first}");
        }
        output::line(&page.display().to_string())?;
        Ok(if interrupted { Exit::Interrupted } else { Exit::Done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use crate::cli::Pin;
    use crate::host::Limits;
    use crate::record;
    use msgr_reports::record::{Plan, Run};

    fn running(failures: &[&str]) -> Running {
        let zero = Duration::ZERO;
        Running {
            record: Record::new(Plan::default(), &Limits::read()).unwrap(),
            taking: Taking {
                program: PathBuf::new(),
                warmup: zero,
                duration: zero,
                pin: Pin::None,
                bind: Ipv4Addr::LOCALHOST.into(),
                verbs: None,
            },
            counting: None,
            stages: false,
            failures: failures.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_run_that_measured_nothing_is_an_error_with_the_first_reason_and_leaves_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let error = running(&["no ports", "no threads"]).end(dir.path(), false).expect_err("nothing was measured");
        assert!(error.to_string().ends_with("no ports"), "{error}");
        assert_eq!(Exit::of(&error), Exit::Error);
        assert!(!Run::load(&dir.path().join(record::FILE_NAME)).unwrap().partial);
    }

    #[test]
    fn a_run_that_is_interrupted_before_its_first_sample_is_partial_and_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(running(&[]).end(dir.path(), true).unwrap(), Exit::Interrupted);
        assert!(Run::load(&dir.path().join(record::FILE_NAME)).unwrap().partial);
    }
}
