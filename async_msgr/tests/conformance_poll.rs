//! Every conformance case on poll, the level-triggered reference.

use msgr_async::AsyncFactory;
use msgr_conformance::Configured;

msgr_conformance::suite!(Configured { factory: AsyncFactory, options: &[("ms_async_event_driver", "poll")] });
