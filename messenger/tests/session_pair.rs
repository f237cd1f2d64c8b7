//! Two messengers joined in memory: openings, replay, resets, races, throttles.

mod common;

use common::{Net, Seen};
use msgr::{EntityName, Message, Messenger, Policy};

const SERVER: &str = "10.0.0.1:6800";
const CLIENT: &str = "10.0.0.2:6800";

#[test]
fn a_message_and_its_answer_cross() {
    let mut net = Net::new();
    let server = net.node(EntityName::osd(1), SERVER, Policy::stateless_server());
    let client = net.node(EntityName::client(7), CLIENT, Policy::lossy_client());
    server.on_message(|from, message| from.send_message(Message::new(1).with_tid(message.tid + 1)).unwrap());
    let connection = net.connect(&client, &server);
    client.send_all(&connection, [10, 20]);
    net.run();
    assert_eq!(client.tids(), [11, 21]);
    assert!(connection.is_connected());
    assert_eq!(client.events(), [Seen::Connect]);
    assert_eq!(server.events(), [Seen::Accept]);
}
