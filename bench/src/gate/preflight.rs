//! Whether this machine can be measured on at all, before minutes are spent on it. What it is held against is in
//! [`msgr_reports::gate`].

use std::time::{Duration, Instant};

use msgr_reports::gate::{self, Unfit};

use crate::exit::Refusal;
use crate::host::{self, Limits, Watch};

/// How long it is spun to see what the hypervisor takes: some thirty ticks of the kernel's clock on each CPU.
const SPIN: Duration = Duration::from_millis(300);

/// Refuses an unfit machine.
///
/// # Errors
///
/// [`Refusal`] with what is wrong and what to do.
pub(super) fn check(limits: &Limits) -> anyhow::Result<()> {
    let refusal = |unfit: Unfit| Refusal(unfit.to_string());
    let cpus = host::allowed_count()?;
    gate::enough_cpus(cpus).map_err(refusal)?;
    let watch = Watch::start(limits)?;
    // Nothing is stolen from a machine that asks for nothing.
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
    gate::little_steal(watch.now().steal).map_err(refusal)?;
    Ok(())
}
