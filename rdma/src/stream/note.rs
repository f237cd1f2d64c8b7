//! The immediate data of a message: what a side tells its peer beside the bytes.

/// Bits of the immediate data that count credits.
const GRANTS: u32 = 0xffff;
/// The last grant was heard.
const HEARD: u32 = 1 << 17;
/// Nothing follows.
const END: u32 = 1 << 16;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// Receives that the peer may use in addition.
    pub(crate) grants: u16,
    /// The receiver's last grant was heard.
    pub(crate) heard: bool,
    /// This is the last message.
    pub(crate) end: bool,
}

impl Note {
    /// As the 32 bits that travel.
    pub(crate) fn emit(self) -> u32 {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        u32::from(self.grants) | flag(self.heard, HEARD) | flag(self.end, END)
    }

    /// From the bits that arrived. Bits without a meaning yet are ignored.
    pub(crate) fn parse(bits: u32) -> Note {
        Note { grants: (bits & GRANTS) as u16, heard: bits & HEARD != 0, end: bits & END != 0 }
    }
}
