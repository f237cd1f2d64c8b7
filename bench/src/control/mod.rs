//! The control connection: how the load side asks the side under test what an interval cost it.
//!
//! One JSON object a line in each direction, over TCP; every request has one reply. Whoever reaches the port can ask
//! for figures and start and end intervals, so it listens on the loopback address unless told otherwise.
//!
//! | request | when | reply |
//! |---|---|---|
//! | `hello` | first | version and kind |
//! | `baseline` | no peer is connected | done |
//! | `start` | the interval begins | done |
//! | `end` | the interval ends, traffic still flows | the [`Interval`] |
//!
//! On the side under test all of this is one thread, `bench-control`, however many peers there are.

mod client;
mod server;

use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::probe::Interval;

pub(crate) use client::Client;
pub(crate) use server::listen;

/// Where `serve` listens for control, and where `load` looks for it, unless told otherwise. Outside of the ports that
/// messengers bind (`ms_bind_port_min` to `ms_bind_port_max`).
pub(crate) const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7390);

/// Longest line of either side. A reply names each kind of thread and counter once, in some 2 KiB; five stage histograms add
/// as much.
const LINE_MAX: u64 = 64 << 10;

/// How long a connection may stay silent: longer than the longest interval (30 minutes).
const SILENCE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the load side waits for a reply. An end lists every thread of a process that is busy with traffic.
const REPLY_WITHIN: Duration = Duration::from_secs(20);

/// How long the load side waits for the connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Request {
    Hello,
    Baseline,
    Start,
    End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
enum Reply {
    Hello { version: String, kind: String },
    Done,
    Interval { interval: Box<Interval> },
    Error { text: String },
}

/// Writes one line.
pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(to.write_all(&line)?)
}

/// Reads one line, or `None` when the other side has closed.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl BufRead) -> anyhow::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
    match read {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            bail!("no answer in time")
        }
        Err(error) => return Err(error.into()),
        Ok(0) => return Ok(None),
        Ok(_) if line.last() != Some(&b'\n') => bail!("the line is cut short or too long"),
        Ok(_) => {}
    }
    serde_json::from_slice(&line).context("the line is not of this protocol").map(Some)
}
