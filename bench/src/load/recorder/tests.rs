use super::*;

#[test]
fn only_replies_in_the_measured_time_are_recorded() {
    let recorder = Recorder::new(2, 1, 7);
    assert_eq!(recorder.first(0), 0);
    assert_eq!(recorder.replied(0), Some(0));
    assert_eq!(recorder.latency().unwrap(), None);
    recorder.measure();
    for _ in 0..5 {
        assert_eq!(recorder.replied(0), Some(0));
    }
    recorder.cool();
    assert_eq!(recorder.replied(0), Some(0));
    recorder.stop();
    assert_eq!(recorder.replied(0), None);
    assert_eq!(recorder.latency().unwrap().unwrap().count, 5);
}

#[test]
fn peers_are_drawn_from_the_seed() {
    let draw = |seed| {
        let recorder = Recorder::new(1, 1024, seed);
        (0..20).map(|_| recorder.first(0)).collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!(draw(1).iter().all(|peer| *peer < 1024));
}

#[test]
fn the_first_fault_ends_a_wait() {
    let recorder = Recorder::new(1, 3, 0);
    recorder.fail("first".into());
    recorder.fail("second".into());
    let error = recorder.wait(Duration::from_secs(60)).expect_err("a fault");
    assert_eq!(error.to_string(), "first");
    recorder.replied(9);
    assert!(recorder.wait(Duration::from_secs(60)).is_err(), "a reply out of the table is a fault");
}

#[test]
fn a_wait_for_peers_ends_with_the_last_of_them() {
    let recorder = Recorder::new(1, 3, 0);
    recorder.opened();
    assert_eq!(recorder.wait_open(3, Duration::ZERO).unwrap(), (1, Waited::Fully));
    assert_eq!(recorder.wait_open(1, Duration::from_secs(60)).unwrap(), (1, Waited::Fully));
}
