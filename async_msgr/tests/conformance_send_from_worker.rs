//! Every conformance case with one worker that does all the writing.

use msgr_async::AsyncFactory;
use msgr_conformance::Configured;

msgr_conformance::suite!(Configured {
    factory: AsyncFactory,
    options: &[("ms_async_send_inline", "false"), ("ms_async_op_threads", "1")],
});
