//! The dialling side of the handshake (docs/WIRE.md, "connector").

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::addr::EntityAddr;
use crate::core::Core;
use crate::coverage::{self, Point};
use crate::dispatcher::Authorizer;
use crate::entity::EntityType;
use crate::error::PeerError;
use crate::policy::Policy;
use crate::wire::{
    ADDRESS_LEN, BANNER, BANNER_LEN, CONNECT_LEN, Connect, ConnectReply, REPLY_LEN, address, banner, protocol, tag,
};

use super::acceptor::{AUTHORIZER_MAX, CONNECTS_MAX};
use super::link::Cause;
use super::{Session, State};

/// What the acceptor says before anything else: banner, its address, and the address it sees.
const GREETING_LEN: usize = BANNER_LEN + 2 * ADDRESS_LEN;
/// Rejected authorizers replaced by a fresh one, and challenges answered, on one link. More means that the two sides do
/// not understand each other.
const AUTH_RETRIES_MAX: u32 = 2;

/// A handshake that succeeded.
pub(crate) struct Opened {
    pub(crate) policy: Policy,
    pub(crate) in_seq: u64,
    /// Input behind the handshake.
    pub(crate) rest: Bytes,
}

pub(crate) struct Connector {
    pub(crate) input: Vec<u8>,
    peer: EntityAddr,
    peer_type: EntityType,
    in_seq: u64,
    local: Option<SocketAddr>,
    greeted: bool,
    connects: u32,
    auth_retries: u32,
    authorizer: Option<Authorizer>,
    protocol_version: u32,
}

impl Connector {
    pub(crate) fn new(core: &Core, state: &State, peer_type: EntityType, in_seq: u64) -> Connector {
        Connector {
            input: Vec::new(),
            peer: state.peer_addr,
            peer_type,
            in_seq,
            local: None,
            greeted: false,
            connects: 0,
            auth_retries: 0,
            authorizer: None,
            protocol_version: protocol::connecting(core.my_name().kind, peer_type, core.cluster_protocol()),
        }
    }

    /// TCP is up: the banner goes out at once.
    pub(crate) fn connected(&mut self, local: SocketAddr) -> Bytes {
        self.local = Some(local);
        Bytes::from_static(&BANNER)
    }

    /// Works through the input as far as it goes.
    pub(crate) fn advance(
        &mut self,
        session: &Arc<Session>,
        generation: u64,
        output: &mut Vec<Bytes>,
    ) -> Result<Option<Opened>, Cause> {
        if !self.greeted {
            if self.input.len() >= BANNER_LEN {
                banner::check(&take_array(&self.input))?;
            }
            if self.input.len() < GREETING_LEN {
                return Ok(None);
            }
            self.greeting(session, output)?;
            self.send_connect(session, generation, output)?;
        }
        loop {
            let Some((reply, authorizer, len)) = self.reply()? else { return Ok(None) };
            let seq = if reply.tag == tag::SEQ {
                let Some(raw) = self.input.get(len..len + 8) else { return Ok(None) };
                Some(u64::from_le_bytes(take_array(raw)))
            } else {
                None
            };
            self.input.drain(..len + if seq.is_some() { 8 } else { 0 });
            if self.handle(&reply, authorizer, seq, session, generation, output)? {
                let Some(policy) = session.with_link(generation, |state| state.policy.clone()) else {
                    return Err(Cause::Closed);
                };
                let rest = Bytes::from(std::mem::take(&mut self.input));
                return Ok(Some(Opened { policy, in_seq: self.in_seq, rest }));
            }
        }
    }

    fn greeting(&mut self, session: &Session, output: &mut Vec<Bytes>) -> Result<(), Cause> {
        let theirs = address::parse(&take_array(&self.input[BANNER_LEN..]))?;
        let seen = address::parse(&take_array(&self.input[BANNER_LEN + ADDRESS_LEN..]))?;
        self.input.drain(..GREETING_LEN);
        self.greeted = true;
        // A peer that does not know its own IP yet is recognised by port and nonce.
        let same = theirs == self.peer
            || theirs.is_blank_ip() && theirs.port() == self.peer.port() && theirs.nonce == self.peer.nonce;
        if !same {
            return Err(PeerError::WrongPeer { dialled: self.peer, found: theirs }.into());
        }
        let core = session.core();
        let learned = if core.config().ms_learn_addr_from_peer { seen.socket } else { self.local };
        if let Some(socket) = learned {
            core.learn_ip(socket.ip());
        }
        output.push(Bytes::copy_from_slice(&address::emit(&core.my_addr())));
        Ok(())
    }

    fn send_connect(&mut self, session: &Session, generation: u64, output: &mut Vec<Bytes>) -> Result<(), Cause> {
        self.connects += 1;
        if self.connects > CONNECTS_MAX {
            return Err(PeerError::BadReply("it keeps asking to connect again").into());
        }
        let core = session.core();
        if self.authorizer.is_none() {
            self.authorizer = core.authorizer_for(self.peer_type, None);
        }
        let authorizer = self.authorizer.clone().unwrap_or_default();
        let connect = session.with_link(generation, |state| Connect {
            features: state.policy.features_supported,
            host_type: core.my_name().kind.0.into(),
            global_seq: state.global_seq,
            connect_seq: state.connect_seq,
            protocol_version: self.protocol_version,
            authorizer_protocol: authorizer.protocol,
            authorizer_len: authorizer.data.len() as u32,
            lossy: state.policy.lossy,
        });
        let mut bytes = Vec::with_capacity(CONNECT_LEN + authorizer.data.len());
        bytes.extend(connect.ok_or(Cause::Closed)?.emit());
        bytes.extend(authorizer.data);
        output.push(bytes.into());
        Ok(())
    }

    /// The next reply with its authorizer, and their length, once they are complete.
    fn reply(&self) -> Result<Option<(ConnectReply, Vec<u8>, usize)>, Cause> {
        let Some(raw) = self.input.get(..REPLY_LEN) else { return Ok(None) };
        let reply = ConnectReply::parse(&take_array(raw));
        let len = REPLY_LEN + authorizer_len(reply.authorizer_len)?;
        Ok(self.input.get(REPLY_LEN..len).map(|authorizer| (reply, authorizer.to_vec(), len)))
    }

    /// Acts on a reply; true when the session may open.
    fn handle(
        &mut self,
        reply: &ConnectReply,
        authorizer: Vec<u8>,
        seq: Option<u64>,
        session: &Arc<Session>,
        generation: u64,
        output: &mut Vec<Bytes>,
    ) -> Result<bool, Cause> {
        coverage::hit(Point::ReplyReceived(reply.tag));
        let core = Arc::clone(session.core());
        match reply.tag {
            tag::FEATURES => {
                let ours = session.with_link(generation, |state| state.policy.features_supported).unwrap_or(0);
                return Err(PeerError::MissingFeatures { missing: reply.features & !ours }.into());
            }
            tag::BADPROTOVER => {
                let (ours, theirs) = (self.protocol_version, reply.protocol_version);
                return Err(PeerError::ProtocolVersion { ours, theirs }.into());
            }
            tag::BADAUTHORIZER | tag::CHALLENGE_AUTHORIZER => {
                self.auth_retries += 1;
                let challenge = (reply.tag == tag::CHALLENGE_AUTHORIZER).then_some(&authorizer[..]);
                self.authorizer = core.authorizer_for(self.peer_type, challenge);
                if self.auth_retries > AUTH_RETRIES_MAX || self.authorizer.is_none() {
                    return Err(PeerError::BadAuthorizer.into());
                }
            }
            tag::RESETSESSION => {
                session.reset_by_peer(generation);
                self.in_seq = 0;
            }
            tag::RETRY_GLOBAL => {
                let global_seq = core.next_global_seq(reply.global_seq);
                session.with_link(generation, |state| state.global_seq = global_seq);
            }
            tag::RETRY_SESSION => {
                let accepted = session.with_link(generation, |state| {
                    let greater = reply.connect_seq > state.connect_seq;
                    state.connect_seq = state.connect_seq.max(reply.connect_seq);
                    greater
                });
                if accepted == Some(false) {
                    return Err(PeerError::BadReply("RETRY_SESSION with a connect_seq that is not greater").into());
                }
            }
            tag::WAIT => return Err(Cause::Wait),
            tag::READY | tag::SEQ => return self.ready(reply, seq, session, generation, output),
            tag => return Err(PeerError::BadTag { tag }.into()),
        }
        self.send_connect(session, generation, output)?;
        Ok(false)
    }

    fn ready(
        &self,
        reply: &ConnectReply,
        seq: Option<u64>,
        session: &Session,
        generation: u64,
        output: &mut Vec<Bytes>,
    ) -> Result<bool, Cause> {
        let in_seq = self.in_seq;
        let outcome = session.with_link(generation, |state| {
            if state.dial_is_void {
                return Err(Cause::Closed);
            }
            let missing = state.policy.features_required & !reply.features;
            if missing != 0 {
                return Err(PeerError::LacksFeatures { missing }.into());
            }
            if reply.connect_seq != state.connect_seq.wrapping_add(1) {
                return Err(PeerError::BadReply("the session opens with another connect_seq than asked for").into());
            }
            state.connect_seq = reply.connect_seq;
            state.peer_global_seq = reply.global_seq;
            state.features = reply.features & state.policy.features_supported;
            state.policy.lossy = reply.lossy;
            state.out.discard_received(seq.unwrap_or(0));
            Ok(())
        });
        outcome.ok_or(Cause::Closed)??;
        if seq.is_some() {
            output.push(Bytes::copy_from_slice(&in_seq.to_le_bytes()));
        }
        Ok(true)
    }
}

/// An announced authorizer length, if it is sane.
pub(crate) fn authorizer_len(length: u32) -> Result<usize, PeerError> {
    let (length, cap) = (u64::from(length), AUTHORIZER_MAX as u64);
    if length > cap {
        return Err(PeerError::TooLong { section: "authorizer", length, cap, option: "fixed" });
    }
    Ok(length as usize)
}

/// The first `N` bytes of a slice that has been checked to have them.
pub(crate) fn take_array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&slice[..N]);
    out
}
