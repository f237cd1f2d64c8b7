//! The banner: the first nine bytes of either side.

use crate::error::PeerError;

/// Length of the banner.
pub const BANNER_LEN: usize = 9;
/// The banner of msgr v1.
pub const BANNER: [u8; BANNER_LEN] = *b"ceph v027";

/// How a msgr v2 banner begins.
const V2_PREFIX: &[u8] = b"ceph v2";

/// Checks the banner of a peer.
///
/// # Errors
/// [`PeerError::SpeaksV2`] for a v2 port, [`PeerError::BadBanner`] for anything else.
pub fn check(banner: &[u8; BANNER_LEN]) -> Result<(), PeerError> {
    if *banner == BANNER {
        Ok(())
    } else if banner.starts_with(V2_PREFIX) {
        Err(PeerError::SpeaksV2)
    } else {
        Err(PeerError::BadBanner)
    }
}
