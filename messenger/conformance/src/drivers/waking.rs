//! Cases: other threads wake a driver that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;

use super::Make;
use crate::PATIENCE;

/// Two drivers wait in threads of their own, without a time-out; each of 10000 wake-ups of both ends their waits. What a
/// wake-up is for is published before it, as a worker's mailbox is.
pub fn a_wake_up_from_another_thread_ends_the_wait(make: &Make) {
    const ROUNDS: usize = 10_000;
    let (tell, told) = channel();
    let workers = [(); 2].map(|()| {
        let mut driver = make();
        let (waker, tell) = (driver.waker(), tell.clone());
        let round = Arc::new(AtomicUsize::new(0));
        let its = Arc::clone(&round);
        let thread = thread::spawn(move || {
            let (mut done, mut ready) = (0, Vec::new());
            while done < ROUNDS {
                driver.wait(&mut ready, None).unwrap();
                assert!(ready.is_empty(), "a wake-up is no readiness: {ready:?}");
                let wanted = its.load(SeqCst);
                if wanted > done {
                    done = wanted;
                    tell.send(done).unwrap();
                }
            }
        });
        (waker, round, thread)
    });
    for number in 1..=ROUNDS {
        for (waker, round, _) in &workers {
            round.store(number, SeqCst);
            waker.wake().unwrap();
        }
        for _ in &workers {
            assert_eq!(told.recv_timeout(PATIENCE), Ok(number));
        }
    }
    for (_, _, thread) in workers {
        thread.join().unwrap();
    }
}

/// A wake-up that comes while nobody waits ends the next wait, and only that.
pub fn a_wake_up_before_the_wait_is_not_lost(make: &Make) {
    let mut driver = make();
    for _ in 0..3 {
        driver.waker().wake().unwrap();
        driver.waker().wake().unwrap();
        let mut ready = Vec::new();
        // Would never return.
        driver.wait(&mut ready, None).unwrap();
        assert_eq!(ready, []);
        let begun = std::time::Instant::now();
        driver.wait(&mut ready, Some(std::time::Duration::from_millis(20))).unwrap();
        assert!(begun.elapsed() >= std::time::Duration::from_millis(20), "woken once more");
    }
}
