//! The delay queue of a link: received messages that fault injection holds back (`ms_inject_delay_*`).

use std::collections::VecDeque;
use std::time::Instant;

use crate::core::Core;
use crate::message::Message;

use super::state::later;

/// Messages held back at once; reading pauses beyond. Enough to delay everything of a busy peer for a while, and a bound
/// on memory for messages without payload, which no throttle counts.
const DELAYED_MAX: usize = 1024;

/// Messages in the order in which they arrived, each with the time from which it may go. One that is not due holds up
/// those behind it: a delay must not reorder.
#[derive(Default)]
pub(crate) struct DelayQueue(VecDeque<(Instant, Message)>);

impl DelayQueue {
    /// Adds a message, delayed as the options and chance have it.
    pub(crate) fn push(&mut self, core: &Core, message: Message, now: Instant) {
        let delay = core.inject_message_delay(&message);
        self.0.push_back((later(now, delay), message));
    }

    /// When the first message may go.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    /// Whether the first message may go at `now`; without a `now`, whether there is one.
    pub(crate) fn is_due(&self, now: Option<Instant>) -> bool {
        self.due().is_some_and(|at| now.is_none_or(|now| at <= now))
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.0.pop_front().map(|(_, message)| message)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= DELAYED_MAX
    }
}
