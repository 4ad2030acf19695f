//! Which interface a channel's `interface` parameter means.
//!
//! The grammar is [`epona_protocol::uri::address::Interface`]; here is what to choose. Source: wire spec 8.2.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, SocketAddrV6},
};

pub use super::sys::NetworkInterface;
use super::sys::network_interfaces;

/// An interface chosen for a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceChoice {
    /// Its address, and the port of the parameter.
    pub address: SocketAddr,
    /// Its index; 0 when the address is the wildcard.
    pub index: u32,
}

/// Why no interface could be chosen; the texts name the parameter's value.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// No interface that is up has a matching address.
    #[error("could not find matching interface={value}; interfaces that are up: {available}")]
    NoMatch {
        /// The parameter's value.
        value: String,
        /// Names and addresses of what there is.
        available: String,
    },
    /// The named interface has no address of the family, or does not exist.
    #[error(
        "unknown interface {name}: nothing of that name is up with an {family} address; interfaces that are up: {available}"
    )]
    NoAddress {
        /// The interface's name.
        name: String,
        /// IPv4 or IPv6.
        family: &'static str,
        /// Names and addresses of what there is.
        available: String,
    },
    /// The system did not tell its interfaces.
    #[error("could not list the network interfaces: {0}")]
    System(#[from] io::Error),
}

/// Knows the interfaces of a machine.
pub trait Interfaces: Send + fmt::Debug {
    /// Those that are up, each with every address that it has.
    ///
    /// # Errors
    /// What the system says.
    fn up(&self) -> Result<Vec<NetworkInterface>, InterfaceError>;
}

/// The interfaces of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemInterfaces;

impl Interfaces for SystemInterfaces {
    fn up(&self) -> Result<Vec<NetworkInterface>, InterfaceError> {
        local_interfaces()
    }
}

/// The interfaces of this machine that are up.
///
/// # Errors
/// What the system says.
pub fn local_interfaces() -> Result<Vec<NetworkInterface>, InterfaceError> {
    Ok(network_interfaces()?)
}

/// Names and addresses, for people.
#[must_use]
pub fn describe(interfaces: &[NetworkInterface]) -> String {
    let describe =
        |found: &NetworkInterface| format!("{}={}/{}", found.name, found.address, found.prefix_length);
    interfaces.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// The first address of the wanted family on the named interface.
#[must_use]
pub fn find_by_name(
    interfaces: &[NetworkInterface],
    name: &str,
    ipv6: bool,
    port: u16,
) -> Option<InterfaceChoice> {
    let found = interfaces.iter().find(|found| found.name == name && found.address.is_ipv6() == ipv6)?;
    Some(choice(found, port))
}

/// Among interfaces whose address shares the prefix: the one that can do multicast and has the longest netmask, the
/// earlier of equals; a loopback interface only when it comes first and no other one matches better.
#[must_use]
pub fn find_by_network(
    interfaces: &[NetworkInterface],
    network: IpAddr,
    prefix_length: u32,
    port: u16,
) -> Option<InterfaceChoice> {
    let (mut best, mut best_prefix) = (None, 0);
    let matching = interfaces.iter().filter(|found| prefix_matches(found.address, network, prefix_length));
    for found in matching {
        if found.loopback && best.is_none() {
            best = Some(found);
        } else if found.multicast && (best.is_none() || found.prefix_length > best_prefix) {
            (best, best_prefix) = (Some(found), found.prefix_length);
        }
    }
    best.map(|found| choice(found, port))
}

fn choice(interface: &NetworkInterface, port: u16) -> InterfaceChoice {
    let address = match interface.address {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        // A link-local address means something only together with its link.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            SocketAddrV6::new(ip, port, 0, interface.index).into()
        }
        IpAddr::V6(ip) => SocketAddr::new(ip.into(), port),
    };
    InterfaceChoice { address, index: interface.index }
}

fn prefix_matches(left: IpAddr, right: IpAddr, prefix_length: u32) -> bool {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            let mask = u32::MAX.checked_shl(32 - prefix_length.min(32)).unwrap_or(0);
            (left.to_bits() ^ right.to_bits()) & mask == 0
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => {
            let mask = u128::MAX.checked_shl(128 - prefix_length.min(128)).unwrap_or(0);
            (left.to_bits() ^ right.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
