//! Message footers: 21 bytes between peers that negotiated MSG_AUTH, 13 otherwise.

use super::features;

/// Length of the footer with a signature field.
pub const FOOTER_LEN: usize = 21;
/// Length of the footer without it.
pub const OLD_FOOTER_LEN: usize = 13;

const COMPLETE: u8 = 1;
const NOCRC: u8 = 2;

/// A message footer, decoded. The signature is always 0: nothing is signed without cephx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Crc of the front.
    pub front_crc: u32,
    /// Crc of the middle.
    pub middle_crc: u32,
    /// Crc of the data, unless `no_data_crc`.
    pub data_crc: u32,
    /// The sender computed no data crc.
    pub no_data_crc: bool,
    /// The sender finished the message.
    pub complete: bool,
}

/// Length of footers between peers that negotiated `features`.
#[must_use]
pub const fn len(features: u64) -> usize {
    if features & features::MSG_AUTH != 0 { FOOTER_LEN } else { OLD_FOOTER_LEN }
}

impl Footer {
    /// Decodes a footer of either length; `None` when `raw` has neither.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Option<Footer> {
        if raw.len() != FOOTER_LEN && raw.len() != OLD_FOOTER_LEN {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let flags = raw[raw.len() - 1];
        Some(Footer {
            front_crc: word(0),
            middle_crc: word(4),
            data_crc: word(8),
            no_data_crc: flags & NOCRC != 0,
            complete: flags & COMPLETE != 0,
        })
    }

    /// Encodes the footer for peers that negotiated `features`; the length says how much of the array counts.
    #[must_use]
    pub fn emit(&self, features: u64) -> ([u8; FOOTER_LEN], usize) {
        let len = len(features);
        let mut out = [0; FOOTER_LEN];
        out[0..4].copy_from_slice(&self.front_crc.to_le_bytes());
        out[4..8].copy_from_slice(&self.middle_crc.to_le_bytes());
        out[8..12].copy_from_slice(&self.data_crc.to_le_bytes());
        out[len - 1] = if self.complete { COMPLETE } else { 0 } | if self.no_data_crc { NOCRC } else { 0 };
        (out, len)
    }
}
