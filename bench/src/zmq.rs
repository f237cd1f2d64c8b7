//! ZeroMQ beside the messengers, as far as this program was built with it (feature `zmq`): the same work over libzmq's
//! sockets, as somebody who uses libzmq would write it.
//!
//! The side under test is one ROUTER socket that one thread receives and sends on; the load side is a DEALER socket for each
//! peer and one thread for all of them. The threads that move the bytes are libzmq's.

#[cfg(feature = "zmq")]
mod dial;
#[cfg(feature = "zmq")]
mod drive;
#[cfg(feature = "zmq")]
mod frame;
#[cfg(feature = "zmq")]
mod serve;
#[cfg(feature = "zmq")]
mod sockets;
#[cfg(feature = "zmq")]
pub(crate) use {dial::connect, serve::bind, sockets::find};

#[cfg(not(feature = "zmq"))]
mod absent;
#[cfg(not(feature = "zmq"))]
pub(crate) use absent::{bind, connect, find};

/// A version of libzmq: major, minor, patch.
pub(crate) type Version = (i32, i32, i32);

/// What `doctor` says of it.
pub(crate) fn describe(found: anyhow::Result<Version>) -> String {
    match found {
        Ok((major, minor, patch)) => format!("ZeroMQ: libzmq {major}.{minor}.{patch}."),
        Err(error) => format!("ZeroMQ: none: {error:#}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_the_version_or_the_reason() {
        assert_eq!(describe(Ok((4, 3, 4))), "ZeroMQ: libzmq 4.3.4.");
        assert_eq!(describe(Err(anyhow::anyhow!("no luck"))), "ZeroMQ: none: no luck.");
    }
}
