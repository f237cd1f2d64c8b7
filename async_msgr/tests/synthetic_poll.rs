//! The random workloads of the conformance suite on poll.

use msgr_async::AsyncFactory;
use msgr_conformance::Configured;

msgr_conformance::suite!(synthetic: Configured { factory: AsyncFactory, options: &[("ms_async_event_driver", "poll")] });
