//! `msgr-conformance`: runs the conformance cases against every messenger, driver and stack, and prints who passes what.
#![forbid(unsafe_code)]

mod elsewhere;
mod grid;
mod print;
mod runner;

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use msgr_conformance::{Kind, SEED_VARIABLE};

use elsewhere::Source;
use grid::{Grid, grids};
use runner::{Task, run_all};

/// Runs the conformance cases and prints a table: a row for each case, a column for each messenger.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Run only the cases of this kind.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Run each case so often.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Run only the cases whose name contains this.
    #[arg(long, default_value = "")]
    case: String,
    /// Run only against the messengers, drivers and stacks whose name contains this.
    #[arg(long, default_value = "")]
    against: String,
    /// Run so many cases at once; by default one for each processor.
    #[arg(long)]
    jobs: Option<usize>,
    /// Show a column more: what ran elsewhere, from the logs of test programs in a directory.
    #[arg(long, value_name = "NAME=DIR")]
    elsewhere: Option<Source>,
    /// Run nothing here.
    #[arg(long, requires = "elsewhere")]
    no_run: bool,
    /// Run this one case against this subject, here and now.
    #[arg(long, hide = true, num_args = 2, value_names = ["CASE", "SUBJECT"])]
    run: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Those that take seconds.
    Plain,
    /// The random workloads.
    Synthetic,
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        match self.only {
            None => true,
            Some(Only::Plain) => kind != Kind::Synthetic,
            Some(Only::Synthetic) => kind == Kind::Synthetic,
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let grids = grids();
    if let Some([case, subject]) = options.run.as_deref() {
        return run_here(&grids, case, subject);
    }
    let elsewhere = match &options.elsewhere {
        Some(source) => Some((&*source.column, source.read()?)),
        None => None,
    };
    let tasks = if options.no_run { Vec::new() } else { tasks(&grids, &options)? };
    if tasks.is_empty() && !options.no_run {
        bail!("no case matches; the names are those of the first column");
    }
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let (total, outcomes) = (tasks.len(), Mutex::new(Vec::new()));
    run_all(tasks, jobs, |outcome| {
        let mut outcomes = outcomes.lock().expect("printing does not panic");
        print::progress(&outcome, outcomes.len() + 1, total);
        outcomes.push(outcome);
    });
    let outcomes = outcomes.into_inner()?;
    for (index, grid) in grids.iter().enumerate() {
        print::table(grid, index, &outcomes, elsewhere.as_ref());
    }
    print::seeds(&outcomes);
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if !options.no_run {
        println!("\n{} of {total} runs passed", total - failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be run, round by round.
fn tasks(grids: &[Grid], options: &Options) -> anyhow::Result<Vec<Task>> {
    let seed: Option<u64> = match env::var(SEED_VARIABLE) {
        Ok(seed) => Some(seed.parse().with_context(|| format!("{SEED_VARIABLE} is no whole number"))?),
        Err(_) => None,
    };
    let mut tasks = Vec::new();
    for _ in 0..options.repeat {
        for (index, grid) in grids.iter().enumerate() {
            for (row_index, row) in grid.rows.iter().enumerate() {
                if !options.wants(row.kind) || !row.name.contains(&options.case) {
                    continue;
                }
                for (column_index, column) in grid.columns.iter().enumerate() {
                    if column.contains(&options.against) {
                        tasks.push(Task {
                            grid: index,
                            row: row_index,
                            column: column_index,
                            arguments: [row.name, column],
                            kind: row.kind,
                            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
                        });
                    }
                }
            }
        }
    }
    Ok(tasks)
}

/// Runs one case in this process, which fails if the case does.
fn run_here(grids: &[Grid], case: &str, subject: &str) -> anyhow::Result<ExitCode> {
    for grid in grids {
        let Some(column) = grid.columns.iter().position(|column| *column == subject) else { continue };
        if let Some(row) = grid.rows.iter().find(|row| row.name == case) {
            row.run[column]();
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!("there is no case {case} against {subject}");
}
