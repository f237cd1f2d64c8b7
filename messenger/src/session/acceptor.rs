//! The accepting side of the handshake (docs/WIRE.md, "acceptor").

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::addr::EntityAddr;
use crate::core::Core;
use crate::coverage::{self, Point};
use crate::dispatcher::{AuthVerdict, Authorizer};
use crate::entity::EntityType;
use crate::error::PeerError;
use crate::policy::Policy;
use crate::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, address, banner, protocol, tag,
};

use super::accept::{Answer, Opening};
use super::connector::{Opened, authorizer_len, take_array};
use super::link::Cause;
use super::{Driver, Session};

/// Longest authorizer accepted. A cephx ticket has a few hundred bytes.
pub(crate) const AUTHORIZER_MAX: usize = 64 << 10;
/// Connects on one link, on either side of it. A replaced session may ask for many retries while its old reader
/// finishes; a peer that goes on asking is not going to open anything.
pub(crate) const CONNECTS_MAX: u32 = 1000;

/// RETRY_GLOBAL answers on one link that are given at once. A session that is being taken over is usually free by the
/// second; while its old reader is busy in a callback, a peer that asks at network speed only costs both sides time.
const RETRIES_AT_ONCE: u32 = 4;
/// Pause before the next one, doubled from then on up to [`RETRY_PAUSE_MAX`]: short to a callback, long to a loop.
const RETRY_PAUSE: Duration = Duration::from_millis(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(100);

/// What the connector says before its first connect: banner and address.
const GREETING_LEN: usize = BANNER_LEN + ADDRESS_LEN;

pub(crate) struct Acceptor {
    pub(crate) input: Vec<u8>,
    from: SocketAddr,
    peer: Option<EntityAddr>,
    connects: u32,
    /// How often it was answered RETRY_GLOBAL.
    retries: u32,
    /// Count of [`Core::next_id`] when it was last answered so.
    asked_again: Option<u64>,
    /// Of these, how many the link has paused for, if it had to.
    paused_for: u32,
    reserved: Option<(Arc<Session>, u64)>,
    /// Answered SEQ, and waiting for the connector's own sequence number.
    opening: Option<Opening>,
}

impl Acceptor {
    /// An acceptor for a socket from `from`, and what it sends at once: banner, own address, the address it sees.
    pub(crate) fn new(core: &Core, local: SocketAddr, from: SocketAddr) -> (Acceptor, Bytes) {
        let mine = core.my_addr();
        // With a blank IP the peer recognises us by port and nonce.
        let mine = if mine.socket.is_none() { EntityAddr::new(local, mine.nonce) } else { mine };
        let mut greeting = Vec::with_capacity(BANNER_LEN + 2 * ADDRESS_LEN);
        greeting.extend(BANNER);
        greeting.extend(address::emit(&mine));
        greeting.extend(address::emit(&EntityAddr::new(from, 0)));
        let acceptor = Acceptor {
            input: Vec::new(),
            from,
            peer: None,
            connects: 0,
            retries: 0,
            asked_again: None,
            paused_for: 0,
            reserved: None,
            opening: None,
        };
        (acceptor, greeting.into())
    }

    /// The session this link has taken, with the link's generation.
    pub(crate) fn reserved(&self) -> Option<(Arc<Session>, u64)> {
        self.reserved.clone()
    }

    /// How long to wait before the next connect is looked at, if this link was told once more to ask again.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        if std::mem::replace(&mut self.paused_for, self.retries) == self.retries {
            return None;
        }
        let doublings = self.retries.checked_sub(RETRIES_AT_ONCE)?;
        Some(RETRY_PAUSE.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(RETRY_PAUSE_MAX))
    }

    /// Works through the input as far as it goes.
    pub(crate) fn advance(
        &mut self,
        core: &Arc<Core>,
        driver: Option<&(u64, Arc<dyn Driver>)>,
        output: &mut Vec<Bytes>,
    ) -> Result<Option<Opened>, Cause> {
        let peer = match self.peer {
            Some(peer) => peer,
            None => match self.greeting()? {
                Some(peer) => peer,
                None => return Ok(None),
            },
        };
        while self.opening.is_none() {
            let Some(raw) = self.input.get(..CONNECT_LEN) else { return Ok(None) };
            let connect = Connect::parse(&take_array(raw));
            let len = CONNECT_LEN + authorizer_len(connect.authorizer_len)?;
            let Some(authorizer) = self.input.get(CONNECT_LEN..len) else { return Ok(None) };
            let authorizer = Authorizer { protocol: connect.authorizer_protocol, data: authorizer.to_vec() };
            self.input.drain(..len);
            self.connects += 1;
            if self.connects > CONNECTS_MAX {
                return Err(PeerError::BadReply("it keeps asking to connect").into());
            }
            self.connect(core, driver, peer, &connect, &authorizer, output)?;
        }
        let announced = self.opening.as_ref().is_some_and(|opening| opening.exchange);
        let theirs = match self.input.get(..8) {
            _ if !announced => 0,
            Some(raw) => u64::from_le_bytes(take_array(raw)),
            None => return Ok(None),
        };
        let Some(opening) = self.opening.take() else { return Ok(None) };
        self.input.drain(..if announced { 8 } else { 0 });
        opening.session.with_link(opening.generation, |state| state.out.discard_received(theirs));
        let rest = Bytes::from(std::mem::take(&mut self.input));
        Ok(Some(Opened { policy: opening.policy, in_seq: opening.in_seq, rest }))
    }

    fn greeting(&mut self) -> Result<Option<EntityAddr>, Cause> {
        if self.input.len() >= BANNER_LEN {
            banner::check(&take_array(&self.input))?;
        }
        if self.input.len() < GREETING_LEN {
            return Ok(None);
        }
        let mut peer = address::parse(&take_array(&self.input[BANNER_LEN..]))?;
        self.input.drain(..GREETING_LEN);
        if peer.is_blank_ip() {
            peer = peer.with_ip(self.from.ip());
        }
        self.peer = Some(peer);
        Ok(self.peer)
    }

    /// Judges one connect and answers it.
    fn connect(
        &mut self,
        core: &Arc<Core>,
        driver: Option<&(u64, Arc<dyn Driver>)>,
        peer: EntityAddr,
        connect: &Connect,
        authorizer: &Authorizer,
        output: &mut Vec<Bytes>,
    ) -> Result<(), Cause> {
        let kind = EntityType(connect.host_type as u8);
        let policy = core.policy(kind);
        let version = protocol::accepting(core.my_name().kind, kind, core.cluster_protocol());
        let mut reply = ConnectReply {
            features: connect.features & policy.features_supported | policy.features_required,
            protocol_version: version,
            lossy: policy.lossy,
            ..ConnectReply::default()
        };
        let mut authorizer_reply = Vec::new();
        reply.tag = if connect.protocol_version != version {
            tag::BADPROTOVER
        } else if policy.features_required & !connect.features != 0 {
            tag::FEATURES
        } else {
            match core.verify_authorizer(kind, authorizer) {
                AuthVerdict::Reject => tag::BADAUTHORIZER,
                AuthVerdict::Challenge(challenge) => {
                    authorizer_reply = challenge;
                    tag::CHALLENGE_AUTHORIZER
                }
                AuthVerdict::Accept(bytes) => {
                    authorizer_reply = bytes;
                    self.answer(core, driver, peer, kind, connect, policy, &mut reply)?
                }
            }
        };
        coverage::hit(Point::ReplySent(reply.tag));
        reply.authorizer_len = authorizer_reply.len() as u32;
        let mut bytes = reply.emit().to_vec();
        bytes.extend(authorizer_reply);
        if let Some(opening) = self.opening.as_ref().filter(|opening| opening.exchange) {
            bytes.extend(opening.in_seq.to_le_bytes());
        }
        output.push(bytes.into());
        Ok(())
    }

    /// Consults the registry; fills in the reply and returns its tag.
    #[allow(clippy::too_many_arguments)] // one connect, in its parts
    fn answer(
        &mut self,
        core: &Arc<Core>,
        driver: Option<&(u64, Arc<dyn Driver>)>,
        peer: EntityAddr,
        kind: EntityType,
        connect: &Connect,
        policy: Policy,
        reply: &mut ConnectReply,
    ) -> Result<u8, Cause> {
        let Some(driver) = driver else { return Err(Cause::Closed) };
        let since = self.asked_again.unwrap_or(driver.0);
        let answer = core.accept(driver, self.reserved.as_ref(), kind, peer, connect, policy, since);
        Ok(match answer {
            Answer::Reset { reserved } => {
                if reserved.is_some() {
                    self.reserved = reserved;
                }
                tag::RESETSESSION
            }
            Answer::Wait => tag::WAIT,
            Answer::RetryGlobal { global_seq, reserved } => {
                if reserved.is_some() {
                    self.reserved = reserved;
                }
                self.retries += 1;
                self.asked_again = Some(core.next_id());
                reply.global_seq = global_seq;
                tag::RETRY_GLOBAL
            }
            Answer::RetrySession { connect_seq } => {
                reply.connect_seq = connect_seq;
                tag::RETRY_SESSION
            }
            Answer::Stale => return Err(Cause::Closed),
            Answer::Open(opening) => {
                reply.features = opening.policy.features_supported;
                reply.global_seq = core.next_global_seq(0);
                reply.connect_seq = connect.connect_seq.wrapping_add(1);
                reply.lossy = opening.policy.lossy;
                let tag = if opening.exchange { tag::SEQ } else { tag::READY };
                self.reserved = Some((Arc::clone(&opening.session), opening.generation));
                self.opening = Some(opening);
                tag
            }
        })
    }
}
