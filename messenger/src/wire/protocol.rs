//! The protocol version of the handshake, which depends on who talks to whom.

use crate::entity::EntityType;

/// The version for peers of a type other than one's own: that of the accepting type.
#[must_use]
fn public(kind: EntityType) -> u32 {
    match kind {
        EntityType::OSD => 24,
        EntityType::MDS => 32,
        EntityType::MON => 15,
        _ => 0,
    }
}

/// The version a connector of type `mine` puts into its connect to a peer of type `peer`. `cluster` is the version
/// configured for peers of the own type.
#[must_use]
pub fn connecting(mine: EntityType, peer: EntityType, cluster: u32) -> u32 {
    if mine == peer { cluster } else { public(peer) }
}

/// The version an acceptor of type `mine` expects of a peer of type `peer`.
#[must_use]
pub fn accepting(mine: EntityType, peer: EntityType, cluster: u32) -> u32 {
    if mine == peer { cluster } else { public(mine) }
}
