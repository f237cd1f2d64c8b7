//! Seeds: what is random in a case can be had again.

use std::env;

/// The variable that replays a seed.
pub const SEED_VARIABLE: &str = "MSGR_SEED";

/// A case's source of randomness, from [`SEED_VARIABLE`] if it is set. Prints the seed, which a failing test shows.
///
/// It replays the choices of the case and of fault injection; which thread makes which of them first is the
/// scheduler's choice, so a rare failure may take a few runs to come again.
pub fn random(case: &str) -> fastrand::Rng {
    let seed = match env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().expect("MSGR_SEED is a whole number"),
        Err(_) => fastrand::u64(..),
    };
    println!("{case}: {SEED_VARIABLE}={seed} makes the same choices again");
    fastrand::Rng::with_seed(seed)
}
