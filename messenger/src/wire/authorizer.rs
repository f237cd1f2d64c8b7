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

/// What an authorizer of auth none claims: entity type, id and global id; `None` when it is not one.
#[must_use]
pub fn parse_auth_none(authorizer: &Authorizer) -> Option<(EntityType, &str, u64)> {
    if authorizer.protocol != PROTOCOL_NONE {
        return None;
    }
    let (&1, rest) = authorizer.data.split_first()? else { return None };
    let (kind, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (id, global_id) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let kind = u8::try_from(u32::from_le_bytes(*kind)).ok()?;
    let global_id = u64::from_le_bytes(global_id.try_into().ok()?);
    Some((EntityType(kind), std::str::from_utf8(id).ok()?, global_id))
}
