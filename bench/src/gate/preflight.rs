//! Whether this machine can be measured on at all, before minutes are spent on it.

use std::time::{Duration, Instant};

use crate::exit::Refusal;
use crate::host::{self, Limits, Watch};

/// CPUs without which two processes cannot run at once, and every figure is the scheduler's.
const CPUS_MIN: u32 = 2;

/// How long it is spun to see what the hypervisor takes: some thirty ticks of the kernel's clock on each CPU.
const SPIN: Duration = Duration::from_millis(300);

/// Stolen CPU time beyond which medians are the neighbours' and not the program's, as a share.
const STEAL_MAX: f64 = 0.2;

/// Refuses an unfit machine.
///
/// # Errors
///
/// [`Refusal`] with what is wrong and what to do.
pub(super) fn check(limits: &Limits) -> anyhow::Result<()> {
    let cpus = host::allowed_count()?;
    if cpus < CPUS_MIN {
        let text = format!(
            "{cpus} CPU may be used, and a pair of processes needs {CPUS_MIN}: run the gate on a larger machine"
        );
        return Err(Refusal(text).into());
    }
    let watch = Watch::start(limits)?;
    std::thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                let from = Instant::now();
                while from.elapsed() < SPIN {
                    std::hint::spin_loop();
                }
            });
        }
    });
    let steal = watch.now().steal;
    if steal > STEAL_MAX {
        let text = format!(
            "the hypervisor takes {:.0} % of the CPU time, more than the {:.0} % up to which pairs can be compared: run the \
             gate again on a quieter machine",
            steal * 100.0,
            STEAL_MAX * 100.0
        );
        return Err(Refusal(text).into());
    }
    Ok(())
}
