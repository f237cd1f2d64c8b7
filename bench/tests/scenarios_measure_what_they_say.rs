//! Shipped scenarios, run with samples as short as they can be: everything they promise to measure is in their records.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use msgr_reports::record::{Neighbour, Run, Sample, Workload};
use support::{record, succeeds};

/// Runs a scenario once, with simple and async.
fn run(scenario: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().display();
    let short = "--rounds 1 --duration 60ms --warmup 20ms";
    succeeds(&format!("run --scenario {scenario} --messengers simple,async {short} --out {out}"));
    let run = record(dir.path());
    assert_eq!(run.plan.scenario.as_deref(), Some(scenario));
    assert!(!run.partial && run.warnings.is_empty(), "{scenario}: {:#?}", run.warnings);
    run
}

/// The samples of a messenger.
fn of<'a>(run: &'a Run, messenger: &str) -> Vec<&'a Sample> {
    run.samples.iter().filter(|sample| sample.messenger == messenger).collect()
}

#[test]
fn a_neighbour_is_there_in_half_of_the_samples_of_each_messenger_and_says_what_it_did() {
    let scenarios = [
        ("noisy-neighbour", Neighbour::Flood),
        ("slow-reader", Neighbour::SlowReader),
        ("connect-storm", Neighbour::Connects),
        ("mixed", Neighbour::Bulk),
    ];
    for (scenario, what) in scenarios {
        let run = run(scenario);
        assert_eq!(run.samples.len(), 5, "two messengers with and without, and the floor");
        for messenger in ["simple", "async"] {
            let samples = of(&run, messenger);
            let beside: Vec<_> = samples.iter().filter_map(|sample| sample.beside.as_ref()).collect();
            assert_eq!((samples.len(), beside.len()), (2, 1), "{scenario}, {messenger}");
            assert_eq!(beside[0].what, what);
            assert!(beside[0].per_s > 0.0, "{scenario}, {messenger}: {:?}", beside[0]);
            assert_eq!(beside[0].latency.is_some(), what == Neighbour::Connects);
        }
    }
}

#[test]
fn rates_are_shares_of_what_the_slowest_messenger_reached_and_the_same_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let short = "--rounds 1 --duration 100ms --warmup 20ms --peers 4 --workload under-load --share 10,20";
    succeeds(&format!("run --messengers simple,async {short} --out {}", dir.path().display()));
    let run = record(dir.path());
    let reached = |messenger: &str| {
        let found = of(&run, messenger).into_iter().find(|sample| sample.workload == Workload::PingPong).unwrap();
        found.messages as f64 * 1e9 / found.elapsed_ns as f64
    };
    let ceiling = reached("simple").min(reached("async"));
    for messenger in ["simple", "async", "tcp"] {
        let open: Vec<_> = of(&run, messenger).into_iter().filter_map(|sample| sample.open_loop.clone()).collect();
        assert_eq!(open.len(), 2, "{messenger}");
        for open in open {
            let wanted = ceiling * f64::from(open.share.unwrap()) / 100.0;
            assert!((open.offered_per_s / wanted - 1.0).abs() < 0.01, "{open:?} of {ceiling}");
        }
    }
}

#[test]
fn the_scenario_of_latency_has_both_loops_and_every_floor() {
    let run = run("latency");
    for floor in ["tcp", "tcp-epoll", "tcp-spin"] {
        assert!(!of(&run, floor).is_empty(), "{floor}");
    }
    let open = run.samples.iter().filter(|sample| sample.open_loop.is_some()).count();
    assert_eq!(open, 4 * 5, "four rates of two messengers and three floors");
}

#[test]
fn a_scenario_of_ones_own_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    let text = "about = \"mine\"\nmessengers = [\"async\"]\nrounds = 2\nduration = \"40ms\"\nwarmup = \"0s\"\n\
                set = [\"ms_crc_data=false\"]\n[[measure]]\nname = \"Streams\"\nworkload = \"stream\"\npeers = [1, 2]\n\
                sizes = [\"1KiB\"]\n";
    std::fs::write(&file, text).unwrap();
    succeeds(&format!("run --scenario {} --out {}", file.display(), dir.path().display()));
    let run = record(dir.path());
    assert_eq!((of(&run, "async").len(), run.plan.rounds, run.plan.warmup_ms), (4, 2, 0));
    assert_eq!(run.plan.options.get("ms_crc_data").map(String::as_str), Some("false"));
    assert!(std::fs::read_to_string(dir.path().join("index.html")).unwrap().contains("Streams: Stream of 1 KiB"));
}
