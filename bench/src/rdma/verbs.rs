//! A program with RDMA: finds the device that the options mean, as the messengers will.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::anyhow;
use msgr::{Config, MessengerFactory};
use msgr_rdma::endpoint::{GidChoice, GidKind};
use msgr_rdma::{RdmaFactory, RdmaStack, verbs};

use super::Device;

/// Makes messengers on verbs.
pub(crate) const FACTORY: &dyn MessengerFactory = &RdmaFactory;

/// The device that messengers with these options use.
///
/// # Errors
///
/// As the stack's: an option does not fit, or there is no device that can be used; it says what to do.
pub(crate) fn find(config: &Config) -> anyhow::Result<Device> {
    // The stack's own word comes first: what it accepts is what will be measured.
    RdmaStack::new(config)
        .map_err(|error| anyhow!("{error}; `just bench-rdma` measures RDMA in a guest, without a device"))?;
    let gid = match (config.ms_async_rdma_local_gid.as_str(), config.ms_async_rdma_gid_idx.as_str()) {
        ("", "auto") => GidChoice::Automatic,
        ("", index) => GidChoice::Index(index.parse()?),
        (gid, _) if config.ms_async_rdma_roce_ver == 0 => GidChoice::Exactly(gid.parse()?, GidKind::RoceV1),
        (gid, _) => GidChoice::Exactly(gid.parse()?, GidKind::RoceV2),
    };
    let port = u8::try_from(config.ms_async_rdma_port_num)?;
    let device = verbs::Device::open(&config.ms_async_rdma_device_name, port, gid)?;
    let gid = device.gid();
    let address = Ipv6Addr::from(gid.gid.0).to_ipv4_mapped().map(IpAddr::V4);
    Ok(Device { name: device.name().to_owned(), port, gid_index: gid.index, address })
}
