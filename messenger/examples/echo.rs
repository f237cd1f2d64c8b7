//! An echo server and its client in one process: `cargo run -p msgr --example echo -- async` (or `simple`).

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use msgr::{Connection, Dispatcher, EntityName, EntityType, Message, MessengerFactory, Policy, Setup};

/// The server: answers every message from the thread that received it.
struct Echo;

impl Dispatcher for Echo {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, _: &Message) -> bool {
        true
    }
    fn ms_fast_dispatch(&self, connection: &Connection, message: Message) {
        if let Err(error) = connection.send_message(message) {
            eprintln!("no echo: {error}");
        }
    }
}

/// The client: its messages wait for the dispatch thread, which passes them on.
struct Inbox(Mutex<Sender<Message>>);

impl Dispatcher for Inbox {
    fn ms_dispatch(&self, _: &Connection, message: Message) -> Option<Message> {
        let Ok(inbox) = self.0.lock() else { return None };
        drop(inbox.send(message)); // nobody listens any more when main has returned
        None
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let factory: &dyn MessengerFactory = match std::env::args().nth(1).as_deref() {
        Some("simple") => &msgr_simple::SimpleFactory,
        Some("async") => &msgr_async::AsyncFactory,
        _ => return Err("say which messenger: echo simple, or echo async".into()),
    };
    let server = factory.create(Setup::new(EntityName::osd(0)))?;
    server.set_default_policy(Policy::stateless_server());
    let address = server.bind("127.0.0.1:0".parse()?)?;
    server.add_dispatcher_head(Arc::new(Echo));
    server.start()?;

    let (inbox, replies) = channel();
    let client = factory.create(Setup::new(EntityName::client(1)).with_nonce(std::process::id()))?;
    client.set_default_policy(Policy::lossy_client());
    client.add_dispatcher_head(Arc::new(Inbox(Mutex::new(inbox))));
    client.start()?;
    client.connect_to(EntityType::OSD, address)?.send_message(Message::new(1).with_data("hello"))?;
    println!("{address} echoed {:?}", replies.recv()?.data);

    client.shutdown();
    server.shutdown();
    client.wait()?;
    Ok(server.wait()?)
}
