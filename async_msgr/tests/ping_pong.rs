//! Requests and replies over real sockets.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgr::{Connection, Dispatcher, EntityName, EntityType, Message, MessengerFactory, Policy, Setup};
use msgr_async::AsyncFactory;

const PATIENCE: Duration = Duration::from_secs(20);

struct Echo;

impl Dispatcher for Echo {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        let reply = Message::new(43).with_tid(message.tid).with_data(message.data.clone());
        connection.send_message(reply).unwrap();
    }
}

struct Collect(Mutex<Sender<Message>>);

impl Dispatcher for Collect {
    fn ms_dispatch(&self, _: &Connection, message: Message) -> Option<Message> {
        self.0.lock().unwrap().send(message).unwrap();
        None
    }
}

fn round_trip(driver: &str, address: SocketAddr, sizes: &[usize]) {
    let mut setup = Setup::new(EntityName::osd(0));
    setup.config.set("ms_async_event_driver", driver).unwrap();
    let server = AsyncFactory.create(setup.clone()).unwrap();
    server.set_default_policy(Policy::stateless_server());
    let target = server.bind(address).unwrap();
    server.add_dispatcher_head(Arc::new(Echo));
    server.start().unwrap();

    setup.name = EntityName::client(1);
    setup.nonce = 7;
    let client = AsyncFactory.create(setup).unwrap();
    client.set_default_policy(Policy::lossy_client());
    let (tx, rx) = channel();
    client.add_dispatcher_head(Arc::new(Collect(Mutex::new(tx))));
    client.start().unwrap();
    let connection = client.connect_to(EntityType::OSD, target).unwrap();
    for (tid, size) in sizes.iter().enumerate() {
        let data: Vec<u8> = (0..*size).map(|i| (i * 7 + tid) as u8).collect();
        connection.send_message(Message::new(42).with_tid(tid as u64).with_data(data)).unwrap();
    }
    for (tid, size) in sizes.iter().enumerate() {
        let reply = rx.recv_timeout(PATIENCE).unwrap();
        assert_eq!((reply.tid, reply.data.len()), (tid as u64, *size));
        assert!(reply.data.iter().enumerate().all(|(i, byte)| *byte == (i * 7 + tid) as u8));
    }
    assert!(connection.is_connected());
    for messenger in [client, server] {
        messenger.shutdown();
        messenger.wait().unwrap();
    }
}

#[test]
fn messages_of_every_size_come_back_over_epoll() {
    round_trip("epoll", "127.0.0.1:0".parse().unwrap(), &[0, 1, 64, 4096, 5000, 65_536, 300_000, 64 << 20, 0, 17]);
}

#[test]
fn messages_of_every_size_come_back_over_poll() {
    round_trip("poll", "127.0.0.1:0".parse().unwrap(), &[0, 1, 64, 4096, 5000, 65_536, 300_000, 64 << 20, 0, 17]);
}

#[test]
fn ipv6_works_too() {
    round_trip("epoll", "[::1]:0".parse().unwrap(), &[0, 64, 4096]);
}
