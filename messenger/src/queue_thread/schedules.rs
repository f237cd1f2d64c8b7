//! The queue's thread under scheduled threads: it works off what is pushed without another nudge, and ends when told.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::collections::VecDeque;

use super::QueueThread;
use crate::sync::{Arc, Condvar, Mutex, explore, thread};

type Queue = QueueThread<VecDeque<u32>>;

/// What was worked off.
#[derive(Default)]
struct Done {
    items: Mutex<Vec<u32>>,
    grew: Condvar,
}

fn push(queue: &Queue, item: u32, done: &Arc<Done>) {
    let run = || {
        let done = Arc::clone(done);
        move |item| {
            done.items.lock().unwrap().push(item);
            done.grew.notify_all();
        }
    };
    queue.push(|queue| queue.push_back(item), VecDeque::pop_front, run).unwrap();
}

fn pushers(queue: &Arc<Queue>, done: &Arc<Done>) -> [thread::JoinHandle<()>; 2] {
    [0..2, 10..12].map(|items| {
        let (queue, done) = (Arc::clone(queue), Arc::clone(done));
        thread::spawn(move || items.for_each(|item| push(&queue, item, &done)))
    })
}

#[test]
fn all_that_is_pushed_is_worked_off_in_the_order_of_each_thread() {
    explore::schedules(10_000, || {
        let (queue, done) = (Arc::new(Queue::new("queue", VecDeque::new(), false)), Arc::default());
        let pushers = pushers(&queue, &done);
        let mut items = done.items.lock().unwrap();
        while items.len() < 4 {
            items = done.grew.wait(items).unwrap();
        }
        let (low, high): (Vec<u32>, Vec<u32>) = items.iter().partition(|item| **item < 10);
        assert_eq!((low, high), (vec![0, 1], vec![10, 11]));
        drop(items);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        queue.stop();
    });
}

#[test]
fn after_a_stop_nothing_is_worked_off_until_the_next_start() {
    explore::schedules(10_000, || {
        let (queue, done) = (Arc::new(Queue::new("queue", VecDeque::new(), false)), Arc::<Done>::default());
        let pushers = pushers(&queue, &done);
        queue.stop();
        let at_stop = done.items.lock().unwrap().len();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let left = queue.with(|queue| queue.drain(..).count());
        assert_eq!(done.items.lock().unwrap().len(), at_stop);
        assert!(at_stop + left <= 4);
        queue.restart();
        push(&queue, 20, &done);
        let mut items = done.items.lock().unwrap();
        while items.last() != Some(&20) {
            items = done.grew.wait(items).unwrap();
        }
        drop(items);
        queue.stop();
    });
}
