//! Which CPUs a process may run on.

use anyhow::Context;
use clap::ValueEnum;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::exit::Refusal;

/// The CPUs of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cpus {
    /// All that are allowed: nothing is pinned.
    All,
    /// The lower half of those allowed.
    Lower,
    /// The upper half of those allowed.
    Upper,
}

impl Cpus {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Cpus::All => "all",
            Cpus::Lower => "lower",
            Cpus::Upper => "upper",
        }
    }

    /// Pins this thread, and every thread that it starts from now on.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when there are not two CPUs to split.
    pub(crate) fn pin(self) -> anyhow::Result<()> {
        if self == Cpus::All {
            return Ok(());
        }
        let allowed = allowed()?;
        let (lower, upper) = split(&allowed).ok_or_else(|| {
            Refusal("pinning needs two CPUs or more, and this process may use one: leave the pinning out".into())
        })?;
        let mut set = CpuSet::new();
        for cpu in if self == Cpus::Lower { lower } else { upper } {
            set.set(*cpu);
        }
        sched_setaffinity(None, &set).context("cannot pin to CPUs (sched_setaffinity)")
    }
}

/// How many CPUs this process may use.
pub(crate) fn allowed_count() -> anyhow::Result<u32> {
    Ok(u32::try_from(allowed()?.len())?)
}

fn allowed() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot read the allowed CPUs (sched_getaffinity)")?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Two halves, the lower one smaller when the number is odd.
fn split(cpus: &[usize]) -> Option<(&[usize], &[usize])> {
    (cpus.len() >= 2).then(|| cpus.split_at(cpus.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sides_share_no_cpu() {
        assert_eq!(split(&[0, 1]), Some(([0].as_slice(), [1].as_slice())));
        assert_eq!(split(&[2, 3, 7]), Some(([2].as_slice(), [3, 7].as_slice())));
        assert_eq!(split(&[4]), None);
    }
}
