use super::*;
use crate::testing::Builder;

#[test]
fn a_harness_that_weighs_is_told() {
    let mut run = quiet();
    // A message takes 100 microseconds.
    run.samples[0].harness_ns = Some(3_000.0);
    assert_eq!(kinds(&run), Vec::<String>::new());
    run.samples[1].harness_ns = Some(3_100.0);
    assert_eq!(kinds(&run), ["harness"]);
}

fn kinds(run: &Run) -> Vec<String> {
    all(run, &Group::all(run)).into_iter().map(|warning| warning.kind).collect()
}

fn quiet() -> Run {
    let run = Builder::default().each(&["async", "tcp"], &[4], 3, |sample| {
        Builder::constant_latency(sample, 20_000, 200_000);
    });
    run.build()
}

#[test]
fn a_quiet_complete_run_has_no_warning() {
    assert_eq!(kinds(&quiet()), Vec::<String>::new());
}

#[test]
fn each_doubt_has_its_warning() {
    let mut run = quiet();
    run.partial = true;
    run.environment.release = false;
    run.environment.cpus = 2;
    run.environment.load_before = 1.5;
    run.environment.steal = 0.05;
    run.environment.governor = Some("powersave".to_string());
    assert_eq!(kinds(&run), ["partial", "debug-build", "load-average", "steal", "oversubscribed", "governor"]);
}

#[test]
fn planned_samples_that_are_missing_are_counted() {
    let mut run = quiet();
    run.plan.messengers = vec!["async".to_string(), "simple".to_string()];
    run.plan.peers = vec![4];
    run.plan.sizes = vec![4096];
    run.plan.workloads = vec![crate::record::Workload::PingPong];
    let warnings = all(&run, &Group::all(&run));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].text.starts_with("3 of 6 planned samples"), "{}", warnings[0].text);
}

#[test]
fn a_warning_of_the_record_is_not_repeated() {
    let mut run = quiet();
    run.environment.steal = 0.05;
    run.warnings = vec![Warning { kind: "steal".to_string(), text: "Measured.".to_string() }];
    assert_eq!(kinds(&run), ["steal"]);
}

#[test]
fn overload_and_a_late_generator_are_told() {
    let warnings = |offered: f64, late: u64| {
        let run = Builder::default().each(&["async", "tcp"], &[4], 3, |sample| {
            Builder::constant_latency(sample, 20_000, 200_000);
            if sample.messenger == "async" {
                Builder::under_load(sample, offered, late);
            }
        });
        let run = run.build();
        let all = all(&run, &Group::all(&run));
        all.into_iter().filter(|it| ["overloaded", "late-generator"].contains(&it.kind.as_str())).collect::<Vec<_>>()
    };
    assert!(warnings(10_050.0, 1_900).is_empty());
    let told = warnings(10_200.0, 2_100);
    assert!(told[0].text.starts_with("Fewer requests were answered than offered: async at 4 peers."), "{told:?}");
    assert!(told[1].text.starts_with("In 3 of 6 samples the generator was late by more than 10.0 % of"), "{told:?}");
}

#[test]
fn few_rounds_empty_samples_and_damaged_histograms_are_told() {
    let mut run = Builder::default()
        .each(&["async"], &[4], 1, |sample| {
            Builder::constant_latency(sample, 20_000, 10);
            sample.messages = 0;
        })
        .build();
    if let Some(latency) = &mut run.samples[0].latency {
        latency.hdr = "not base64".to_string();
    }
    assert_eq!(kinds(&run), ["few-rounds", "no-floor", "empty-samples", "histogram-unreadable"]);
}
