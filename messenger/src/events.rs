//! Routing: what goes to a dispatcher at once, and what waits for the `ms_dispatch` and `ms_local` threads.

use crate::sync::atomic::Ordering::Relaxed;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::connection::Connection;
use crate::core::Core;
use crate::dispatcher::{Dispatcher, Events};
use crate::error::Error;
use crate::message::{Message, PRIORITY_HIGHEST, PRIORITY_LOW};
use crate::priority_queue::PriorityQueue;
use crate::session::{Session, State};
use crate::stages::{Mark, Stage};
use crate::stats::add;

/// Class of the items that belong to no connection's turn: events and loopback messages.
const NO_CLASS: u64 = 0;

/// Something that happened to a connection, told to the dispatchers by the dispatch thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connect,
    Accept,
    Reset,
    RemoteReset,
    Refused,
}

impl Event {
    fn interest(self) -> Events {
        match self {
            Event::Connect => Events::CONNECT,
            Event::Accept => Events::ACCEPT,
            Event::Reset => Events::RESET,
            Event::RemoteReset => Events::REMOTE_RESET,
            Event::Refused => Events::REFUSED,
        }
    }
}

/// What waits for the dispatch thread.
pub(crate) enum Item {
    Message(Connection, Message),
    Event(Connection, Event),
}

/// What waits for the local-delivery thread: a message to oneself, or the news that the loopback connection is open.
pub(crate) type Local = (Connection, Option<Message>);

/// Dispatchers in order, with what each of them wants.
#[derive(Clone, Default)]
pub(crate) struct DispatcherList {
    pub(crate) all: Vec<Arc<dyn Dispatcher>>,
    fast: Vec<Arc<dyn Dispatcher>>,
    events: Vec<(Events, Arc<dyn Dispatcher>)>,
}

impl DispatcherList {
    /// The list with one more dispatcher, which is asked here and now what it wants.
    pub(crate) fn with(&self, dispatcher: Arc<dyn Dispatcher>, head: bool) -> DispatcherList {
        let mut list = self.clone();
        let at = |len: usize| if head { 0 } else { len };
        list.all.insert(at(list.all.len()), Arc::clone(&dispatcher));
        if dispatcher.ms_can_fast_dispatch_any() {
            list.fast.insert(at(list.fast.len()), Arc::clone(&dispatcher));
        }
        list.events.insert(at(list.events.len()), (dispatcher.ms_events(), dispatcher));
        list
    }

    fn fast(&self, message: &Message) -> Option<&Arc<dyn Dispatcher>> {
        self.fast.iter().find(|dispatcher| dispatcher.ms_can_fast_dispatch(message))
    }
}

impl Core {
    /// Routes a received message: fast dispatch in this thread, or the queue.
    pub(crate) fn deliver(
        self: &Arc<Core>,
        dispatchers: &DispatcherList,
        connection: &Connection,
        mut message: Message,
    ) {
        for dispatcher in &dispatchers.all {
            dispatcher.ms_fast_preprocess(&message);
        }
        if let Some(dispatcher) = dispatchers.fast(&message) {
            let permit = message.permits.dispatch.take();
            let begun = message.begun.0;
            dispatcher.ms_fast_dispatch(connection, message);
            drop(permit);
            if begun.is_set() {
                self.time_dispatched(begun);
            }
            return;
        }
        let priority = message.priority;
        let class = connection.id();
        let cost = message.data.len() as u64;
        let item = Item::Message(connection.clone(), message);
        self.enqueue(|queue| {
            if priority >= PRIORITY_LOW {
                queue.push_strict(class, priority, item);
            } else {
                queue.push_fair(class, priority, cost, item);
            }
        });
    }

    /// The callback has returned to which a message went that was decoded then.
    #[cold]
    fn time_dispatched(&self, begun: Mark) {
        if let Some(stages) = self.stages() {
            stages.record_marked(Stage::Dispatched, begun, stages.now());
        }
    }

    /// Queues an event, if any dispatcher wants it.
    pub(crate) fn queue_event(self: &Arc<Core>, event: Event, session: &Arc<Session>) {
        let wanted = |(events, _): &(Events, _)| events.contains(event.interest());
        if self.is_stopping() || !self.dispatchers().events.iter().any(wanted) {
            return;
        }
        let item = Item::Event(Connection(Arc::clone(session)), event);
        self.enqueue(|queue| queue.push_strict(NO_CLASS, PRIORITY_HIGHEST, item));
    }

    fn enqueue(self: &Arc<Core>, push: impl FnOnce(&mut PriorityQueue<Item>)) {
        let started = self.dispatch_queue().push(push, PriorityQueue::pop, || {
            let core = Arc::clone(self);
            move |item| core.run(item)
        });
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the dispatch thread: raise the limit on threads");
        }
    }

    /// What the dispatch thread does with an item.
    fn run(self: &Arc<Core>, item: Item) {
        let dispatchers = self.dispatchers();
        match item {
            Item::Message(connection, message) => self.run_message(&dispatchers, &connection, message),
            Item::Event(connection, event) => {
                if let Some(delay) = self.inject_event_delay() {
                    self.dispatch_queue().pause(delay);
                }
                let wanting = dispatchers.events.iter().filter(|(events, _)| events.contains(event.interest()));
                for (_, dispatcher) in wanting {
                    let done = match event {
                        Event::Connect => {
                            dispatcher.ms_handle_connect(&connection);
                            false
                        }
                        Event::Accept => {
                            dispatcher.ms_handle_accept(&connection);
                            false
                        }
                        Event::RemoteReset => {
                            dispatcher.ms_handle_remote_reset(&connection);
                            false
                        }
                        Event::Reset => dispatcher.ms_handle_reset(&connection),
                        Event::Refused => dispatcher.ms_handle_refused(&connection),
                    };
                    if done {
                        break;
                    }
                }
            }
        }
    }

    /// Dispatches in this thread what is queued, for a core without threads; false when nothing was.
    pub fn dispatch_queued(self: &Arc<Core>) -> bool {
        let mut any = false;
        while let Some(item) = self.dispatch_queue().with(PriorityQueue::pop) {
            self.run(item);
            any = true;
        }
        while let Some(item) = self.local_queue().with(VecDeque::pop_front) {
            self.run_local(item);
            any = true;
        }
        any
    }

    fn run_message(&self, dispatchers: &DispatcherList, connection: &Connection, mut message: Message) {
        let _permit = message.permits.dispatch.take();
        let kind = message.kind;
        let begun = message.begun.0;
        for dispatcher in &dispatchers.all {
            match dispatcher.ms_dispatch(connection, message) {
                None => {
                    if begun.is_set() {
                        self.time_dispatched(begun);
                    }
                    return;
                }
                Some(back) => message = back,
            }
        }
        add(&self.counters().msgr_drop_undispatched_messages, 1);
        tracing::warn!(kind, peer = %connection.peer_addr(), "no dispatcher took a message");
    }

    /// Drops what waits for dispatch from a session that was reset or closed.
    pub(crate) fn discard_queued(&self, session: &Session) {
        // Dropped outside the queue's lock: a message's permits may wake readers.
        drop(self.dispatch_queue().with(|queue| queue.remove_class(session.id())));
    }

    /// Delivers a message this messenger sent to itself, by the local-delivery thread; before the first of a loopback
    /// connection, which `state` tells, the dispatchers hear that it is open.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when that thread does not keep up.
    pub(crate) fn deliver_local(
        self: &Arc<Core>,
        session: &Arc<Session>,
        state: &mut State,
        message: Message,
    ) -> Result<(), Error> {
        let queued = self.local_bytes().load(Relaxed);
        if queued + message.payload_len() > self.config().ms_out_queue_max_bytes {
            return Err(Error::QueueFull { peer: self.my_addr(), queued });
        }
        self.local_bytes().fetch_add(message.queue_cost(), Relaxed);
        let connection = Connection(Arc::clone(session));
        let news = (!mem::replace(&mut state.opened, true)).then(|| (connection.clone(), None));
        let started = self.local_queue().push(
            |queue| queue.extend(news.into_iter().chain([(connection, Some(message))])),
            VecDeque::pop_front,
            || {
                let core = Arc::clone(self);
                move |item| core.run_local(item)
            },
        );
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the local-delivery thread: raise the limit on threads");
        }
        Ok(())
    }

    /// What the local-delivery thread does with an item.
    fn run_local(self: &Arc<Core>, (connection, message): Local) {
        if let Some(message) = &message {
            self.local_bytes().fetch_sub(message.queue_cost(), Relaxed);
        }
        if connection.0.is_closed() {
            return;
        }
        let dispatchers = self.dispatchers();
        match message {
            Some(message) => self.deliver(&dispatchers, &connection, message),
            None => dispatchers.all.iter().for_each(|dispatcher| dispatcher.ms_handle_fast_connect(&connection)),
        }
    }
}
