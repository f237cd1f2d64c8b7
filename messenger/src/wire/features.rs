//! Feature bits: those the messenger itself acts on, and what it offers.

/// Connect replies may be SEQ: both sides say what they have received, so that nothing is sent twice.
pub const RECONNECT_SEQ: u64 = 1 << 6;
/// The 53-byte message header (bit 1); every peer since Argonaut has it.
pub const NOSRCADDR: u64 = 1 << 1;
/// The 21-byte footer with a signature field; sequence numbers restart at random after a reset.
pub const MSG_AUTH: u64 = 1 << 23;
/// KEEPALIVE2 frames, which are answered.
pub const KEEPALIVE2: u64 = 1 << 42;
/// What is offered unless a policy says otherwise: the mask of a Pacific daemon. The other bits concern message bodies,
/// which are opaque here; offering them lets real monitors talk to us.
pub const SUPPORTED: u64 = 0x3f01_cfb9_fffd_ffff;
