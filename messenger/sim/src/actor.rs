//! What moves the bytes of one session: the driver that a stack would have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use msgr::Messenger;
use msgr::session::{Driver, Link, Outbox, Session};

use crate::node::Node;

/// What a driver was told and has not done yet.
#[derive(Default)]
pub struct Told {
    pub(crate) transmit: AtomicBool,
    pub(crate) step: AtomicBool,
    pub(crate) resume: AtomicBool,
    pub(crate) hang_up: AtomicBool,
}

impl Driver for Told {
    fn transmit(&self) {
        self.transmit.store(true, SeqCst);
    }

    fn step(&self) {
        self.step.store(true, SeqCst);
    }

    fn resume(&self) {
        self.resume.store(true, SeqCst);
    }

    fn hang_up(&self) {
        self.hang_up.store(true, SeqCst);
    }
}

/// Whether a driver was told, once. Looks before it writes: most of what the benchmark's loop does is this.
pub(crate) fn take(told: &AtomicBool) -> bool {
    told.load(SeqCst) && told.swap(false, SeqCst)
}

/// One driver: at most one link at a time, and the session it serves.
pub(crate) struct Actor {
    pub(crate) node: Arc<Node>,
    pub(crate) id: u64,
    pub(crate) told: Arc<Told>,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) link: Option<Box<Link>>,
    /// A dial that is not up yet, and when it will be; `None` inside when it will not.
    pub(crate) connecting: Option<Option<Instant>>,
    pub(crate) wire: usize,
    pub(crate) side: usize,
    pub(crate) outbox: Outbox,
    /// Told to transmit, and the session may have more.
    pub(crate) transmitting: bool,
    /// Input is held back by the link.
    pub(crate) waiting: bool,
    pub(crate) wake: Option<Instant>,
    /// Reading, and writing, go on from here.
    pub(crate) stalled: [Option<Instant>; 2],
    /// The session has no use for it any more.
    pub(crate) gone: bool,
}

/// Index of the reading in [`Actor::stalled`].
pub(crate) const READING: usize = 0;
/// Index of the writing.
pub(crate) const WRITING: usize = 1;

impl Actor {
    pub(crate) fn new(node: Arc<Node>, session: Option<Arc<Session>>, side: usize) -> Actor {
        Actor {
            id: node.core().next_id(),
            node,
            told: Arc::default(),
            session,
            link: None,
            connecting: None,
            wire: usize::MAX,
            side,
            outbox: Outbox::new(),
            transmitting: false,
            waiting: false,
            wake: None,
            stalled: [None; 2],
            gone: false,
        }
    }

    /// Whether its reading or writing is stalled; a stall that is over is forgotten.
    pub(crate) fn is_stalled(&mut self, which: usize, now: Instant) -> bool {
        if self.stalled[which].is_some_and(|until| until <= now) {
            self.stalled[which] = None;
        }
        self.stalled[which].is_some()
    }

    /// Nothing will ever come of it.
    pub(crate) fn is_over(&self) -> bool {
        self.link.is_none() && (self.gone || self.session.is_none())
    }
}
