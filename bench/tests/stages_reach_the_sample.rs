//! Where the time of messages goes, from the side under test into the sample.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use support::{record, succeeds};

#[test]
fn a_sample_has_the_stages_of_the_side_under_test_if_they_are_timed() {
    let dir = tempfile::tempdir().unwrap();
    let run = "run --messengers simple,async --peers 1 --sizes 64 --rounds 1 --duration 200ms --warmup 10ms";
    succeeds(&format!("{run} --set ms_stage_histograms=true --out {}", dir.path().display()));
    for sample in record(dir.path()).samples {
        let Some(stages) = &sample.stages else {
            assert_eq!(sample.messenger, "tcp");
            continue;
        };
        for stage in [&stages.queued, &stages.written, &stages.read, &stages.dispatched] {
            assert!(stage.as_ref().is_some_and(|stage| stage.count > 0), "{}: {stages:?}", sample.messenger);
        }
        // A worker answers by itself; a writer must be woken.
        assert!(sample.messenger == "async" || stages.woken.is_some());
    }
    succeeds(&format!("{run} --out {}", dir.path().display()));
    assert!(record(dir.path()).samples.iter().all(|sample| sample.stages.is_none()));
}
