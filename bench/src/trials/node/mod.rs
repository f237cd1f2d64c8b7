//! A node: one process of a trial, with the messengers of one side. The trial starts it, asks it what it saw, and may
//! kill it at any time.
//!
//! Requests are numbered and carry bytes that the other side can make itself, so both sides check that all of them
//! arrive, once, in order and whole.

mod heard;
mod inbound;
mod load;
mod protocol;
mod serve;
mod stamp;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use msgr::{Config, Messenger};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exit::Exit;
use crate::host;
use crate::kinds::Kind;

pub(crate) use inbound::Wrongs;
pub(crate) use protocol::{Ask, Events, Load, Pair, Reply, Report, Role, RoundTrips, Spec};
pub(crate) use stamp::{STRANGE, STRANGE_BYE, STRANGE_ECHO};

use load::Loading;
use serve::Serving;

/// Either side.
enum Side {
    Serving(Serving),
    Loading(Loading),
}

/// The verb `node`: is told what to be and answers questions until its standard input is closed.
///
/// # Errors
///
/// When it cannot be what it was told to be.
pub(crate) fn node() -> anyhow::Result<Exit> {
    let mut input = BufReader::new(std::io::stdin());
    let spec: Spec = crate::control::receive(&mut input)?.context("a node is started by a trial, not by hand")?;
    let side = Side::start(&spec)?;
    answer(&Reply::Ready(side.addresses()))?;
    while let Some(ask) = crate::control::receive(&mut input)? {
        let reply = match (ask, &side) {
            (Ask::Report, Side::Serving(serving)) => Reply::Report(Box::new(serving.report())),
            (Ask::Report, Side::Loading(loading)) => Reply::Report(Box::new(loading.report()?)),
            (Ask::Go, Side::Loading(loading)) => {
                loading.go()?;
                Reply::Done
            }
            (Ask::Pause, Side::Loading(loading)) => {
                loading.pause();
                Reply::Done
            }
            (Ask::Measure, Side::Loading(loading)) => {
                loading.measure()?;
                Reply::Done
            }
            (Ask::Go | Ask::Pause | Ask::Measure, Side::Serving(_)) => Reply::Done,
        };
        answer(&reply)?;
    }
    match side {
        Side::Serving(serving) => serving.end()?,
        Side::Loading(loading) => loading.end()?,
    }
    Ok(Exit::Done)
}

fn answer(reply: &Reply) -> anyhow::Result<()> {
    crate::control::send(&mut std::io::stdout().lock(), reply)?;
    Ok(std::io::Write::flush(&mut std::io::stdout().lock())?)
}

impl Side {
    fn start(spec: &Spec) -> anyhow::Result<Side> {
        host::raise_open_files();
        if let Some(files) = spec.files {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum })
                .context("cannot lower the limit on open files")?;
        }
        let Some(factory) = Kind::parse_messenger(&spec.kind).map_err(anyhow::Error::msg)?.factory() else {
            bail!("{} is no messenger", spec.kind);
        };
        let mut config = Config::default();
        for (name, value) in &spec.options {
            config.set(name, value)?;
        }
        Ok(match &spec.role {
            Role::Serve { at } => Side::Serving(Serving::start(factory, spec, config, *at)?),
            Role::Load(load) => Side::Loading(Loading::start(factory, spec, &config, load)?),
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Side::Serving(serving) => vec![serving.address()],
            Side::Loading(loading) => loading.addresses(),
        }
    }
}

/// The counters of some messengers, summed up.
fn counters(messengers: &[Arc<dyn Messenger>]) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for messenger in messengers {
        for (name, value) in messenger.stats().entries() {
            *counters.entry(name.to_owned()).or_default() += value;
        }
    }
    counters
}
