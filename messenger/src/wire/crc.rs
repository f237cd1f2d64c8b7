//! Ceph's crc32c: the Castagnoli polynomial with the caller's seed and no inversion at either end.
//!
//! The `crc32c` crate inverts on entry and on exit, so both are undone here. With seed 0, the crc of nothing is 0 and
//! so is that of zero bytes: a zeroed section is not protected in length.

/// The crc of `data`, continued from `seed`. Message parts start from seed 0.
#[must_use]
pub fn crc32c(seed: u32, data: &[u8]) -> u32 {
    if data.is_empty() {
        return seed;
    }
    !::crc32c::crc32c_append(!seed, data)
}
