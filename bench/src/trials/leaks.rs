//! The verb `leaks`: connections that end in every way there is, and what the server has kept of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use msgr::{Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, Messenger, Policy, Setup};

use super::args::LeaksArgs;
use super::node::{Pair, Role, STRANGE, STRANGE_BYE, STRANGE_ECHO, Spec};
use super::nodes::{Cost, Halt, Node, loopback};
use super::raw::{Stranger, frame, header, hello};
use super::steps::Steps;
use super::verdict::{Verdict, halted};
use crate::exit::Exit;
use crate::host;
use crate::interrupt;
use crate::kinds::Kind;

/// Connections made before anything is compared: pools, arenas and tables reach their size.
const WARM_UP: u64 = 1_000;

/// Connections after which it is looked whether everything is back.
const BATCH: u64 = 1_000;

/// How long the server may take until files and threads are back after a batch.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// How long a messenger may take to have a message answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Closed as soon as it is made.
    AtOnce,
    /// Closed in the middle of the handshake.
    InHandshake,
    /// Closed in the middle of a message.
    InMessage,
    /// Marked down by the messenger that dialled.
    MarkedDown,
    /// Marked down by the server.
    MarkedDownThere,
}

impl End {
    const ALL: [End; 5] = [End::AtOnce, End::InHandshake, End::InMessage, End::MarkedDown, End::MarkedDownThere];
}

/// The verb `leaks`.
///
/// # Errors
///
/// When a node cannot be started.
pub(crate) fn leaks(args: &LeaksArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    interrupt::catch()?;
    run(args, args.common.seed()).or_else(halted)
}

fn run(args: &LeaksArgs, seed: u64) -> Result<Exit, Halt> {
    let mut verdict = Verdict::default();
    let mut steps = Steps::new((args.connects + WARM_UP) * args.common.messengers.len() as u64);
    let header = [
        "messenger",
        "connects",
        "files before",
        "after",
        "threads before",
        "after",
        "memory before, KiB",
        "half way",
        "after",
        "may grow by",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut done = 0;
    for kind in &args.common.messengers {
        let what = kind.name();
        let outcome = one(args, *kind, seed, &mut verdict, |made| steps.at(done + made, what));
        done += args.connects + WARM_UP;
        let Some([before, half, after]) = verdict.take(what, outcome)? else { continue };
        let kib = |bytes: u64| (bytes >> 10).to_string();
        rows.push(vec![
            what.into(),
            args.connects.to_string(),
            before.files.to_string(),
            after.files.to_string(),
            before.threads.to_string(),
            after.threads.to_string(),
            kib(before.rss),
            kib(half.rss),
            kib(after.rss),
            kib(args.growth),
        ]);
    }
    drop(steps);
    let headline = format!(
        "leaks: {} connections that end at once, in a handshake, in a message, or marked down on either side, after {} to \
         warm up, seed {seed}",
        args.connects, WARM_UP
    );
    Ok(verdict.print(&headline, &rows)?)
}

/// Connects and drops; gives what the server cost before, half way, and at the end.
fn one(
    args: &LeaksArgs,
    kind: Kind,
    seed: u64,
    verdict: &mut Verdict,
    mut progress: impl FnMut(u64),
) -> Result<[Cost; 3], Halt> {
    let spec = Spec {
        kind: kind.name().into(),
        policies: Pair::Lossy,
        options: args.common.options(&[]),
        seed,
        bytes: (64, 64),
        incarnation: 1,
        peers: 0,
        files: None,
        role: Role::Serve { at: loopback(0) },
    };
    let server = Node::start("the server", &spec)?;
    let fresh = server.cost()?;
    let caller = Caller::new(server.addresses[0])?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut nonce = 1;
    let mut made = 0;
    let mut batch = |size: u64, what: &str, verdict: &mut Verdict| -> Result<Cost, Halt> {
        for _ in 0..size {
            if interrupt::requested() {
                return Err(Halt::Interrupted);
            }
            nonce += 1;
            let end = random.choice(End::ALL).unwrap_or(End::AtOnce);
            connect(end, server.addresses[0], nonce, &caller)
                .map_err(|error| Halt::Broken(format!("connection {nonce} ({end:?}) failed: {error:#}")))?;
            made += 1;
            progress(made);
        }
        // Threads that a first message or event starts are no leak: those are there when the warm-up is over.
        let (cost, back) = server.wait_cost(BACK_WITHIN, |cost| {
            cost.files <= fresh.files && cost.threads <= fresh.threads + STARTED_LATER
        })?;
        verdict.expect(back, || {
            format!(
                "{} {what}: {} files and {} threads are there after {} s, {} and {} at the start",
                kind.name(),
                cost.files,
                cost.threads,
                BACK_WITHIN.as_secs(),
                fresh.files,
                fresh.threads
            )
        });
        Ok(cost)
    };
    let before = batch(WARM_UP, "after the warm-up", verdict)?;
    let mut half = before;
    let mut left = args.connects;
    while left > 0 {
        let size = left.min(BATCH);
        left -= size;
        let cost = batch(size, "after a batch", verdict)?;
        if left >= args.connects / 2 {
            half = cost;
        }
    }
    caller.end()?;
    let (after, back) =
        server.wait_cost(BACK_WITHIN, |cost| cost.files == before.files && cost.threads == before.threads)?;
    verdict.expect(back, || format!("{}: {after:?} at the end, {before:?} before", kind.name()));
    let growth = after.rss.saturating_sub(before.rss);
    verdict.expect(growth <= args.growth, || {
        format!("{}: memory grew by {} KiB, more than {} KiB", kind.name(), growth >> 10, args.growth >> 10)
    });
    server.end()?;
    Ok([before, half, after])
}

/// Threads that a server starts with its first connection or event: the reaper and the dispatch thread.
const STARTED_LATER: u64 = 2;

fn connect(end: End, server: SocketAddr, nonce: u32, caller: &Caller) -> anyhow::Result<()> {
    let message = |kind| frame(header(kind, 1, b"data"), b"data", false);
    let act = || -> io::Result<()> {
        let stranger = match end {
            End::AtOnce => Stranger::dial(server)?,
            End::InHandshake => {
                let mut stranger = Stranger::dial(server)?;
                stranger.read_greeting()?;
                let hello = hello(nonce);
                stranger.write(&hello[..1 + nonce as usize % (hello.len() - 1)])?;
                stranger
            }
            End::InMessage => {
                let mut stranger = Stranger::open(server, nonce)?;
                let message = message(STRANGE);
                stranger.write(&message[..1 + nonce as usize % (message.len() - 1)])?;
                stranger
            }
            End::MarkedDownThere => {
                let mut stranger = Stranger::open(server, nonce)?;
                stranger.write(&message(STRANGE_BYE))?;
                if !stranger.is_dropped() {
                    return Err(io::Error::other("the server marked it down, and it is still there"));
                }
                stranger
            }
            End::MarkedDown => return Ok(()),
        };
        stranger.close();
        Ok(())
    };
    if end == End::MarkedDown { caller.call() } else { Ok(act()?) }
}

/// A messenger that dials, has one message answered, and marks the connection down.
struct Caller {
    messenger: Arc<dyn Messenger>,
    server: EntityAddr,
    answers: Receiver<()>,
}

/// Tells that an answer came.
struct Answered(Mutex<Sender<()>>);

impl Dispatcher for Answered {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }

    fn ms_fast_dispatch(&self, _: &Connection, _: Message) {
        // Nobody listens when the caller has ended.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }
}

impl Caller {
    fn new(server: SocketAddr) -> anyhow::Result<Caller> {
        let factory = Kind::DEFAULT_LOAD.factory().context("the load side has a messenger")?;
        let messenger = factory.create(Setup::new(EntityName::client(1)).with_nonce(1))?;
        messenger.set_default_policy(Policy::lossy_client());
        let (tell, answers) = channel();
        messenger.add_dispatcher_head(Arc::new(Answered(Mutex::new(tell))));
        messenger.start()?;
        Ok(Caller { messenger, server: EntityAddr::new(server, 0), answers })
    }

    fn call(&self) -> anyhow::Result<()> {
        let connection = self.messenger.connect_to(EntityType::OSD, self.server)?;
        connection.send_message(Message::new(STRANGE_ECHO).with_data("call"))?;
        self.answers.recv_timeout(ANSWER_WITHIN).context("a message was not answered")?;
        connection.mark_down();
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        self.messenger.shutdown();
        Ok(self.messenger.wait()?)
    }
}
