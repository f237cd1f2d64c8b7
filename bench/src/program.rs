//! The program itself, and what a program of somebody else's adds to it.

use std::process::ExitCode;
use std::sync::OnceLock;

use bytes::Bytes;
use clap::Parser;
use msgr::Message;
use tracing_subscriber::EnvFilter;

use crate::{Heap, cli, exit, interrupt, output, probe};

/// What answers requests instead of `serve`'s own payload.
pub(crate) type Answer = Box<dyn Fn(&Message) -> Bytes + Send + Sync>;

static ANSWER: OnceLock<Answer> = OnceLock::new();

/// What answers requests, when this program brought something that does.
pub(crate) fn answer() -> Option<&'static Answer> {
    ANSWER.get()
}

/// `msgr-bench` as a part of your own program: the same verbs, which measure your code behind a messenger. With it the
/// gate compares two builds of your repository (docs/GATE.md).
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     // A service whose answer is the request's payload, backwards.
///     msgr_bench::Program::new().answering(|request| request.data.iter().rev().copied().collect()).main()
/// }
/// ```
#[derive(Default)]
pub struct Program {
    heap: Option<fn() -> Heap>,
    answer: Option<Answer>,
}

impl Program {
    /// `msgr-bench` as it is.
    #[must_use]
    pub fn new() -> Program {
        Program::default()
    }

    /// Reads the counters of a counting allocator from `heap`.
    #[must_use]
    pub fn counting_heap(mut self, heap: fn() -> Heap) -> Program {
        self.heap = Some(heap);
        self
    }

    /// Answers the requests of round trips with what `answer` makes of them, the payload of the reply. It runs where the messenger
    /// dispatches: on the thread that received the request, of which a worker has other connections to serve. The bare-socket
    /// floors and ZeroMQ answer as before, and one-way streams are not answered.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(&Message) -> Bytes + Send + Sync + 'static) -> Program {
        self.answer = Some(Box::new(answer));
        self
    }

    /// Does what the command line asks for. To be called once, from `main`.
    pub fn main(self) -> ExitCode {
        if let Some(heap) = self.heap {
            probe::count_heap_with(heap);
        }
        if let Some(answer) = self.answer {
            // Only a second program in the same process would find one there.
            let _ = ANSWER.set(answer);
        }
        // Warnings are shown unless RUST_LOG asks for something else: they say why something takes its time.
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        let exit = match cli::Cli::try_parse() {
            Ok(cli) => cli.run().unwrap_or_else(|error| {
                output::error(&error);
                if interrupt::requested() { exit::Exit::Interrupted } else { exit::Exit::of(&error) }
            }),
            Err(usage) => {
                // Help and version are "errors" too, with exit code 0. Nothing is left to do when the text cannot be shown.
                let _ = usage.print();
                if usage.use_stderr() { exit::Exit::Error } else { exit::Exit::Done }
            }
        };
        exit.into()
    }
}
