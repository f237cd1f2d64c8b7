//! The record of a run while it is made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use msgr_reports::page;
use msgr_reports::record::{Plan, Run, SCHEMA, Sample, Warning};

use crate::cli::{LoadArgs, Pin};
use crate::host::{Cpus, Limits, Watch};
use crate::load::Spec;
use crate::parse::Setting;

/// Name of the record in its directory.
pub(crate) const FILE_NAME: &str = "run.json";

/// A record that grows. Until [`Record::finish`] it says that it is partial, so that a crash leaves the truth behind.
#[derive(Debug)]
pub(crate) struct Record {
    run: Run,
    watch: Watch,
    began: Instant,
}

impl Record {
    /// An empty record of `plan`.
    ///
    /// # Errors
    ///
    /// When the machine cannot be described.
    pub(crate) fn new(plan: Plan, limits: &Limits) -> anyhow::Result<Record> {
        let watch = Watch::start(limits)?;
        Ok(Record {
            run: Run {
                schema: SCHEMA.into(),
                tool_version: env!("CARGO_PKG_VERSION").into(),
                started: jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(),
                elapsed_s: 0.0,
                partial: true,
                command: command(std::env::args().skip(1), plan.seed),
                plan,
                environment: watch.now(),
                warnings: Vec::new(),
                samples: Vec::new(),
            },
            watch,
            began: Instant::now(),
        })
    }

    /// An empty record of one sample that is taken by hand.
    ///
    /// # Errors
    ///
    /// As [`Record::new`].
    pub(crate) fn of_load(args: &LoadArgs, spec: &Spec, limits: &Limits) -> anyhow::Result<Record> {
        let plan = Plan {
            messengers: vec![spec.kind.name().into()],
            peers: vec![spec.peers],
            sizes: vec![spec.size],
            workloads: vec![spec.workload],
            depth: args.depth.unwrap_or(spec.in_flight),
            active: args.active,
            load_messenger: spec.kind.name().into(),
            // One half of the CPUs here means that the other side has the other half.
            pin: if args.cpus == Cpus::All { Pin::None } else { Pin::Split }.name().into(),
            duration_ms: u64::try_from(args.duration.as_millis())?,
            warmup_ms: u64::try_from(args.warmup.as_millis())?,
            rounds: 1,
            seed: spec.seed,
            reply: Some(args.reply),
            rate: args.rate,
            stall: None,
            scenario: None,
            measures: Vec::new(),
            options: options(&args.set),
            load_options: std::collections::BTreeMap::new(),
        };
        Record::new(plan, limits)
    }

    /// Adds a sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.run.samples.push(sample);
        self.run.elapsed_s = self.began.elapsed().as_secs_f64();
    }

    /// Adds something that the reader must know and that the rest of the record does not tell.
    pub(crate) fn warn(&mut self, kind: &str, text: String) {
        self.run.warnings.push(Warning { kind: kind.into(), text });
    }

    /// The samples so far.
    pub(crate) fn samples(&self) -> &[Sample] {
        &self.run.samples
    }

    /// Writes what there is so far.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn save(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.run.environment = self.watch.now();
        create(dir)?;
        Ok(self.run.save(&dir.join(FILE_NAME))?)
    }

    /// Writes the record and draws its page. Gives the path of the page.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn finish(mut self, dir: &Path, partial: bool) -> anyhow::Result<PathBuf> {
        self.run.partial = partial;
        self.save(dir)?;
        Ok(page::write_page(&self.run, dir)?)
    }
}

/// Makes the directory of a record.
///
/// # Errors
///
/// When it cannot be made.
pub(crate) fn create(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the directory {}: choose another with --out", dir.display()))
}

/// Options as a record keeps them.
pub(crate) fn options(settings: &[Setting]) -> std::collections::BTreeMap<String, String> {
    settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect()
}

/// The command line that repeats a run, seed included.
fn command(args: impl Iterator<Item = String>, seed: u64) -> Vec<String> {
    let mut command = vec!["msgr-bench".to_owned()];
    command.extend(args);
    if !command.iter().any(|arg| arg == "--seed" || arg.starts_with("--seed=")) {
        command.extend(["--seed".to_owned(), seed.to_string()]);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_the_order_of_a_run() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let repeat = command(args("run --quick").into_iter(), 7);
        assert_eq!(repeat.join(" "), "msgr-bench run --quick --seed 7");
        let repeat = command(args("run --seed=9").into_iter(), 9);
        assert_eq!(repeat.join(" "), "msgr-bench run --seed=9");
    }
}
