//! Verdicts and exit codes.

use msgr_reports::gate::{
    Facts, Gate, GateError, GateRecord, Next, Order, Outcome, Pair, Rule, Stage, Values, Verdict,
};
use msgr_reports::record::Environment;

use crate::job::{REGRESSION, cell, facts, job, plan, values, written};
use crate::junit::check_junit;

#[test]
fn the_seed_decides_the_order_and_each_side_is_first_in_half_of_the_pairs() {
    let record = job([1.0; 3], facts());
    for cell in &record.cells {
        let first = cell.pairs.iter().filter(|pair| pair.order == Order::AFirst).count();
        assert_eq!(first * 2, cell.pairs.len());
    }
    assert_ne!(Gate::new(plan(), 7).unwrap().next(), Gate::new(plan(), 8).unwrap().next());
    assert_eq!(Gate::new(plan(), 7).unwrap().next(), Gate::new(plan(), 7).unwrap().next());
}

#[test]
fn a_slower_cell_fails_is_confirmed_by_fresh_pairs_and_leaves_the_others_alone() {
    let record = job(REGRESSION, facts());
    assert_eq!((record.outcome, record.exit_code), (Outcome::Regression, 1));
    let verdicts: Vec<Verdict> = record.cells[2].decisions.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Regression, Verdict::Regression, Verdict::Pass]);
    let fresh = record.cells[2].decisions[0].confirmation.as_ref().unwrap();
    assert_eq!((fresh.first_pair, fresh.pairs, fresh.confirmed), (20, 40, true));
    assert!(record.cells[2].pairs[20..].iter().all(|pair| pair.stage == Stage::Confirm));
    assert!(record.cells[1].decisions.iter().all(|one| one.rule == Rule::Futility && one.looks.len() == 1));
}

#[test]
fn an_accepted_regression_passes_with_its_reason_and_an_empty_reason_accepts_nothing() {
    let with = |reason: &str| job(REGRESSION, Facts { acceptance: Some(reason.to_string()), ..facts() });
    let record = with("checks sums now");
    assert_eq!((record.outcome, record.exit_code), (Outcome::Accepted, 0));
    assert!(record.sentence.contains("checks sums now"), "{}", record.sentence);
    assert!(!written(&record)["gate.junit.xml"].contains("<failure"));
    assert_eq!(with("  ").outcome, Outcome::Regression);
}

#[test]
fn identical_programs_that_differ_make_the_machine_unfit_whatever_else_is_found() {
    for control in [1.3, 0.7] {
        let record = job([control, 1.0, 1.3], facts());
        assert_eq!((record.outcome, record.exit_code), (Outcome::Inconclusive, 3));
        assert!(!written(&record)["gate.junit.xml"].contains("<failure"));
    }
}

#[test]
fn time_that_the_hypervisor_took_while_pairs_were_measured_leaves_no_verdict() {
    let with = |steal| {
        let environment = Environment { steal, ..facts().environment };
        job(REGRESSION, Facts { environment, ..facts() })
    };
    let record = with(0.21);
    assert_eq!((record.outcome, record.exit_code), (Outcome::Inconclusive, 3));
    assert!(record.sentence.starts_with("Nothing that was found counts: the hypervisor takes 21.0 %"), "{record:?}");
    assert!(record.sentence.ends_with("on a quieter machine."), "{}", record.sentence);
    assert!(!written(&record)["gate.junit.xml"].contains("<failure"));
    assert_eq!(with(0.19).outcome, Outcome::Regression);
}

#[test]
fn a_faster_candidate_is_reported_and_passes() {
    let record = job([1.0, 0.7, 1.0], facts());
    assert_eq!((record.outcome, record.exit_code), (Outcome::Improved, 0));
    assert_eq!(record.cells[1].decisions[0].rule, Rule::Improvement);
}

#[test]
fn a_missing_or_damaged_sample_is_an_error_and_never_a_pass() {
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        for metric in 0..3 {
            let mut gate = Gate::new(plan(), 7).unwrap();
            let Next::Pairs { cell, orders, .. } = gate.next() else { panic!("nothing is asked for") };
            let mut b = values(0, 1.0);
            *[&mut b.p50_ns, &mut b.p99_ns, &mut b.cpu_ns][metric] = bad;
            let pair = Pair { order: orders[0], stage: Stage::Main, a: values(0, 1.0), b };
            assert!(matches!(gate.feed(cell, pair), Err(GateError::Sample { side: 'B', .. })));
            assert_eq!(gate.next(), Next::Done);
            let record = gate.finish(facts());
            assert_eq!((record.outcome, record.exit_code), (Outcome::Error, 2));
            assert!(written(&record)["gate.junit.xml"].contains("<error"));
        }
    }
}

#[test]
fn a_job_that_ended_early_or_could_not_measure_is_an_error() {
    let ended = Gate::new(plan(), 7).unwrap().finish(facts());
    assert_eq!((ended.outcome, ended.exit_code), (Outcome::Error, 2));
    assert!(ended.cells.iter().flat_map(|cell| &cell.decisions).all(|one| one.verdict == Verdict::Inconclusive));
    let mut gate = Gate::new(plan(), 7).unwrap();
    gate.fail("the candidate exited with 101.");
    assert_eq!(gate.next(), Next::Done);
    assert_eq!(gate.finish(facts()).sentence, "No verdict: the candidate exited with 101.");
}

#[test]
fn a_pair_that_nobody_asked_for_is_an_error() {
    let mut gate = Gate::new(plan(), 7).unwrap();
    let pair = Pair { order: Order::AFirst, stage: Stage::Main, a: values(0, 1.0), b: values(0, 1.0) };
    assert!(matches!(gate.feed(2, pair.clone()), Err(GateError::Unasked { cell: 2, .. })));
    assert_eq!(gate.finish(facts()).exit_code, 2);
    assert!(matches!(Gate::new(plan(), 7).unwrap().feed(99, pair), Err(GateError::Unasked { cell: 99, .. })));
}

#[test]
fn a_plan_needs_one_a_a_cell_and_something_to_compare() {
    assert_eq!(Gate::new(vec![cell("async", true)], 1).err(), Some(GateError::Cells(0)));
    assert_eq!(Gate::new(vec![cell("async", false)], 1).err(), Some(GateError::Controls(0)));
    let many = vec![cell("async", false); 33];
    assert_eq!(Gate::new(many, 1).err(), Some(GateError::Cells(33)));
}

#[test]
fn a_refused_machine_has_its_own_exit_code_and_all_outputs() {
    let record = GateRecord::refused(facts(), 7, "one CPU is usable; give the job two");
    assert_eq!((record.outcome, record.exit_code), (Outcome::Refused, 4));
    let files = written(&record);
    assert!(files.values().all(|text| text.contains("one CPU is usable")));
    check_junit(&files["gate.junit.xml"]);
}

#[test]
fn a_flag_that_fresh_pairs_refute_ends_nothing_and_the_open_metrics_are_looked_at_further() {
    let mut gate = Gate::new(plan(), 7).unwrap();
    let (mut number, mut stages) = (0, Vec::new());
    while let Next::Pairs { cell, stage, orders } = gate.next() {
        // p50 is slower only while it is looked at; p99 scatters too far to be settled early.
        let slower = if cell == 1 && stage == Stage::Main { 1.3 } else { 1.0 };
        let scatter = [0.5, 0.7, 1.5, 2.1][number % 4];
        let side = |p50_ns, p99_ns| Values { p50_ns, p99_ns, cpu_ns: 9_000.0, latency: None };
        let (a, b) = (side(50_000.0, 90_000.0), side(50_000.0 * slower, 90_000.0 * scatter));
        gate.feed(cell, Pair { order: orders[0], stage: Stage::Main, a, b }).unwrap();
        number += 1;
        if cell == 1 && stages.last() != Some(&stage) {
            stages.push(stage);
        }
    }
    let record = gate.finish(facts());
    assert_eq!(stages, [Stage::Main, Stage::Confirm, Stage::Main]);
    let [p50, p99, cpu] = record.cells[1].decisions.as_slice() else { panic!("three metrics") };
    assert_eq!((p50.verdict, p50.rule, p50.looks.len()), (Verdict::Pass, Rule::Confirmation, 1));
    assert_eq!((p99.verdict, p99.looks.len()), (Verdict::Pass, 3));
    assert_eq!((cpu.verdict, cpu.rule), (Verdict::Pass, Rule::Futility));
    assert_eq!(record.cells[1].pairs.len(), 100);
}
