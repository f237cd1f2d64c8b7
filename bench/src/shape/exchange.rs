//! The load side of a scripted exchange: so many requests, one after another, with nothing under way before the first and
//! after the last. What it counts is therefore a number of messages' and not a time's.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use msgr::{
    Connection, Dispatcher, EntityAddr, EntityName, EntityType, Events, Message, Messenger, MessengerFactory, Policy,
    Setup,
};
use serde::{Deserialize, Serialize};

use super::args::ExchangeArgs;
use crate::control::{self, Client};
use crate::exit::Exit;
use crate::probe::{Interval, Meter};
use crate::wire::{REPLY, REQUEST, payload};
use crate::{host, parse};

/// How long a connection or a reply may take: some ten thousand times what it takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);

/// What the load side is asked, one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(super) enum Ask {
    /// Begin to count, on both sides.
    Start,
    /// Send so many requests, each so long after the reply to the one before.
    Exchange { messages: u32, pause: Duration },
    /// Say what was counted since the start.
    End,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(super) enum Reply {
    /// Done; the first one says that all peers are connected.
    Done,
    /// What was counted.
    Counted { serve: Box<Interval>, load: Box<Interval> },
}

/// The verb `exchange`: connects and does what it is asked, until its standard input is closed.
///
/// # Errors
///
/// When the peers cannot be connected, or a reply does not come.
pub(crate) fn exchange(args: &ExchangeArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    let factory = args.messenger.factory().context("an exchange is between messengers")?;
    let mut control = Client::connect(args.control, args.messenger)?;
    let mut own = Meter::default();
    let peers = Peers::connect(factory, args)?;
    answer(&Reply::Done)?;
    let mut input = BufReader::new(std::io::stdin());
    while let Some(ask) = control::receive(&mut input)? {
        answer(&match ask {
            Ask::Start => {
                control.start()?;
                own.start(peers.counters().into())?;
                Reply::Done
            }
            Ask::Exchange { messages, pause } => {
                peers.exchange(messages, pause)?;
                Reply::Done
            }
            Ask::End => {
                let load = Box::new(own.end(|| peers.counters().into())?);
                Reply::Counted { serve: Box::new(control.end()?), load }
            }
        })?;
    }
    peers.end()?;
    Ok(Exit::Done)
}

fn answer(reply: &Reply) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    control::send(&mut out, reply)?;
    Ok(out.flush()?)
}

/// Connected messengers, of which the first one sends.
struct Peers {
    messengers: Vec<Arc<dyn Messenger>>,
    first: Connection,
    heard: Arc<Heard>,
    payload: Bytes,
}

impl Peers {
    /// Connects one peer after another, each with a request and its reply.
    fn connect(factory: &dyn MessengerFactory, args: &ExchangeArgs) -> anyhow::Result<Peers> {
        let config = parse::config(&args.set)?;
        let server = EntityAddr::new(args.connect, 0);
        let heard = Arc::new(Heard::default());
        let payload = payload(usize::try_from(args.size)?);
        let (mut messengers, mut first) = (Vec::new(), None);
        for number in 1..=args.peers {
            let name = EntityName::client(u64::from(number));
            let messenger = factory
                .create(Setup::new(name).with_nonce(number).with_config(config.clone()))
                .with_context(|| format!("cannot make messenger {number} of {}", args.peers))?;
            messenger.set_default_policy(Policy::lossy_client());
            messenger.add_dispatcher_head(heard.clone());
            messenger.start()?;
            let connection = messenger.connect_to(EntityType::OSD, server)?;
            heard.wait(|told| told.opened == number).with_context(|| format!("peer {number} of {}", args.peers))?;
            // The other side may still be starting a thread for the peer; it answers when it has.
            heard.request(&connection, &payload)?;
            first.get_or_insert(connection);
            messengers.push(messenger);
        }
        let first = first.context("an exchange takes a peer")?;
        Ok(Peers { messengers, first, heard, payload })
    }

    /// The counters of all messengers, summed up, and those that they share.
    fn counters(&self) -> BTreeMap<String, u64> {
        let own = self.messengers.iter().flat_map(|messenger| messenger.stats().entries());
        let shared = self.messengers.iter().take(1).flat_map(|messenger| messenger.shared_counters());
        let mut counters = BTreeMap::new();
        for (name, value) in own.chain(shared) {
            *counters.entry(name.to_owned()).or_default() += value;
        }
        counters
    }

    fn exchange(&self, messages: u32, pause: Duration) -> anyhow::Result<()> {
        for _ in 0..messages {
            self.heard.request(&self.first, &self.payload)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        self.messengers.iter().for_each(|messenger| messenger.shutdown());
        for messenger in &self.messengers {
            messenger.wait()?;
        }
        Ok(())
    }
}

/// The dispatcher of all peers: tells the thread that sends.
#[derive(Default)]
struct Heard {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What has been told so far.
#[derive(Default)]
struct Told {
    opened: u32,
    replies: u64,
    broken: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Sends a request and waits for its reply.
    fn request(&self, connection: &Connection, payload: &Bytes) -> anyhow::Result<()> {
        let before = self.lock().replies;
        connection.send_message(Message::new(REQUEST).with_data(payload.clone()))?;
        self.wait(|told| told.replies > before)
    }

    /// Waits until `done`.
    fn wait(&self, done: impl Fn(&Told) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + WITHIN;
        let mut told = self.lock();
        while !done(&told) {
            let left = deadline.saturating_duration_since(Instant::now());
            if told.broken {
                bail!("the connection to the other side broke");
            }
            if left.is_zero() {
                bail!("the other side did not answer within {} s", WITHIN.as_secs());
            }
            told = self.changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Dispatcher for Heard {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        message.kind == REPLY
    }

    fn ms_fast_dispatch(&self, _connection: &Connection, _message: Message) {
        self.tell(|told| told.replies += 1);
    }

    fn ms_handle_fast_connect(&self, _connection: &Connection) {
        self.tell(|told| told.opened += 1);
    }

    /// Only what ends the exchange: as long as nothing breaks, no dispatch thread starts.
    fn ms_events(&self) -> Events {
        Events::RESET | Events::REFUSED
    }

    fn ms_handle_reset(&self, _connection: &Connection) -> bool {
        self.tell(|told| told.broken = true);
        true
    }

    fn ms_handle_refused(&self, _connection: &Connection) -> bool {
        self.tell(|told| told.broken = true);
        true
    }
}
