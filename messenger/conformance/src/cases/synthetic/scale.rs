//! How much of upstream's load a run of the random workloads carries.

use std::env;

/// The variable that chooses how much of the load there is: `tenth` or `small-payloads`.
pub const SCALE_VARIABLE: &str = "MSGR_SYNTHETIC_SCALE";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// One of so many operations is done.
    pub(super) fewer: usize,
    /// Largest payload of random size, as a power of two. The least is always 32 B.
    pub(super) payload_bits: f64,
}

impl Scale {
    /// Upstream's numbers.
    const FULL: Scale = Scale { fewer: 1, payload_bits: 22.0 };
    /// For machines that move some 20 MB/s, such as an emulated one: a tenth of the operations, payloads up to 64 KiB.
    const TENTH: Scale = Scale { fewer: 10, payload_bits: 16.0 };
    /// Payloads up to 64 KiB, and upstream's operations.
    const SMALL_PAYLOADS: Scale = Scale { fewer: 1, payload_bits: 16.0 };

    /// The one that [`SCALE_VARIABLE`] names, or [`Scale::FULL`].
    pub(super) fn chosen() -> Scale {
        match env::var(SCALE_VARIABLE).as_deref() {
            Err(_) => Scale::FULL,
            Ok("tenth") => Scale::TENTH,
            Ok("small-payloads") => Scale::SMALL_PAYLOADS,
            Ok(other) => panic!("{SCALE_VARIABLE}={other}: takes tenth or small-payloads"),
        }
    }
}
