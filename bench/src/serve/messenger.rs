//! A messenger as the side under test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use msgr::Config;
use msgr::{Connection, Dispatcher, EntityName, Events, Message, Messenger, MessengerFactory, Policy, Setup};

use super::{Delays, Side, Tally};
use crate::kinds::Kind;
use crate::probe::StageCounts;
use crate::program::{self, Answer};
use crate::wire::{CREDIT, REPLY, REQUEST, STREAM, STREAM_MARK, payload};

/// A bound and started messenger, `osd.0` with nonce 0.
pub(super) struct Served {
    kind: Kind,
    address: SocketAddr,
    messenger: Arc<dyn Messenger>,
    echo: Arc<Echo>,
}

impl Served {
    /// Makes a messenger and serves on `address`, with replies of `reply` bytes.
    ///
    /// # Errors
    ///
    /// When the address is in use or the host refuses what the messenger needs.
    pub(super) fn bind(
        kind: Kind,
        factory: &dyn MessengerFactory,
        address: SocketAddr,
        config: Config,
        reply: u64,
        delays: Option<Delays>,
    ) -> anyhow::Result<Arc<Served>> {
        let messenger = factory
            .create(Setup::new(EntityName::osd(0)).with_config(config))
            .with_context(|| format!("cannot make a messenger of kind {}", kind.name()))?;
        messenger.set_default_policy(Policy::stateless_server());
        let bound = messenger.bind(address)?;
        let reply = payload(usize::try_from(reply)?);
        let echo = Arc::new(Echo { reply, answer: program::answer(), tally: Tally::default(), delays });
        messenger.add_dispatcher_head(echo.clone());
        messenger.start()?;
        let address = bound.socket.unwrap_or(address);
        Ok(Arc::new(Served { kind, address, messenger, echo }))
    }
}

impl Side for Served {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn messages(&self) -> u64 {
        self.echo.tally.total()
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.messenger.stats().entries().into_iter().chain(self.messenger.shared_counters());
        counters.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn stages(&self) -> Option<StageCounts> {
        self.messenger.stages().map(StageCounts::read)
    }

    fn stop(&self) -> anyhow::Result<()> {
        self.messenger.shutdown();
        Ok(self.messenger.wait()?)
    }
}

/// Answers requests and grants credit, from the thread that received them.
struct Echo {
    reply: Bytes,
    /// What answers requests instead of `reply`.
    answer: Option<&'static Answer>,
    tally: Tally,
    delays: Option<Delays>,
}

impl Dispatcher for Echo {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        matches!(message.kind, REQUEST | STREAM | STREAM_MARK)
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        if let Some(delays) = &self.delays {
            delays.wait();
        }
        self.tally.add(1);
        let answer = match message.kind {
            REQUEST => {
                let reply = self.answer.map_or_else(|| self.reply.clone(), |answer| answer(&message));
                Message::new(REPLY).with_data(reply)
            }
            STREAM_MARK => Message::new(CREDIT),
            _ => return,
        };
        // A full queue means that the peer reads no answers: it is the peer that stops, and says so.
        let _ = connection.send_message(answer.with_tid(message.tid));
    }

    fn ms_events(&self) -> Events {
        Events::NONE
    }
}
