//! Case: large messages over a network that holds bytes up.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msgr::{Connection, Dispatcher, EntityName, Message, MessengerFactory, Policy};

use super::scale::Scale;
use crate::proxy::Proxy;
use crate::{Plan, eventually, random};

/// What two gigabytes may take on a slow machine.
const ARRIVAL: Duration = Duration::from_secs(300);

/// Lists the messages that arrive whole, and keeps none of them.
struct Recipient {
    expected: Bytes,
    list: Mutex<Vec<(EntityName, u64)>>,
}

impl Dispatcher for Recipient {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }
    fn ms_fast_dispatch(&self, _: &Connection, message: Message) {
        // A wrong one is not listed, and missed in the end.
        if message.data == self.expected {
            self.list.lock().unwrap().push((message.source.unwrap(), message.tid));
        }
    }
}

/// Two of eight clients send messages of 6.5 MB each to one server, the first of them into a network that lets nothing
/// through for now. All arrive whole and in order once it does, and are acknowledged.
///
/// Upstream sends 5000 of them, 32 GB; the first 1600 while an option lets one write in a hundred reach its socket. What
/// that brings about is full sockets and messages written in part: a proxy that holds all bytes up does it for every
/// messenger alike, and far fewer messages fill the sockets' buffers.
pub fn large_messages_pass_a_congested_network(factory: &dyn MessengerFactory) {
    const CLIENTS: usize = 8;
    const CONNECTIONS: usize = 2;
    const BYTES: usize = 6_500_000;
    const MESSAGES: usize = 200;
    const CONGESTED: usize = 64;
    let fewer = Scale::chosen().fewer;
    let (messages, congested) = (MESSAGES / fewer, CONGESTED / fewer);
    let mut random = random("large_messages_pass_a_congested_network");
    let mut payload = vec![0; BYTES];
    random.fill(&mut payload);
    let payload = Bytes::from(payload);
    let recipient = Arc::new(Recipient { expected: payload.clone(), list: Mutex::default() });
    let server = Plan::server(Policy::stateful_server()).seeded(random.u64(..));
    let server = server.start_with(factory, Arc::clone(&recipient) as _);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let plan = Plan::client(Policy::lossless_client()).named(EntityName::client(index as u64));
            plan.nonce(1 + index as u32).seeded(random.u64(..)).start(factory)
        })
        .collect();
    let senders = random.choose_multiple(0..CLIENTS, CONNECTIONS);
    let proxies = [(); CONNECTIONS].map(|()| Proxy::new(server.my_addr(), || None));
    let connections: Vec<_> =
        senders.iter().zip(&proxies).map(|(sender, proxy)| clients[*sender].connect(proxy.address())).collect();
    eventually("both are connected", || connections.iter().all(Connection::is_connected));
    let hold = |held| proxies.iter().for_each(|proxy| proxy.hold(held));

    hold(true);
    let mut sent = vec![Vec::new(); CONNECTIONS];
    for tid in 0..messages {
        if tid == congested {
            hold(false);
        }
        let by = random.usize(..CONNECTIONS);
        sent[by].push(tid as u64);
        // The queue's bound is the messenger's own way to say that the network is congested.
        let message = Message::new(97).with_tid(tid as u64).with_data(payload.clone());
        eventually("the queue has room", || connections[by].send_message(message.clone()).is_ok());
    }
    let begun = Instant::now();
    while recipient.list.lock().unwrap().len() < messages && begun.elapsed() < ARRIVAL {
        thread::yield_now();
    }
    let received = recipient.list.lock().unwrap().clone();
    for (sender, sent) in senders.iter().zip(sent) {
        let name = EntityName::client(*sender as u64);
        let its: Vec<u64> = received.iter().filter(|(from, _)| *from == name).map(|(_, tid)| *tid).collect();
        assert_eq!(its, sent, "from {name}");
    }
    eventually("everything is acknowledged", || connections.iter().all(|connection| connection.queued_bytes() == 0));
}
