//! What a machine must have for pairs on it to mean anything.

use super::thresholds::{CPUS_MIN, STEAL_MAX};
use crate::format::percent;

/// What a machine lacks, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// So many CPUs may be used, which are too few.
    #[error("{0} CPU may be used, and a pair of processes needs {CPUS_MIN}: run the gate on a larger machine")]
    Cpus(u32),
    /// The hypervisor takes this share of the CPU time, from 0 to 1.
    #[error(
        "the hypervisor takes {} of the CPU time, more than the {} up to which pairs can be compared: run the gate again on a \
         quieter machine",
        percent(*.0),
        percent(STEAL_MAX)
    )]
    Steal(f64),
}

/// Whether a machine of which so many CPUs may be used can be measured on.
///
/// # Errors
///
/// [`Unfit::Cpus`] when they are too few.
pub fn enough_cpus(usable: u32) -> Result<(), Unfit> {
    if usable < CPUS_MIN { Err(Unfit::Cpus(usable)) } else { Ok(()) }
}

/// Whether a machine can be measured on whose hypervisor takes this share of the CPU time, from 0 to 1.
///
/// # Errors
///
/// [`Unfit::Steal`] when it takes too much.
pub fn little_steal(share: f64) -> Result<(), Unfit> {
    if share > STEAL_MAX { Err(Unfit::Steal(share)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_stolen_time_passes_and_more_is_refused_with_what_to_do() {
        assert_eq!(little_steal(0.19), Ok(()));
        assert_eq!(little_steal(0.2), Ok(()));
        let unfit = little_steal(0.21).unwrap_err().to_string();
        assert!(unfit.contains("takes 21.0 %") && unfit.contains("the 20.0 %"), "{unfit}");
        assert!(unfit.ends_with("run the gate again on a quieter machine"), "{unfit}");
    }

    #[test]
    fn two_cpus_pass_and_one_is_refused_with_what_to_do() {
        assert_eq!(enough_cpus(2), Ok(()));
        let unfit = enough_cpus(1).unwrap_err().to_string();
        assert!(unfit.starts_with("1 CPU may be used") && unfit.contains("a larger machine"), "{unfit}");
    }
}
