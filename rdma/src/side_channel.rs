//! What the two sides of a connection tell each other by TCP before verbs can carry anything.
//!
//! The connector says where its queue pair is, the acceptor answers with its own, the connector says `go` when it is able
//! to receive. Each is one line. After that nothing comes but the end, which tells that the peer is gone.

use std::fmt::Write;

/// What a line begins with.
const MAGIC: &str = "msgr-rdma/1 ";
/// Longest line, in bytes, its end included: the hello has 91, and a reason must fit.
pub(crate) const LINE_MAX: usize = 160;

/// Where a queue pair is, and how it may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Local identifier of the port; 0 with RoCE.
    pub(crate) lid: u16,
    /// Number of the queue pair.
    pub(crate) qpn: u32,
    /// Packet sequence number it begins to send with.
    pub(crate) psn: u32,
    /// The port's GID.
    pub(crate) gid: [u8; 16],
    /// Receives it keeps for the peer's bytes.
    pub(crate) window: u32,
    /// Bytes of each.
    pub(crate) chunk: u32,
    /// Bytes its port puts into a packet at most.
    pub(crate) mtu: u16,
}

/// A line of the side channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The first one from each side.
    Hello(Hello),
    /// The acceptor cannot serve this connection, and says why.
    Refused(String),
    /// The connector is able to receive.
    Go,
}

/// Why what arrived is no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("the peer speaks msgr over TCP and not over RDMA: run both messengers with the same ms_type")]
    Tcp,
    #[error("the peer is no RDMA messenger of this protocol version: it says {0:?}")]
    Stranger(String),
}

impl Line {
    /// As bytes that travel.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut text = String::from(MAGIC);
        match self {
            Line::Hello(Hello { lid, qpn, psn, gid, window, chunk, mtu }) => {
                let gid = u128::from_be_bytes(*gid);
                // Writing to a string does not fail.
                let _ =
                    write!(text, "hello {lid:04x}:{qpn:08x}:{psn:08x}:{gid:032x}:{window:04x}:{chunk:08x}:{mtu:04x}");
            }
            Line::Refused(why) => {
                text.push_str("refused ");
                text.extend(why.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()));
                text.truncate(LINE_MAX - 1);
            }
            Line::Go => text.push_str("go"),
        }
        text.push('\n');
        text.into_bytes()
    }

    /// The line at the start of `bytes`, and its length; `None` when more must come first.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Line, usize)>, BadLine> {
        let stranger = |bytes: &[u8]| {
            let shown = &bytes[..bytes.len().min(24)];
            if shown.starts_with(b"ceph v") {
                BadLine::Tcp
            } else {
                BadLine::Stranger(shown.escape_ascii().to_string())
            }
        };
        let beginning = bytes.len().min(MAGIC.len());
        if bytes[..beginning] != MAGIC.as_bytes()[..beginning] {
            return Err(stranger(bytes));
        }
        let Some(end) = bytes.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
            return if bytes.len() < LINE_MAX { Ok(None) } else { Err(stranger(bytes)) };
        };
        let line = std::str::from_utf8(&bytes[beginning..end]).ok().and_then(Line::parse_text);
        line.map(|line| Some((line, end + 1))).ok_or_else(|| stranger(&bytes[beginning..end]))
    }

    fn parse_text(text: &str) -> Option<Line> {
        if text == "go" {
            return Some(Line::Go);
        }
        if let Some(why) = text.strip_prefix("refused ") {
            return Some(Line::Refused(why.to_owned()));
        }
        let mut fields = text.strip_prefix("hello ")?.split(':');
        let mut next = |digits: usize| {
            let field = fields.next().filter(|field| field.len() == digits)?;
            u128::from_str_radix(field, 16).ok()
        };
        let hello = Hello {
            lid: next(4)? as u16,
            qpn: next(8)? as u32,
            psn: next(8)? as u32,
            gid: next(32)?.to_be_bytes(),
            window: next(4)? as u32,
            chunk: next(8)? as u32,
            mtu: next(4)? as u16,
        };
        fields.next().is_none().then_some(Line::Hello(hello))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn hello() -> Line {
        let gid = *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01";
        Line::Hello(Hello { lid: 0xa1, qpn: 0x11a, psn: 0x8f_2c31, gid, window: 4, chunk: 128 << 10, mtu: 4096 })
    }

    #[test]
    fn lines_survive_the_journey_in_any_pieces() {
        for line in [hello(), Line::Go, Line::Refused("no memory".into())] {
            let bytes = [line.emit(), b"rest".to_vec()].concat();
            let whole = bytes.len() - 4;
            for cut in 0..whole {
                assert_eq!(Line::parse(&bytes[..cut]), Ok(None), "{cut}");
            }
            assert_eq!(Line::parse(&bytes), Ok(Some((line, whole))));
        }
    }

    #[test]
    fn a_hello_is_as_documented() {
        let text = String::from_utf8(hello().emit()).unwrap();
        assert_eq!(
            text,
            "msgr-rdma/1 hello 00a1:0000011a:008f2c31:00000000000000000000ffff0a000001:0004:00020000:1000\n"
        );
    }

    #[test]
    fn a_peer_on_tcp_is_told_from_a_stranger() {
        assert_eq!(Line::parse(b"ceph v027\0\0").unwrap_err(), BadLine::Tcp);
        assert!(Line::parse(b"GET / HTTP/1.1\r\n").unwrap_err().to_string().contains("GET / HTTP"));
        assert!(Line::parse(&[b"msgr-rdma/1 ".as_slice(), &[b'x'; 200]].concat()).is_err());
        assert!(Line::parse(b"msgr-rdma/1 hello 00a1:11a:8f2c31:0:4:20000\n").is_err());
    }

    #[test]
    fn a_long_reason_is_cut() {
        let line = Line::Refused("x".repeat(300)).emit();
        assert_eq!(line.len(), LINE_MAX);
        assert!(Line::parse(&line).unwrap().is_some());
    }
}
