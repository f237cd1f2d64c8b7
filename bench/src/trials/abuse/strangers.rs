//! Strangers: what they do to the server, for as long as a phase lasts.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::acts::{announce, bad_crc, garbage, lengths, repeat, stop};
use super::phase::{CONNECTS, Phase};
use crate::trials::node::{STRANGE, STRANGE_ECHO};
use crate::trials::nodes::{Halt, sleep};
use crate::trials::raw::{Stranger, connect, frame, header, hello};

/// Connections that stay are made in the first part of a phase, a half of it.
const RAMP: u32 = 2;

/// Nonces of strangers begin here, far from those of good peers.
pub(super) const NONCE: u32 = 1 << 20;

/// Data of a message that a stranger wants echoed and does not read.
const DEAF_BYTES: usize = 16 << 10;

/// What one of them sends in all: the bound of the queue to it and what socket buffers on the way hold, and as much
/// again.
const DEAF_BYTES_ALL: u64 = 48 << 20;

/// How long a busy server may take, beyond the phase, to read what they send.
const DEAF_PATIENCE: Duration = Duration::from_secs(20);

/// How often those who wait do something.
const TICK: Duration = Duration::from_millis(100);

/// How often those who trickle send a byte.
const TRICKLE_EVERY: Duration = Duration::from_secs(1);

/// Strangers at work.
pub(super) struct Strangers<'a> {
    pub(super) server: SocketAddr,
    pub(super) count: u32,
    /// How long a phase lasts.
    pub(super) lasts: Duration,
    /// Called now and then, with whatever watches the server.
    pub(super) watch: &'a mut dyn FnMut() -> Result<(), Halt>,
}

/// What they leave: connections to be held until the phase is over.
#[derive(Default)]
pub(super) struct Held {
    strangers: Vec<Stranger>,
    sockets: Vec<OwnedFd>,
}

impl Held {
    /// They hang up.
    pub(super) fn close(self) {
        self.strangers.into_iter().for_each(Stranger::close);
        drop(self.sockets);
    }
}

/// A stranger that cannot do what it is here for: the server does not even let it begin.
fn refused(what: &str) -> impl Fn(io::Error) -> Halt {
    move |error| Halt::Broken(format!("a stranger could not {what}: {error}"))
}

impl Strangers<'_> {
    /// Opens sessions that say nothing, at the pace of those who misbehave.
    pub(super) fn behave(&mut self) -> Result<Held, Halt> {
        let until = Instant::now() + self.lasts;
        let strangers = self.at_once(|server, number| Stranger::open(server, NONCE + number))?;
        self.wait(until)?;
        Ok(Held { strangers, sockets: vec![] })
    }

    /// Does what the phase is about, for as long as it lasts.
    pub(super) fn abuse(&mut self, phase: Phase) -> Result<Held, Halt> {
        let until = Instant::now() + self.lasts;
        let mut held = Held::default();
        match phase {
            Phase::Silent => held.strangers = self.at_once(|server, _| Stranger::dial(server))?,
            Phase::Stops => held.strangers = self.at_once(stop)?,
            Phase::Trickle => self.trickle(&mut held, until)?,
            Phase::Garbage => self.one_by_one(garbage)?,
            Phase::Crc => self.one_by_one(bad_crc)?,
            Phase::Sequence => held.strangers = self.at_once(repeat)?,
            Phase::Lengths => self.one_by_one(lengths)?,
            Phase::Unsent => held.strangers = self.at_once(announce)?,
            Phase::Handshakes => self.ask_again(until)?,
            Phase::Deaf => self.deaf(&mut held, until)?,
            Phase::Files => self.more_than_there_are_files(&mut held)?,
        }
        self.wait(until)?;
        Ok(held)
    }

    fn wait(&mut self, until: Instant) -> Result<(), Halt> {
        while Instant::now() < until {
            (self.watch)()?;
            sleep(TICK.min(until.saturating_duration_since(Instant::now())))?;
        }
        Ok(())
    }

    /// Each stranger does something early in the phase, and stays.
    fn at_once(&mut self, act: impl Fn(SocketAddr, u32) -> io::Result<Stranger>) -> Result<Vec<Stranger>, Halt> {
        let mut strangers = Vec::new();
        self.paced(self.lasts / RAMP, |server, number| {
            strangers.push(act(server, number).map_err(refused("connect and begin"))?);
            Ok(())
        })?;
        Ok(strangers)
    }

    /// Strangers come one after the other, and each is to be dropped.
    fn one_by_one(&mut self, act: impl Fn(SocketAddr, u32) -> io::Result<Stranger>) -> Result<(), Halt> {
        self.paced(self.lasts, |server, number| {
            let mut stranger = act(server, number).map_err(refused("connect and misbehave"))?;
            let dropped = stranger.is_dropped();
            stranger.close();
            if dropped {
                Ok(())
            } else {
                Err(Halt::Broken(format!("stranger {number} broke the protocol and was not dropped")))
            }
        })
    }

    /// Runs `act` for each stranger, evenly over a time.
    fn paced(&mut self, over: Duration, mut act: impl FnMut(SocketAddr, u32) -> Result<(), Halt>) -> Result<(), Halt> {
        let begun = Instant::now();
        let mut watched = begun;
        for number in 0..self.count {
            let due = begun + over * number / self.count;
            sleep(due.saturating_duration_since(Instant::now()))?;
            act(self.server, number)?;
            if watched.elapsed() >= TICK {
                watched = Instant::now();
                (self.watch)()?;
            }
        }
        Ok(())
    }

    /// A byte a second, of a handshake or of a message.
    fn trickle(&mut self, held: &mut Held, until: Instant) -> Result<(), Halt> {
        held.strangers = self.at_once(|server, number| {
            if number.is_multiple_of(2) { Stranger::dial(server) } else { Stranger::open(server, NONCE + number) }
        })?;
        let message = frame(header(STRANGE, 1, b"slow"), b"slow", false);
        let hello = hello(NONCE);
        let mut at = 0;
        while Instant::now() < until {
            for (number, stranger) in held.strangers.iter_mut().enumerate() {
                let bytes = if number.is_multiple_of(2) { &hello } else { &message };
                // Those who are dropped have nothing to write to any more.
                let _ = bytes.get(at..=at).map(|byte| stranger.write_some(byte));
            }
            at += 1;
            (self.watch)()?;
            sleep(TRICKLE_EVERY.min(until.saturating_duration_since(Instant::now())))?;
        }
        Ok(())
    }

    /// Asks to connect, is told why not, and asks again.
    fn ask_again(&mut self, until: Instant) -> Result<(), Halt> {
        let mut strangers = Vec::new();
        for number in 0..self.count {
            let mut stranger = Stranger::dial(self.server).map_err(refused("connect"))?;
            stranger.read_greeting().and_then(|()| stranger.write(&hello(NONCE + number))).map_err(refused("greet"))?;
            strangers.push(stranger);
        }
        let (begun, over) = (Instant::now(), until.saturating_duration_since(Instant::now()) / 2);
        let again = connect(false);
        for asked in 0..CONNECTS {
            let due = begun + over.mul_f64(asked as f64 / CONNECTS as f64);
            sleep(due.saturating_duration_since(Instant::now()))?;
            for stranger in &mut strangers {
                stranger.write(&again).map_err(refused("ask to connect"))?;
                if asked + 1 < CONNECTS {
                    stranger.read_reply().map_err(refused("read why it may not connect"))?;
                }
            }
            if asked % 64 == 0 {
                (self.watch)()?;
            }
        }
        for mut stranger in strangers {
            if !stranger.is_dropped() {
                return Err(Halt::Broken(format!("a stranger asked to connect {CONNECTS} times and was not dropped")));
            }
            stranger.close();
        }
        Ok(())
    }

    /// Wants everything echoed, and reads nothing.
    fn deaf(&mut self, held: &mut Held, until: Instant) -> Result<(), Halt> {
        held.strangers = self.at_once(|server, number| Stranger::open(server, NONCE + number))?;
        let data = vec![0x5a; DEAF_BYTES];
        let turns = DEAF_BYTES_ALL / DEAF_BYTES as u64;
        let (begun, over) = (Instant::now(), until.saturating_duration_since(Instant::now()));
        // For each of them the number of its message, and what is left of it.
        let mut sending: Vec<(u64, Vec<u8>)> = vec![(0, Vec::new()); held.strangers.len()];
        for turn in 1_u64.. {
            let due = begun + over.mul_f64(turn as f64 / turns as f64);
            sleep(due.saturating_duration_since(Instant::now()).min(TICK))?;
            for (stranger, (number, left)) in held.strangers.iter_mut().zip(&mut sending) {
                if left.is_empty() && *number < turns {
                    *number += 1;
                    *left = frame(header(STRANGE_ECHO, *number, &data), &data, false);
                }
                // What the socket does not take waits for the next turn.
                let written = stranger.write_some(left).unwrap_or(0);
                left.drain(..written);
            }
            let done = sending.iter().all(|(number, left)| *number == turns && left.is_empty());
            // A server that reads no more, or slowly, is as good: its queues are full, or filling.
            if done || Instant::now() > until + DEAF_PATIENCE {
                break;
            }
            if turn % 64 == 0 {
                (self.watch)()?;
            }
        }
        Ok(())
    }

    /// Starts connecting and does not wait: those for whom there is no file are not accepted, and no room is left for
    /// their SYN.
    fn more_than_there_are_files(&mut self, held: &mut Held) -> Result<(), Halt> {
        self.paced(self.lasts / RAMP, |server, _| {
            let dial = || {
                let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
                // Its outcome is of no interest.
                let _ = rustix::net::connect(&socket, &server);
                io::Result::Ok(socket)
            };
            held.sockets.push(dial().map_err(refused("make a socket"))?);
            Ok(())
        })
    }
}

/// The address that strangers dial, checked: this program abuses nobody but its own children.
pub(super) fn own(server: SocketAddr) -> Result<SocketAddr, Halt> {
    if server.ip().is_loopback() { Ok(server) } else { Err(Halt::Tool(anyhow::anyhow!("{server} is not loopback"))) }
}
