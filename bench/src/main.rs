//! `msgr-bench`, with the system's allocator as it is.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    msgr_bench::Program::new().main()
}
