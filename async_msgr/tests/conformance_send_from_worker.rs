//! Every conformance case with workers that do all the writing.

use msgr_async::AsyncFactory;
use msgr_conformance::Configured;

msgr_conformance::suite!(Configured { factory: AsyncFactory, options: &[("ms_async_send_inline", "false")] });
