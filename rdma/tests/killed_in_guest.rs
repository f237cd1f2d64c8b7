//! A peer's process is killed, in either role: the other side hears what its policy promises, and goes on.
#![allow(clippy::unwrap_used)] // in helpers as in tests

mod device;
mod verbs;

use std::env;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use device::resources;
use msgr::{EntityAddr, EntityName, Message, Policy};
use msgr_conformance::{Node, Plan, echo, eventually};
use verbs::Verbs;

/// What the process to be killed is to be: `stateful` or `stateless` for a server, `lossy` or `lossless` for a client. The
/// policies of both sides must fit: it is the server that tells a client whether the session is lossy.
const ROLE: &str = "MSGR_VICTIM";
/// Where its server listens.
const ADDRESS: &str = "MSGR_VICTIM_ADDRESS";

/// This program once more, as a process that can be killed.
struct Victim(Child);

impl Victim {
    fn start(role: &str, server: SocketAddr) -> Victim {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "victim", "--nocapture"]).env(ROLE, role).env(ADDRESS, server.to_string());
        Victim(command.stdout(Stdio::null()).spawn().unwrap())
    }

    /// With SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// What a victim does; nothing when the tests are run.
#[test]
fn victim() {
    let Ok(role) = env::var(ROLE) else { return };
    let address: SocketAddr = env::var(ADDRESS).unwrap().parse().unwrap();
    let policy = match role.as_str() {
        "stateful" => return serve(Policy::stateful_server(), address),
        "stateless" => return serve(Policy::stateless_server(), address),
        "lossy" => Policy::lossy_client(),
        _ => Policy::lossless_client(),
    };
    let client = Plan::client(policy).named(EntityName::client(7)).nonce(std::process::id()).start(&Verbs);
    let connection = client.connect(address_of(address));
    loop {
        // Always something under way.
        connection.send_message(Message::new(1).with_data(vec![1; 10_000])).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
}

fn serve(policy: Policy, address: SocketAddr) {
    let _server = Plan::server(policy).at(address).reacting(echo()).start(&Verbs);
    loop {
        thread::park();
    }
}

fn address_of(socket: SocketAddr) -> EntityAddr {
    EntityAddr::new(socket, 0)
}

fn client(policy: Policy) -> Node {
    Plan::client(policy).with("ms_max_backoff", "0.2").start(&Verbs)
}

#[test]
fn a_lossless_client_of_a_killed_server_is_told_that_its_next_life_forgot_it_and_goes_on() {
    const LAST: u64 = 1000;
    let address: SocketAddr = "127.9.9.1:7101".parse().unwrap();
    let mut server = Victim::start("stateful", address);
    let client = client(Policy::lossless_client());
    let connection = client.connect(address_of(address));
    client.ask(&connection, Message::new(1));
    for tid in 1..100 {
        connection.send_message(Message::new(1).with_tid(tid).with_data(vec![1; 10_000])).unwrap();
    }
    server.kill();
    eventually("the client notices", || !connection.is_connected());
    let _next = Victim::start("stateful", address);
    assert_eq!(client.remote_reset(), connection);
    connection.send_message(Message::new(1).with_tid(LAST)).unwrap();
    let mut before = 0;
    loop {
        let tid = client.message().tid;
        assert!(tid > before, "{tid} after {before}");
        before = tid;
        if tid == LAST {
            break;
        }
    }
}

#[test]
fn a_lossy_client_of_a_killed_server_is_reset() {
    let address: SocketAddr = "127.9.9.1:7102".parse().unwrap();
    let mut server = Victim::start("stateless", address);
    let client = client(Policy::lossy_client());
    let connection = client.connect(address_of(address));
    client.ask(&connection, Message::new(1));
    server.kill();
    assert_eq!(client.reset(), connection);
}

/// Kills clients of a server of this policy that are sending, while another one is served; what the server makes of each
/// is looked at by `look`.
fn clients_are_killed(role: &str, policy: Policy, look: impl Fn(&Node)) {
    const DEATHS: u64 = 3;
    let server = Plan::server(policy).reacting(echo()).start(&Verbs);
    let good = client(Policy::lossy_client());
    let connection = good.connect(server.address());
    good.ask(&connection, Message::new(1));
    eventually("only the good one is there", || resources("qp") <= 3);
    let before = resources("qp");
    for death in 0..DEATHS {
        // What the last one sent says nothing of this one.
        server.rest();
        let mut victim = Victim::start(role, server.socket());
        while server.message().data.is_empty() {}
        victim.kill();
        look(&server);
        good.ask(&connection, Message::new(1).with_tid(death));
    }
    eventually("no queue pair of the dead is left", || resources("qp") <= before);
    println!("{DEATHS} deaths: queue pairs {before} and {}", resources("qp"));
}

#[test]
fn a_stateless_server_is_told_of_the_reset_when_its_client_is_killed() {
    clients_are_killed("lossy", Policy::stateless_server(), |server| drop(server.reset()));
}

#[test]
fn a_server_with_sessions_outlives_killed_clients() {
    // It keeps their sessions, so it is told nothing.
    clients_are_killed("lossless", Policy::stateful_server(), |_| {});
}
