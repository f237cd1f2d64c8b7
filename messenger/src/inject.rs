//! Fault injection, under Ceph's option names (`ms_inject_*`): what breaks or waits, and when.
//!
//! The choices are made here, from the messenger's seed, so that every messenger and stack breaks in the same ways.
//! Nothing here sleeps: a delay is a time before which something does not go on.

use std::time::Duration;

use crate::core::Core;
use crate::entity::EntityType;
use crate::message::Message;
use crate::stats::add;

impl Core {
    /// Whether the read or write that is about to be made fails instead, as one in `ms_inject_socket_failures` does: its
    /// socket is to be shut down.
    #[must_use]
    pub fn inject_socket_failure(&self) -> bool {
        let one_in = self.config().ms_inject_socket_failures;
        let fails = one_in > 0 && u64::from(self.random()).is_multiple_of(one_in);
        if fails {
            add(&self.counters().msgr_injected_socket_failures, 1);
        }
        fails
    }

    /// Whether peers of this type have a delay queue.
    pub(crate) fn delays_messages_of(&self, peer: EntityType) -> bool {
        peer.name().is_some_and(|name| self.config().ms_inject_delay_type.contains(name))
    }

    /// How long a message just received is held back.
    pub(crate) fn inject_message_delay(&self, message: &Message) -> Duration {
        let config = self.config();
        let its_kind =
            config.ms_inject_delay_msg_type == 0 || config.ms_inject_delay_msg_type == u64::from(message.kind);
        if !its_kind || self.fraction() >= config.ms_inject_delay_probability {
            return Duration::ZERO;
        }
        add(&self.counters().msgr_injected_delays, 1);
        config.ms_inject_delay_max.mul_f64(self.fraction())
    }

    /// How long a point where races are likely is held up (`ms_inject_internal_delays`).
    pub(crate) fn inject_internal_delay(&self) -> Option<Duration> {
        let delay = self.config().ms_inject_internal_delays;
        (!delay.is_zero()).then_some(delay)
    }

    /// How long the dispatch thread holds an event up: with both of these options, that share of the events.
    pub(crate) fn inject_event_delay(&self) -> Option<Duration> {
        self.inject_internal_delay().filter(|_| self.fraction() < self.config().ms_inject_delay_probability)
    }

    /// A random number from 0 up to 1, in steps of 1/10000.
    fn fraction(&self) -> f64 {
        f64::from(self.random() % 10_000) / 10_000.0
    }
}
