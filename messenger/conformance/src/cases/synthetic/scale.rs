//! How much of upstream's load a run of the random workloads carries.

use std::env;

/// The variable that chooses how much of the load there is: `tenth` or `small-payloads`.
pub const SCALE_VARIABLE: &str = "MSGR_SYNTHETIC_SCALE";

/// The most frequent failures are those of upstream: one in so many operations.
const ODDS_MIN: usize = 30;

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

    /// An option's value here: with fewer operations each fails as much more often, so that as many do.
    pub(super) fn option(self, (name, value): (&'static str, &'static str)) -> (&'static str, &'static str) {
        if name != "ms_inject_socket_failures" || self.fewer == 1 {
            return (name, value);
        }
        let odds: usize = value.parse().unwrap();
        // A plan's options live as long as the program.
        (name, (odds / self.fewer).max(ODDS_MIN).to_string().leak())
    }

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
