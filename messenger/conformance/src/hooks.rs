//! A dispatcher whose every callback is told to one function.

use msgr::{AuthVerdict, Authorizer, Connection, Dispatcher, EntityType, Message};

/// Type of the messages that [`Hooks`] dispatches fast; the others are queued.
pub const FAST: u16 = 1;
/// A type of message that [`Hooks`] does not dispatch fast.
pub const QUEUED: u16 = 2;

macro_rules! callbacks {
    ($( $callback:ident, )+) => {
        /// The callbacks of a [`Dispatcher`] that a messenger calls in the course of its work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // each is the `ms_` method of its name; `FastDispatchLocal` is for what one sends to oneself
        pub enum Callback { $( $callback, )+ }

        impl Callback {
            /// All of them.
            pub const ALL: &[Callback] = &[ $( Callback::$callback, )+ ];
        }
    };
}

callbacks! {
    CanFastDispatch, FastPreprocess, FastDispatch, FastDispatchLocal, Dispatch,
    HandleFastConnect, HandleFastAccept, HandleConnect, HandleAccept,
    HandleReset, HandleRemoteReset, HandleRefused,
    GetAuthorizer, VerifyAuthorizer,
}

/// Calls its function in each callback, with the connection if the callback has one, and otherwise does nothing:
/// messages are taken, peers are let in.
pub struct Hooks<F>(pub F);

impl<F: Fn(Callback, Option<&Connection>) + Send + Sync> Dispatcher for Hooks<F> {
    fn ms_can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn ms_can_fast_dispatch(&self, message: &Message) -> bool {
        (self.0)(Callback::CanFastDispatch, None);
        message.kind == FAST
    }
    fn ms_fast_preprocess(&self, _: &Message) {
        (self.0)(Callback::FastPreprocess, None);
    }
    fn ms_fast_dispatch(&self, connection: &Connection, _: Message) {
        let callback = if connection.is_loopback() { Callback::FastDispatchLocal } else { Callback::FastDispatch };
        (self.0)(callback, Some(connection));
    }
    fn ms_dispatch(&self, connection: &Connection, _: Message) -> Option<Message> {
        (self.0)(Callback::Dispatch, Some(connection));
        None
    }
    fn ms_handle_fast_connect(&self, connection: &Connection) {
        (self.0)(Callback::HandleFastConnect, Some(connection));
    }
    fn ms_handle_fast_accept(&self, connection: &Connection) {
        (self.0)(Callback::HandleFastAccept, Some(connection));
    }
    fn ms_handle_connect(&self, connection: &Connection) {
        (self.0)(Callback::HandleConnect, Some(connection));
    }
    fn ms_handle_accept(&self, connection: &Connection) {
        (self.0)(Callback::HandleAccept, Some(connection));
    }
    fn ms_handle_reset(&self, connection: &Connection) -> bool {
        (self.0)(Callback::HandleReset, Some(connection));
        true
    }
    fn ms_handle_remote_reset(&self, connection: &Connection) {
        (self.0)(Callback::HandleRemoteReset, Some(connection));
    }
    fn ms_handle_refused(&self, connection: &Connection) -> bool {
        (self.0)(Callback::HandleRefused, Some(connection));
        true
    }
    fn ms_get_authorizer(&self, _: EntityType, _: Option<&[u8]>) -> Option<Authorizer> {
        (self.0)(Callback::GetAuthorizer, None);
        None
    }
    fn ms_verify_authorizer(&self, _: EntityType, _: &Authorizer) -> Option<AuthVerdict> {
        (self.0)(Callback::VerifyAuthorizer, None);
        None
    }
}
