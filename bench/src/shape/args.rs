//! The arguments of `shape`, and of the side that it starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::kinds::Kind;
use crate::parse::{self, Setting};

/// `msgr-bench shape`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file of committed figures
    #[arg(long, value_name = "FILE", default_value = "bench/shape.json")]
    pub(crate) committed: PathBuf,
    /// Measure and compare only the figures whose names begin with this, such as simple or async/64B
    #[arg(long, value_name = "PREFIX", conflicts_with = "accept")]
    pub(crate) only: Option<String>,
    /// Write what is measured to the file instead, with the reason why it changed
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) accept: Option<String>,
}

/// `msgr-bench exchange`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExchangeArgs {
    /// Started by `shape`: is told what to do on standard input, and ends when that is closed
    #[arg(long, hide = true, required = true)]
    pub(crate) child: bool,
    #[arg(long, value_parser = Kind::parse_messenger)]
    pub(crate) messenger: Kind,
    #[arg(long, value_parser = parse::address)]
    pub(crate) connect: SocketAddr,
    #[arg(long, value_parser = parse::address)]
    pub(crate) control: SocketAddr,
    #[arg(long, value_parser = parse::peers)]
    pub(crate) peers: u32,
    #[arg(long, value_parser = parse::size)]
    pub(crate) size: u64,
    #[arg(long, value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
}

/// Why figures changed, in words for whoever reviews them.
fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why the figures changed: just shape-accept \"what changed them\"".into()),
        text => Ok(text.to_owned()),
    }
}
