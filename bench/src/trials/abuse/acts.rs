//! What one stranger does, each on a connection of its own.

use std::io;
use std::net::SocketAddr;

use super::strangers::NONCE;
use crate::trials::node::STRANGE;
use crate::trials::raw::{Stranger, frame, header, hello};

/// Half of the strangers stop in their greeting, the others, with a session open, in a header.
pub(super) fn stop(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    if number.is_multiple_of(2) {
        let mut stranger = Stranger::dial(server)?;
        stranger.write(&hello(NONCE + number)[..20])?;
        return Ok(stranger);
    }
    let mut stranger = Stranger::open(server, NONCE + number)?;
    stranger.write(&frame(header(STRANGE, 1, b"half"), b"half", false)[..20])?;
    Ok(stranger)
}

/// Half of the strangers speak another protocol, the others send a tag that does not exist.
pub(super) fn garbage(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    if number.is_multiple_of(2) {
        let mut stranger = Stranger::dial(server)?;
        stranger.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        return Ok(stranger);
    }
    let mut stranger = Stranger::open(server, NONCE + number)?;
    stranger.write(&[0xee])?;
    Ok(stranger)
}

/// A wrong crc, in the header or in the footer.
pub(super) fn bad_crc(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    let mut stranger = Stranger::open(server, NONCE + number)?;
    let mut bytes = frame(header(STRANGE, 1, b"data"), b"data", number.is_multiple_of(2));
    if number % 2 == 1 {
        bytes[9] ^= 1;
    }
    stranger.write(&bytes)?;
    Ok(stranger)
}

/// Messages 1, 2 and 3, all of them again, 1000, and 999.
pub(super) fn repeat(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    let mut stranger = Stranger::open(server, NONCE + number)?;
    let mut bytes = Vec::new();
    for seq in [1, 2, 3, 1, 2, 3, 1000, 999] {
        bytes.extend(frame(header(STRANGE, seq, b"data"), b"data", false));
    }
    stranger.write(&bytes)?;
    Ok(stranger)
}

/// A section of up to 4 GiB.
pub(super) fn lengths(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    let mut stranger = Stranger::open(server, NONCE + number)?;
    let mut lying = header(STRANGE, 1, b"");
    match number % 4 {
        0 => lying.data_len = u32::MAX,
        1 => lying.front_len = u32::MAX,
        2 => lying.middle_len = u32::MAX,
        _ => (lying.front_len, lying.middle_len, lying.data_len) = (1 << 31, 1 << 31, 1 << 31),
    }
    stranger.write(&frame(lying, b"", false))?;
    Ok(stranger)
}

/// As much data as is allowed, of which nothing follows.
pub(super) fn announce(server: SocketAddr, number: u32) -> io::Result<Stranger> {
    /// `ms_max_data_bytes`, unless it was set.
    const MOST: u32 = 256 << 20;
    let mut stranger = Stranger::open(server, NONCE + number)?;
    let mut lying = header(STRANGE, 1, b"");
    lying.data_len = MOST;
    let all = frame(lying, b"", false);
    // All but the footer.
    stranger.write(&all[..54])?;
    Ok(stranger)
}
