//! What a session asks of whatever moves its bytes.

/// The side of a stack that a session can reach: one per pipe, or per connection of a worker.
///
/// Called without any lock of the messenger held, from any thread, and must not block.
pub trait Driver: Send + Sync {
    /// Messages or control frames wait to be written, and nobody has been told yet: take them with
    /// [`super::Outbox::refill`] until that says there is nothing left.
    fn transmit(&self);

    /// The session wants something else than before: ask [`super::Session::step`].
    fn step(&self);

    /// A throttle has room again for a link that had to stop reading: go on with [`super::Link::resume`].
    fn resume(&self);

    /// The link is no longer wanted: shut its socket down, so that every blocked or pending operation on it ends, and
    /// hand the receive half back with [`super::Link::lost`].
    fn hang_up(&self);
}

/// The part of a stack that starts things.
pub trait Stack: Send + Sync {
    /// A session wants to dial: give it a driver ([`super::Session::attach`]) that does what [`super::Session::step`]
    /// says.
    fn dial(&self, session: std::sync::Arc<super::Session>);
}
