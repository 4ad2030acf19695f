//! Which interface a channel's `interface` parameter means.
//!
//! ```text
//!   <host>[:port][/prefix]    192.168.1.0/24   localhost:40123   [fe80::]:0/10   host.example
//!   {<name>}[:port]           {eth0}           {eth0}:40123
//! ```
//!
//! Source: wire spec 8.2.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

pub use super::sys::NetworkInterface;
use super::sys::network_interfaces;

/// Longest interface name, in bytes.
const MAX_NAME_LENGTH: usize = 15;

/// A parsed `interface` parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InterfaceQuery<'a> {
    /// An interface by its name.
    Name {
        /// Such as `eth0`.
        name: &'a str,
        /// Port to bind; 0 for any.
        port: u16,
    },
    /// The interface whose address lies in a network.
    Network {
        /// An address or host name, without brackets.
        host: &'a str,
        /// Whether the host stood in brackets and so is an IPv6 address.
        bracketed: bool,
        /// Port to bind; 0 for any.
        port: u16,
        /// Bits of the address that must match; `None` for all.
        prefix_length: Option<u32>,
    },
}

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
    /// The value does not follow the grammar.
    #[error("could not parse interface={value}: {reason}")]
    Malformed {
        /// The parameter's value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No interface that is up has a matching address.
    #[error("could not find matching interface={value}; interfaces that are up: {available}")]
    NoMatch {
        /// The parameter's value.
        value: String,
        /// Names and addresses of what there is.
        available: String,
    },
    /// The system did not tell its interfaces.
    #[error("could not list the network interfaces: {0}")]
    System(#[from] io::Error),
}

impl<'a> InterfaceQuery<'a> {
    /// Parses the parameter's value; host names are not resolved yet.
    ///
    /// # Errors
    /// [`InterfaceError::Malformed`].
    pub fn parse(value: &'a str) -> Result<Self, InterfaceError> {
        let parsed = match value.strip_prefix('{') {
            Some(rest) => Self::parse_name(rest),
            None => Self::parse_network(value),
        };
        parsed.map_err(|reason| InterfaceError::Malformed { value: value.into(), reason })
    }

    fn parse_name(rest: &'a str) -> Result<Self, &'static str> {
        let (name, after) = rest.rsplit_once('}').ok_or("there is no closing brace")?;
        if name.is_empty() || name.len() > MAX_NAME_LENGTH {
            return Err("an interface name has 1 to 15 characters");
        }
        let port = match after {
            "" => 0,
            _ => parse_port(after.strip_prefix(':').ok_or("only :port may follow the closing brace")?)?,
        };
        Ok(Self::Name { name, port })
    }

    fn parse_network(value: &'a str) -> Result<Self, &'static str> {
        let (address, prefix) = match value.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (value, None),
        };
        let (host, bracketed, port) = split_host_and_port(address)?;
        let port = port.map_or(Ok(0), parse_port)?;
        let limit = if bracketed { 128 } else { 32 };
        let prefix_length = match prefix.filter(|prefix| !prefix.is_empty()) {
            Some(text) => {
                let bits: u32 = text.parse().map_err(|_| "the prefix length is not a number")?;
                Some(bits)
                    .filter(|bits| *bits <= limit)
                    .ok_or("the prefix length exceeds the address")
                    .map(Some)?
            }
            None => None,
        };
        Ok(Self::Network { host, bracketed, port, prefix_length })
    }
}

/// Splits `host[:port]`, taking brackets and an IPv6 scope off the host. An absent port is `None`.
pub(super) fn split_host_and_port(text: &str) -> Result<(&str, bool, Option<&str>), &'static str> {
    let (host, bracketed, after) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("there is no closing bracket")?;
            (host.split_once('%').map_or(host, |(host, _scope)| host), true, after)
        }
        None => match text.rfind(':') {
            Some(colon) => (&text[..colon], false, &text[colon..]),
            None => (text, false, ""),
        },
    };
    if host.is_empty() {
        return Err("there is no host");
    }
    if !bracketed && host.contains(':') {
        return Err("an IPv6 address must stand in brackets");
    }
    match after {
        "" => Ok((host, bracketed, None)),
        _ => match after.strip_prefix(':') {
            Some(port) if !port.is_empty() => Ok((host, bracketed, Some(port))),
            _ => Err("the port is missing or malformed"),
        },
    }
}

/// A port, 0..=65535, in decimal.
pub(super) fn parse_port(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the port is not a number");
    }
    text.parse().map_err(|_| "the port is over 65535")
}

/// Any address of a family, port 0.
#[must_use]
pub const fn wildcard(ipv6: bool) -> SocketAddr {
    let ip = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    SocketAddr::new(ip, 0)
}

/// The interfaces of this machine that are up.
///
/// # Errors
/// What the system says.
pub fn local_interfaces() -> Result<Vec<NetworkInterface>, InterfaceError> {
    Ok(network_interfaces()?)
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
