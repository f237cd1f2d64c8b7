//! The authorizer of auth none.

use crate::dispatcher::Authorizer;
use crate::entity::EntityType;

/// `authorizer_protocol` of auth none.
pub const PROTOCOL_NONE: u32 = 1;

/// What auth none shows: who one claims to be. `id` is the part of the name behind the dot, such as `admin`.
#[must_use]
pub fn auth_none(kind: EntityType, id: &str, global_id: u64) -> Authorizer {
    let mut data = Vec::with_capacity(17 + id.len());
    data.push(1);
    data.extend(u32::from(kind.0).to_le_bytes());
    data.extend((id.len() as u32).to_le_bytes());
    data.extend(id.as_bytes());
    data.extend(global_id.to_le_bytes());
    Authorizer { protocol: PROTOCOL_NONE, data }
}
