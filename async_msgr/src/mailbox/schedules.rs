//! The mailbox under scheduled threads: nothing is lost, nobody sleeps on a command, nobody is woken for nothing.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::io;

use msgr::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use msgr::sync::{Arc, Condvar, Mutex, explore, thread};
use msgr::{Core, EntityName, Setup};

use super::{Command, Mailbox};
use crate::driver::Wake;

/// What a driver's waker does: it makes the present or the next wait return.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    rings: AtomicUsize,
}

impl Bell {
    /// Waits for a ring, without end: a worker whose sockets are quiet has nothing else that wakes it.
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }

    /// A wait without time to wait.
    fn poll(&self) {
        *self.rung.lock().unwrap() = false;
    }
}

impl Wake for Bell {
    fn wake(&self) -> io::Result<()> {
        self.rings.fetch_add(1, SeqCst);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
        Ok(())
    }
}

/// Commands that can be told apart.
fn cores(number: usize) -> Vec<Arc<Core>> {
    (0..number).map(|_| Core::without_threads(Setup::new(EntityName::client(1)))).collect()
}

/// Sends `commands` of these to the mailbox from each of `senders` threads, while a worker goes through its turns as
/// `Worker::run` does, until it has had all.
fn exchange(senders: usize, commands: usize) {
    let bell = Arc::new(Bell::default());
    let mailbox = Arc::new(Mailbox::new(0, Arc::clone(&bell) as Arc<dyn Wake>));
    let cores = cores(senders * commands);
    let senders: Vec<_> = cores
        .chunks(commands)
        .map(|cores| {
            let (mailbox, cores) = (Arc::clone(&mailbox), cores.to_vec());
            thread::spawn(move || {
                cores.into_iter().for_each(|core| mailbox.send(Command::Unlisten(Arc::clone(&core)), &core))
            })
        })
        .collect();
    let (mut received, mut sleeps, mut taken) = (Vec::new(), 0, Vec::new());
    while received.len() < cores.len() {
        sleeps += 1;
        if mailbox.before_sleep() {
            bell.poll();
        } else {
            bell.wait();
        }
        mailbox.after_sleep();
        mailbox.take(&mut taken);
        for command in taken.drain(..) {
            let Command::Unlisten(core) = command else { unreachable!() };
            received.push(cores.iter().position(|known| Arc::ptr_eq(known, &core)).unwrap());
        }
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    mailbox.take(&mut taken);
    assert!(taken.is_empty(), "a command came twice");
    for sender in 0..cores.len() / commands {
        let own = sender * commands..(sender + 1) * commands;
        let from_it: Vec<_> = received.iter().copied().filter(|at| own.contains(at)).collect();
        assert_eq!(from_it, own.collect::<Vec<_>>(), "the order of one sender");
    }
    let rings = bell.rings.load(SeqCst);
    assert!(rings <= sleeps, "{rings} rings for {sleeps} sleeps");
}

#[test]
fn one_command_wakes_a_worker_however_the_two_meet() {
    explore::all(100_000, || exchange(1, 1));
}

#[test]
fn no_command_of_several_threads_is_lost_or_slept_on() {
    explore::schedules(20_000, || exchange(3, 2));
}
