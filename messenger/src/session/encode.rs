//! Messages to segments: framing into one buffer, large payloads by reference.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::config::Config;
use crate::coverage::{self, Point};
use crate::message::Message;
use crate::wire::crc::crc32c;
use crate::wire::{Footer, Header, tag};

/// Payload sections up to this many bytes are copied behind their header: the copy costs less than a segment of its
/// own (a reference count, an iovec entry, and the kernel's walk over it).
pub(crate) const INLINE_MAX: usize = 1024;
/// Room of the framing buffer. Also about the most framing one write carries: beyond 64 KiB a larger write saves nothing.
pub(crate) const FRAMING_ROOM: usize = 64 << 10;

/// What the bytes of a message depend on besides the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) features: u64,
    pub(crate) crc_header: bool,
    pub(crate) crc_data: bool,
}

impl Format {
    pub(crate) fn new(features: u64, config: &Config) -> Format {
        Format { features, crc_header: config.ms_crc_header, crc_data: config.ms_crc_data }
    }
}

/// Appends a message: its framing to `framing`, and to `segments` whatever is not copied, which is taken out of it.
pub(crate) fn message(message: &mut Message, format: Format, framing: &mut BytesMut, segments: &mut VecDeque<Bytes>) {
    let source = message.source.unwrap_or(crate::entity::EntityName::client(crate::entity::EntityName::NEW));
    let header = Header {
        seq: message.seq,
        tid: message.tid,
        kind: message.kind,
        priority: message.priority,
        version: message.version,
        front_len: message.front.len() as u32,
        middle_len: message.middle.len() as u32,
        data_len: message.data.len() as u32,
        data_off: message.data_off,
        source,
        compat_version: message.compat_version,
    };
    let crc = |wanted: bool, section: &Bytes| if wanted { crc32c(0, section) } else { 0 };
    let footer = Footer {
        front_crc: crc(format.crc_header, &message.front),
        middle_crc: crc(format.crc_header, &message.middle),
        data_crc: crc(format.crc_data, &message.data),
        no_data_crc: !format.crc_data,
        complete: true,
    };
    coverage::hit(Point::FrameSent(tag::MSG));
    framing.put_u8(tag::MSG);
    framing.put_slice(&header.emit(format.crc_header));
    for section in [&mut message.front, &mut message.middle, &mut message.data] {
        if section.len() <= INLINE_MAX {
            framing.put_slice(section);
        } else {
            seal(framing, segments);
            segments.push_back(std::mem::take(section));
        }
    }
    let (footer, len) = footer.emit(format.features);
    framing.put_slice(&footer[..len]);
}

/// Moves what has been framed so far into a segment of its own.
pub(crate) fn seal(framing: &mut BytesMut, segments: &mut VecDeque<Bytes>) {
    if !framing.is_empty() {
        segments.push_back(framing.split().freeze());
    }
}
