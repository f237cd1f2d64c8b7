//! Opening a connection: the lines of the side channel, and the steps of the queue pair between them.

use std::io;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use crate::connection::{Conn, Phase, SEND_QUEUE, State};
use crate::endpoint::{Endpoint, Gid};
use crate::side_channel::{Hello, LINE_MAX, Line};
use crate::stream::{Stream, WINDOW_MAX, WINDOW_MIN};

fn wrong(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Conn {
    /// Goes on with opening as far as it can, and breaks off when it cannot.
    pub(crate) fn try_advance(&self, state: &mut State) {
        if state.phase != Phase::Open
            && state.failed.is_none()
            && let Err(error) = self.advance(state)
        {
            self.break_off(state, error.kind(), &error.to_string());
        }
    }

    /// Goes as far as it can.
    ///
    /// # Errors
    /// Why the connection cannot be opened.
    fn advance(&self, state: &mut State) -> io::Result<()> {
        if state.phase == Phase::Connecting {
            if !self.is_tcp_connected()? || state.pair.is_none() {
                return Ok(());
            }
            self.say_hello(state)?;
            state.phase = Phase::AwaitHello;
        }
        while state.phase != Phase::Open {
            let Some(line) = self.next_line(state)? else { return Ok(()) };
            match (line, state.phase, self.dialled) {
                (Line::Hello(hello), Phase::AwaitHello, true) => {
                    self.connect_to(state, hello)?;
                    self.opened(state);
                    self.must_say(&Line::Go)?;
                }
                (Line::Hello(hello), Phase::AwaitHello, false) => {
                    self.connect_to(state, hello)?;
                    self.say_hello(state)?;
                    state.phase = Phase::AwaitGo;
                }
                (Line::Go, Phase::AwaitGo, false) => self.opened(state),
                (Line::Refused(why), _, true) => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("the peer says: {why}")));
                }
                (line, phase, _) => return Err(wrong(format!("the peer says {line:?} out of turn ({phase:?})"))),
            }
        }
        Ok(())
    }

    /// Bytes may flow; whoever wanted to write may.
    pub(crate) fn opened(&self, state: &mut State) {
        state.phase = Phase::Open;
        if let Some(queues) = state.queues.clone() {
            // Its owner waits for the outcome of a dial.
            let wanted = std::mem::take(&mut state.write_wanted) | self.dialled;
            self.tell(state, &queues, false, wanted);
        }
    }

    fn is_tcp_connected(&self) -> io::Result<bool> {
        sockopt::socket_error(&self.tcp)??;
        match rustix::net::getpeername(&self.tcp) {
            Ok(_) => Ok(true),
            Err(Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn must_say(&self, line: &Line) -> io::Result<()> {
        if self.say(line) { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    }

    fn say_hello(&self, state: &State) -> io::Result<()> {
        let Some(pair) = &state.pair else { return Err(io::ErrorKind::NotConnected.into()) };
        let port = self.adapter.device.port()?;
        self.must_say(&Line::Hello(Hello {
            lid: port.lid,
            qpn: pair.number(),
            psn: state.psn,
            gid: self.adapter.device.gid().gid.0,
            window: WINDOW_MIN,
            chunk: self.adapter.options.chunk,
            mtu: port.active_mtu,
        }))
    }

    /// Takes the queue pair to where it can receive from the peer's and send to it.
    fn connect_to(&self, state: &mut State, hello: Hello) -> io::Result<()> {
        let Some(pair) = &state.pair else { return Err(io::ErrorKind::NotConnected.into()) };
        if hello.window == 0 || hello.window > WINDOW_MAX || hello.chunk == 0 {
            return Err(wrong(format!("the peer offers {} receives of {} bytes", hello.window, hello.chunk)));
        }
        let path = self.adapter.path(self.adapter.device.port()?.active_mtu.min(hello.mtu));
        let remote = Endpoint { qp_num: hello.qpn, psn: hello.psn, lid: hello.lid, gid: Gid(hello.gid) };
        pair.ready_to_receive(&remote, &path)?;
        pair.ready_to_send(state.psn, &path)?;
        state.stream = Some(Stream::new(WINDOW_MIN, hello.window, SEND_QUEUE));
        state.message_max = self.adapter.options.chunk.min(hello.chunk);
        Ok(())
    }

    /// The next line of the side channel, if it is there.
    pub(crate) fn next_line(&self, state: &mut State) -> io::Result<Option<Line>> {
        loop {
            if let Some((line, len)) = Line::parse(&state.lines).map_err(wrong)? {
                state.lines.drain(..len);
                return Ok(Some(line));
            }
            let mut buffer = [0; LINE_MAX];
            match recv(&self.tcp, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(io::ErrorKind::ConnectionReset.into()),
                Ok((_, n)) => state.lines.extend_from_slice(&buffer[..n]),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
