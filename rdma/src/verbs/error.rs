//! Why verbs could not be set up, and what to do about it.

#![forbid(unsafe_code)]

use std::fmt::{self, Display};
use std::io;

use super::PortState;
use crate::endpoint::{GidChoice, GidEntry};

/// Why a device, or something of it, could not be had. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum VerbsError {
    /// The kernel has no RDMA at all.
    #[error(
        "this kernel has no RDMA ({0}): load the driver of your device, or make a Soft-RoCE device with `modprobe \
         rdma_rxe` and `rdma link add rxe0 type rxe netdev eth0`"
    )]
    NoRdma(io::Error),
    /// The kernel has RDMA, but no device.
    #[error(
        "there is no RDMA device: load the driver of yours, or make a Soft-RoCE device with `rdma link add rxe0 type \
         rxe netdev eth0`"
    )]
    NoDevice,
    /// There are devices, of other names.
    #[error("there is no RDMA device {name:?}: there is {}", Listed(.there))]
    NoSuchDevice {
        /// The name asked for.
        name: String,
        /// The names there are.
        there: Vec<String>,
    },
    /// The user may not open the device.
    #[error("{device} may not be opened ({source}): this user needs to read and write /dev/infiniband/uverbs*")]
    Permission {
        /// Its name.
        device: String,
        /// The refusal.
        source: io::Error,
    },
    /// The device has fewer ports.
    #[error("{device} has no port {port}: its ports are 1 to {ports}")]
    NoSuchPort {
        /// The device's name.
        device: String,
        /// The port asked for.
        port: u8,
        /// How many it has.
        ports: u8,
    },
    /// No cable, no link partner, or the network device is down.
    #[error("port {port} of {device} is {state}, not active: is its network device up, with a cable and an address?")]
    PortNotActive {
        /// The device's name.
        device: String,
        /// Which port.
        port: u8,
        /// Its state.
        state: PortState,
    },
    /// The port has other GIDs.
    #[error("port {port} of {device} has no GID {wanted}: it has {}", Listed(.there))]
    NoSuchGid {
        /// The device's name.
        device: String,
        /// Which port.
        port: u8,
        /// What was asked for.
        wanted: GidChoice,
        /// Its table.
        there: Vec<GidEntry>,
    },
    /// Registered memory is locked, and the limit of that is too low.
    #[error(
        "{bytes} bytes could not be locked for RDMA: the limit of locked memory is {}; raise it (`ulimit -l`, \
         LimitMEMLOCK= of a systemd unit), or use fewer or smaller buffers",
        Limit(*.limit)
    )]
    LockedMemory {
        /// How much was to be registered.
        bytes: usize,
        /// `RLIMIT_MEMLOCK` in bytes; `None` is no limit, and then memory itself is short.
        limit: Option<u64>,
    },
    /// More was asked for than the device has.
    #[error("{wanted} {what}: {device} has at most {most}")]
    BeyondDevice {
        /// The device's name.
        device: String,
        /// What was asked for.
        what: &'static str,
        /// How many of it.
        wanted: u32,
        /// How many there may be.
        most: u32,
    },
    /// A call of the library failed otherwise.
    #[error("{call}: {source}")]
    Call {
        /// The library's function.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
}

impl VerbsError {
    /// Makes an error of what a call of the library returned.
    pub(super) fn call(call: &'static str) -> impl FnOnce(io::Error) -> VerbsError {
        move |source| VerbsError::Call { call, source }
    }
}

/// `a, b, c`, or that there is nothing.
struct Listed<'a, T>(&'a [T]);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, item) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

struct Limit(Option<u64>);

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes"),
            None => f.write_str("not set, so memory itself is short"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::GidKind;

    fn says(error: &VerbsError, what: &[&str]) {
        let text = error.to_string();
        for part in what {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
    }

    #[test]
    fn messages_name_what_there_is_and_what_to_do() {
        let device = || "rxe0".to_owned();
        says(&VerbsError::NoRdma(io::ErrorKind::Unsupported.into()), &["modprobe rdma_rxe", "rdma link add"]);
        says(&VerbsError::NoDevice, &["rdma link add"]);
        let there = vec!["mlx5_0".to_owned(), "rxe0".to_owned()];
        says(&VerbsError::NoSuchDevice { name: "rxe9".to_owned(), there }, &["\"rxe9\"", "mlx5_0, rxe0"]);
        let source = io::ErrorKind::PermissionDenied.into();
        says(&VerbsError::Permission { device: device(), source }, &["rxe0", "/dev/infiniband"]);
        says(&VerbsError::NoSuchPort { device: device(), port: 3, ports: 1 }, &["no port 3", "1 to 1"]);
        let state = PortState::Down;
        says(&VerbsError::PortNotActive { device: device(), port: 1, state }, &["port 1 of rxe0 is down"]);
    }

    #[test]
    fn an_unknown_gid_is_told_with_the_table() {
        let there = vec![GidEntry { gid: "fe80::1".parse().unwrap(), index: 4, kind: GidKind::RoceV2 }];
        let error = VerbsError::NoSuchGid { device: "rxe0".to_owned(), port: 1, wanted: GidChoice::Index(7), there };
        says(&error, &["no GID at index 7", "4: fe80:0000:0000:0000:0000:0000:0000:0001 (RoCE v2)"]);
        let wanted = GidChoice::Automatic;
        let error = VerbsError::NoSuchGid { device: "rxe0".to_owned(), port: 1, wanted, there: Vec::new() };
        says(&error, &["it has none"]);
    }

    #[test]
    fn locked_memory_is_told_with_its_limit() {
        let error = VerbsError::LockedMemory { bytes: 1 << 20, limit: Some(65536) };
        says(&error, &["1048576 bytes", "65536 bytes", "ulimit -l", "LimitMEMLOCK"]);
        says(&VerbsError::LockedMemory { bytes: 1, limit: None }, &["memory itself is short"]);
    }
}
