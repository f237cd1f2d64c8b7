//! Whole messengers under scheduled threads, on a kernel that the test plays: whatever the applications' threads and the
//! workers do at the same time, every message arrives without another nudge, and every connection ends.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod kernel;

use std::time::Duration;

use msgr::sync::{Arc, Condvar, Mutex, explore, thread};
use msgr::{
    Config, Connection, Dispatcher, EntityAddr, EntityName, EntityType, Message, Messenger, Policy, Setup, Throttle,
};

use crate::messenger::AsyncMessenger;
use crate::worker_pool::WorkerPool;
use kernel::Kernel;

const SERVER: &str = "10.0.0.1:6800";

/// Counts what arrives and, if it is to, sends it back.
#[derive(Default)]
struct Application {
    tids: Mutex<Vec<u64>>,
    arrived: Condvar,
    echoes: bool,
}

impl Application {
    fn wait_for(&self, number: usize) -> Vec<u64> {
        let mut tids = self.tids.lock().unwrap();
        while tids.len() < number {
            tids = self.arrived.wait(tids).unwrap();
        }
        tids.clone()
    }
}

impl Dispatcher for Application {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }

    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let tid = message.tid;
        if self.echoes {
            connection.send_message(message).unwrap();
        }
        self.tids.lock().unwrap().push(tid);
        self.arrived.notify_all();
    }

    fn ms_events(&self) -> msgr::Events {
        msgr::Events::NONE
    }
}

/// A messenger with a worker of its own.
fn messenger(kernel: &Arc<Kernel>, name: EntityName, policy: Policy, inline: bool) -> AsyncMessenger {
    let config = Config {
        ms_async_send_inline: inline,
        // No time passes here, so nothing may wait for it.
        ms_initial_backoff: Duration::ZERO,
        ms_max_backoff: Duration::ZERO,
        ..Config::default()
    };
    let setup = Setup::new(name).with_config(config);
    let messenger = AsyncMessenger::on(WorkerPool::of_one(kernel.driver()).unwrap(), setup, kernel.stack()).unwrap();
    messenger.set_default_policy(policy);
    messenger
}

struct Pair {
    kernel: Arc<Kernel>,
    server: AsyncMessenger,
    client: Arc<AsyncMessenger>,
    echo: Arc<Application>,
    replies: Arc<Application>,
    address: EntityAddr,
}

impl Pair {
    /// A server that echoes and a client. Sockets hold this many bytes in each direction.
    fn new(server: Policy, client: Policy, room: usize, inline: bool, throttle: Option<Arc<Throttle>>) -> Pair {
        let kernel = Kernel::new(room);
        let (server, client) = (
            messenger(&kernel, EntityName::osd(1), server, inline),
            Arc::new(messenger(&kernel, EntityName::client(1), client, inline)),
        );
        server.set_policy_throttlers(EntityType::CLIENT, None, throttle);
        let address = server.bind(SERVER.parse().unwrap()).unwrap();
        let echo = Arc::new(Application { echoes: true, ..Application::default() });
        let replies = Arc::new(Application::default());
        server.add_dispatcher_head(Arc::clone(&echo) as _);
        client.add_dispatcher_head(Arc::clone(&replies) as _);
        server.start().unwrap();
        client.start().unwrap();
        Pair { kernel, server, client, echo, replies, address }
    }

    /// Sends messages with these numbers from a thread of its own.
    fn sender(&self, tids: std::ops::Range<u64>, size: usize) -> thread::JoinHandle<()> {
        let (client, address) = (Arc::clone(&self.client), self.address);
        thread::spawn(move || {
            for tid in tids {
                let message = Message::new(1).with_tid(tid).with_data(vec![0; size]);
                client.send_message(message, EntityType::OSD, address).unwrap();
            }
        })
    }

    /// Both messengers end, and so do their workers.
    fn end(self) {
        self.client.shutdown();
        self.server.shutdown();
        self.client.wait().unwrap();
        self.server.wait().unwrap();
    }
}

/// The numbers of each thread, in order.
fn assert_in_order(tids: &[u64], sent: &[std::ops::Range<u64>]) {
    for range in sent {
        let own: Vec<u64> = tids.iter().copied().filter(|tid| range.contains(tid)).collect();
        assert_eq!(own, range.clone().collect::<Vec<_>>());
    }
}

fn echoes(room: usize, size: usize, inline: bool) {
    let pair = Pair::new(Policy::stateless_server(), Policy::lossy_client(), room, inline, None);
    let sent = [0..2, 10..12];
    let senders = sent.clone().map(|tids| pair.sender(tids, size));
    assert_in_order(&pair.replies.wait_for(4), &sent);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    pair.end();
}

#[test]
fn requests_of_several_threads_are_answered_when_threads_write_for_themselves() {
    explore::schedules(1_500, || echoes(10_000, 10, true));
}

#[test]
fn requests_of_several_threads_are_answered_when_the_worker_writes() {
    explore::schedules(1_500, || echoes(10_000, 10, false));
}

#[test]
fn full_sockets_are_written_to_again_once_there_is_room() {
    explore::schedules(1_500, || echoes(150, 300, true));
}

#[test]
fn a_throttled_server_reads_on_when_its_application_lets_go() {
    explore::schedules(1_000, || {
        let throttle = Throttle::new(1);
        let (server, client) = (Policy::stateless_server(), Policy::lossy_client());
        let pair = Pair::new(server, client, 10_000, true, Some(Arc::clone(&throttle)));
        // Held by somebody else for as long as it likes.
        let held = throttle.try_take(1).unwrap();
        let sender = pair.sender(0..3, 10);
        let lets_go = thread::spawn(move || drop(held));
        assert_eq!(pair.replies.wait_for(3), [0, 1, 2]);
        sender.join().unwrap();
        lets_go.join().unwrap();
        pair.end();
    });
}

/// All connections break while a thread sends.
fn breaks(client: Policy) {
    let pair = Pair::new(Policy::stateful_server(), client, 10_000, true, None);
    let sender = pair.sender(0..3, 10);
    let breaks = thread::spawn({
        let kernel = Arc::clone(&pair.kernel);
        move || kernel.break_all()
    });
    assert_eq!(pair.replies.wait_for(3), [0, 1, 2]);
    sender.join().unwrap();
    breaks.join().unwrap();
    assert_eq!(pair.echo.wait_for(3), [0, 1, 2]);
    pair.end();
}

#[test]
fn a_broken_connection_is_dialled_again_and_nothing_is_lost_or_doubled() {
    explore::schedules(1_500, || breaks(Policy::lossless_client()));
}

#[test]
fn a_connection_that_rests_in_standby_is_revived_by_a_send() {
    explore::schedules(1_500, || breaks(Policy::lossless_peer()));
}

#[test]
fn a_shutdown_ends_everything_whatever_is_under_way() {
    explore::schedules(1_500, || {
        let pair = Pair::new(Policy::stateful_server(), Policy::lossless_client(), 150, true, None);
        let (client, address) = (Arc::clone(&pair.client), pair.address);
        let sender = thread::spawn(move || {
            // Refused once the messenger is shut down.
            drop(client.send_message(Message::new(1).with_data(vec![0; 300]), EntityType::OSD, address));
            drop(client.connect_to(EntityType::OSD, address).map(|connection| connection.mark_down()));
        });
        let (client, server) = (Arc::clone(&pair.client), &pair.server);
        let shuts_down = thread::spawn(move || client.shutdown());
        server.mark_down_all();
        sender.join().unwrap();
        shuts_down.join().unwrap();
        pair.end();
    });
}

#[test]
fn a_server_that_shuts_down_while_it_is_dialled_ends_though_its_client_stays() {
    explore::schedules(3_000, || {
        let pair = Pair::new(Policy::stateful_server(), Policy::lossless_client(), 10_000, true, None);
        let sender = pair.sender(0..1, 10);
        pair.server.shutdown();
        pair.server.wait().unwrap();
        sender.join().unwrap();
        pair.client.shutdown();
        pair.client.wait().unwrap();
    });
}
