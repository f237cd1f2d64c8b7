//! Coordinated omission: a closed loop sends nothing while it waits, and so hardly sees what made it wait.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use msgr_reports::record::{Latency, Sample, Workload};
use support::{fails, record, succeeds};

/// What is injected: a tenth of a second in which nothing is answered, each second.
const STALL: &str = "100ms/1s";
/// That fall into the time measured, at most.
const STALLS: u64 = 3;
/// Half of it: what a tail that contains the stall is above, and one that does not is below, by far.
const HALF_A_STALL_NS: u64 = 50_000_000;

fn measured(messenger: &str) -> (Sample, Sample) {
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "run --messengers {messenger} --peers 1 --sizes 64 --workload ping-pong,under-load --rate 500 --rounds 1 \
         --duration 2500ms --warmup 100ms --inject-stall {STALL} --out {}",
        dir.path().display()
    );
    succeeds(&args);
    let run = record(dir.path());
    assert_eq!(run.plan.stall.as_deref(), Some("100000us/1000000us"));
    let of = |workload| run.samples.iter().find(|it| it.messenger == messenger && it.workload == workload).unwrap();
    (of(Workload::PingPong).clone(), of(Workload::UnderLoad).clone())
}

fn share_above_half_a_stall(latency: &Latency) -> f64 {
    let histogram = latency.histogram().unwrap();
    let above: u64 = histogram
        .iter_recorded()
        .filter(|value| value.value_iterated_to() > HALF_A_STALL_NS)
        .map(|it| it.count_at_value())
        .sum();
    above as f64 / histogram.len() as f64
}

#[test]
fn a_stall_is_in_the_tail_of_an_open_loop_and_not_in_that_of_a_closed_one() {
    for messenger in ["simple", "async"] {
        let (closed, open) = measured(messenger);
        let (closed, response) = (closed.latency.unwrap(), open.latency.clone().unwrap());
        // Half of the requests of each stall wait for more than half of it: of all, one in twenty.
        assert!(response.p999_ns > HALF_A_STALL_NS, "{messenger}: {response:?}");
        let share = share_above_half_a_stall(&response);
        assert!(share > 0.01, "{messenger}: {share}");
        // The closed loop meets each stall with one request, and is silent meanwhile. On a machine so slow that it sends no
        // thousand of them from one to the next, that one request is in its tail too.
        assert!(share_above_half_a_stall(&closed) < share / 5.0, "{messenger}: {closed:?}");
        let is_slow = closed.count < STALLS * 1000;
        assert!(closed.p999_ns < HALF_A_STALL_NS || is_slow, "{messenger}: {closed:?}");
    }
}

#[test]
fn what_is_offered_is_recorded_beside_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "run --messengers async --peers 1,3 --sizes 64 --workload under-load --rate 400 --rounds 1 --duration 500ms \
         --warmup 100ms --out {}",
        dir.path().display()
    );
    succeeds(&args);
    let run = record(dir.path());
    assert_eq!(run.plan.rate, Some(400.0));
    assert_eq!(run.samples.len(), 4, "the floor too, at each number of peers");
    for sample in &run.samples {
        let open = sample.open_loop.as_ref().unwrap();
        let (service, response) = (open.service.as_ref().unwrap(), sample.latency.as_ref().unwrap());
        assert_eq!((open.offered_per_s, sample.in_flight), (400.0, 0));
        assert_eq!((service.count, sample.messages), (response.count, response.count));
        assert!(service.p50_ns <= response.p50_ns, "{sample:?}");
        assert!(open.late.as_ref().unwrap().count > 0);
    }
}

#[test]
fn more_than_can_be_answered_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "run --messengers async --peers 1 --sizes 64 --workload under-load --rate 200 --rounds 1 --duration 800ms \
         --warmup 10ms --inject-stall 390ms/400ms --out {}",
        dir.path().display()
    );
    // Every message is held up until its stall is over, one after another.
    succeeds(&args);
    let page = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert!(page.contains("Fewer requests were answered than offered: async at 1 peer"));
}

#[test]
fn a_rate_and_a_stall_are_refused_where_they_mean_nothing() {
    fails("run --workload under-load", 2, &["--rate"]);
    fails("run --rate 100", 2, &["under-load"]);
    fails("run --workload under-load --rate 0", 2, &["requests a second"]);
    fails("run --inject-stall 2s/1s", 2, &["shorter"]);
    fails("serve --messenger tcp --bind 127.0.0.1:0 --inject-stall 1ms/1s", 2, &["for messengers"]);
}
