//! What is printed: progress and failures as they happen, then the tables.

use std::collections::BTreeMap;

use msgr_conformance::{Kind, SEED_VARIABLE};

use crate::grid::Grid;
use crate::runner::Outcome;

/// Lines of a failed case's output that are shown.
const OUTPUT_LINES: usize = 40;

/// Tells of a case that failed, or took its time.
pub(crate) fn progress(outcome: &Outcome, number: usize, total: usize) {
    let [case, subject] = outcome.task.arguments;
    let seconds = outcome.took.as_secs_f32();
    if !outcome.passed {
        println!("[{number}/{total}] FAILED {case} against {subject} after {seconds:.1} s");
        println!("  again: {SEED_VARIABLE}={} just conformance --case {case} --against {subject}", outcome.task.seed);
        let lines: Vec<&str> = outcome.output.lines().collect();
        for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
            println!("  | {line}");
        }
    } else if outcome.task.kind == Kind::Synthetic {
        println!("[{number}/{total}] ok {case} against {subject} in {seconds:.1} s");
    }
}

/// Prints one grid's table, if any of it was run.
pub(crate) fn table(grid: &Grid, index: usize, outcomes: &[Outcome]) {
    let mut cells: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.task.grid == index) {
        let (passed, runs) = cells.entry((outcome.task.row, outcome.task.column)).or_default();
        *runs += 1;
        *passed += usize::from(outcome.passed);
    }
    if cells.is_empty() {
        return;
    }
    let widest = |texts: &mut dyn Iterator<Item = &'static str>| texts.map(str::len).max().unwrap_or(0);
    let name_width = widest(&mut grid.rows.iter().map(|row| row.name));
    let upstream_width = widest(&mut grid.rows.iter().map(|row| row.upstream));
    print!("\n{:name_width$}  {:upstream_width$}", grid.title, "upstream");
    for column in &grid.columns {
        print!("  {column:<12}");
    }
    println!();
    for (row_index, row) in grid.rows.iter().enumerate() {
        if !cells.keys().any(|(row, _)| *row == row_index) {
            continue;
        }
        print!("{:name_width$}  {:upstream_width$}", row.name, row.upstream);
        for column in 0..grid.columns.len() {
            let cell = match cells.get(&(row_index, column)) {
                None => "-".to_owned(),
                Some((1, 1)) => "ok".to_owned(),
                Some((passed, runs)) if passed == runs => format!("ok {passed}"),
                Some((passed, runs)) => format!("FAIL {}/{runs}", runs - passed),
            };
            print!("  {cell:<12}");
        }
        println!();
    }
}

/// Prints the seeds of the synthetic cases that ran.
pub(crate) fn seeds(outcomes: &[Outcome]) {
    let mut seeds: BTreeMap<[&str; 2], Vec<String>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.task.kind == Kind::Synthetic) {
        let mark = if outcome.passed { "" } else { "!" };
        seeds.entry(outcome.task.arguments).or_default().push(format!("{}{mark}", outcome.task.seed));
    }
    if seeds.is_empty() {
        return;
    }
    println!("\nseeds of the synthetic cases ({SEED_VARIABLE} replays one; ! failed)");
    for ([case, subject], seeds) in seeds {
        println!("  {case} {subject}: {}", seeds.join(" "));
    }
}
