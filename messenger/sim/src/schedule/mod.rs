//! Schedules: stories of sends, breaks, delays, races, resets and restarts, each made from one number, and the
//! judgement on what became of the messages.

mod app;
mod deeds;
mod hand;
mod ledger;
mod setting;
mod show;
mod step;
mod verdict;
mod watch;
mod world;

use fastrand::Rng;

use step::Timed;
use world::World;

pub use self::outcome::{Outcome, Violation};

mod outcome {
    /// What a schedule was like.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Outcome {
        /// Messages sent by the first place, and by the others.
        pub messages: [u64; 2],
        /// Steps that break something.
        pub faults: u64,
        /// Wires dialled.
        pub wires: u64,
        /// Turns of the net.
        pub turns: u64,
    }

    /// A promise that was broken.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Violation {
        /// The schedule.
        pub seed: u64,
        /// What happened.
        pub what: String,
    }

    impl std::ops::AddAssign for Outcome {
        fn add_assign(&mut self, other: Outcome) {
            self.messages[0] += other.messages[0];
            self.messages[1] += other.messages[1];
            self.faults += other.faults;
            self.wires += other.wires;
            self.turns += other.turns;
        }
    }
}

/// Plays the schedule of a seed; with `trace`, prints what happens.
///
/// # Errors
/// The promise that was broken.
pub fn run(seed: u64, trace: bool) -> Result<Outcome, Violation> {
    crate::interlude::forget();
    let mut rng = Rng::with_seed(seed);
    let setting = setting::Setting::choose(&mut rng);
    let steps = step::choose(&mut rng, &setting);
    if trace {
        println!("{setting}");
    }
    play(seed, setting, &steps, trace).map_err(|what| Violation { seed, what })
}

/// Leaves out steps of the schedule of a seed as long as it still fails, and plays what is left with a trace.
///
/// # Errors
/// The promise that was broken.
pub fn shrink(seed: u64) -> Result<Outcome, Violation> {
    let mut rng = Rng::with_seed(seed);
    let setting = setting::Setting::choose(&mut rng);
    let mut steps = step::choose(&mut rng, &setting);
    let fails = |steps: &[Timed]| play(seed, setting.clone(), steps, false).is_err();
    if fails(&steps) {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            let (gap, _) = fewer.remove(at);
            if let Some((next, _)) = fewer.get_mut(at) {
                *next += gap;
            }
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += 1;
            }
        }
    }
    println!("{setting}");
    play(seed, setting, &steps, true).map_err(|what| Violation { seed, what })
}

fn play(seed: u64, setting: setting::Setting, steps: &[Timed], trace: bool) -> Result<Outcome, String> {
    #[cfg(feature = "coverage")]
    msgr::coverage::at_gaps(crate::interlude::run);
    let result = std::panic::catch_unwind(|| {
        let mut world = World::new(setting, steps, seed, trace);
        world.play()?;
        let faults = steps.iter().filter(|(_, step)| step.is_fault()).count();
        let messages = world.ledger().messages;
        Ok(Outcome { messages, faults: faults as u64, wires: world.net.dialled() as u64, turns: world.turns })
    });
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
