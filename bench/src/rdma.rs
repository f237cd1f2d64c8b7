//! RDMA, as far as this program was built with it (feature `rdma`) and this host has a device.

use std::net::IpAddr;

#[cfg(feature = "rdma")]
mod verbs;
#[cfg(feature = "rdma")]
pub(crate) use verbs::{FACTORY, find};

#[cfg(not(feature = "rdma"))]
mod absent;
#[cfg(not(feature = "rdma"))]
pub(crate) use absent::{FACTORY, find};

/// An RDMA device, as other programs are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its name, such as `mlx5_0`.
    pub(crate) name: String,
    /// Its port, from 1.
    pub(crate) port: u8,
    /// The place of its GID in the port's table.
    pub(crate) gid_index: u8,
    /// The IP address that the GID is, if it is one that can be bound.
    pub(crate) address: Option<IpAddr>,
}

/// What `doctor` says of it.
pub(crate) fn describe(found: anyhow::Result<Device>) -> String {
    match found {
        Ok(device) => {
            let address = device.address.map_or("no IPv4 address: pass --bind".into(), |address| address.to_string());
            format!("RDMA: {} port {}, GID index {} ({address}).", device.name, device.port, device.gid_index)
        }
        Err(error) => format!("RDMA: none: {error:#}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_the_device_or_the_reason() {
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        let device = Device { name: "rxe0".into(), port: 1, gid_index: 1, address };
        assert_eq!(describe(Ok(device.clone())), "RDMA: rxe0 port 1, GID index 1 (10.0.0.1).");
        assert!(describe(Ok(Device { address: None, ..device })).contains("--bind"));
        assert_eq!(describe(Err(anyhow::anyhow!("no luck"))), "RDMA: none: no luck.");
    }
}
