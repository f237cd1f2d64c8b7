//! What is printed: progress and failures as they happen, then the tables.

use std::collections::BTreeMap;

use msgr_conformance::{Kind, SEED_VARIABLE};

use crate::elsewhere::Outcomes;
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

/// Prints one grid's table, if any of it was run, with a column of what ran elsewhere.
pub(crate) fn table(grid: &Grid, index: usize, outcomes: &[Outcome], elsewhere: Option<&(&str, Outcomes)>) {
    let mut cells: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.task.grid == index) {
        let (passed, runs) = cells.entry((outcome.task.row, outcome.task.column)).or_default();
        *runs += 1;
        *passed += usize::from(outcome.passed);
    }
    let there = |name: &str| elsewhere.and_then(|(_, outcomes)| outcomes.get(name).copied());
    let elsewhere = elsewhere.filter(|_| grid.rows.iter().any(|row| there(row.name).is_some()));
    if cells.is_empty() && elsewhere.is_none() {
        return;
    }
    // Without a run here there is nothing to say of the others.
    let columns = if cells.is_empty() { &[] } else { &grid.columns[..] };
    let widest = |texts: &mut dyn Iterator<Item = &'static str>| texts.map(str::len).max().unwrap_or(0);
    let name_width = widest(&mut grid.rows.iter().map(|row| row.name));
    let upstream_width = widest(&mut grid.rows.iter().map(|row| row.upstream));
    print!("\n{:name_width$}  {:upstream_width$}", grid.title, "upstream");
    for column in columns.iter().copied().chain(elsewhere.map(|(column, _)| *column)) {
        print!("  {column:<12}");
    }
    println!();
    for (row_index, row) in grid.rows.iter().enumerate() {
        let known = elsewhere.and_then(|_| there(row.name));
        if known.is_none() && !cells.keys().any(|(row, _)| *row == row_index) {
            continue;
        }
        print!("{:name_width$}  {:upstream_width$}", row.name, row.upstream);
        let here = (0..columns.len()).map(|column| cell(cells.get(&(row_index, column)).copied()));
        let there = elsewhere.map(|_| cell(known.map(|passed| (usize::from(passed), 1))));
        for cell in here.chain(there) {
            print!("  {cell:<12}");
        }
        println!();
    }
}

/// How many of so many runs passed.
fn cell(passed_of: Option<(usize, usize)>) -> String {
    match passed_of {
        None => "-".to_owned(),
        Some((1, 1)) => "ok".to_owned(),
        Some((passed, runs)) if passed == runs => format!("ok {passed}"),
        Some((passed, runs)) => format!("FAIL {}/{runs}", runs - passed),
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
