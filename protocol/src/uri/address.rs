//! Addresses in URIs and settings, taken apart; names are not resolved here.
//!
//! ```text
//!   host:port   192.168.0.1:40123   [fe80::1%eth0]:40123   some.host:40123
//!   interface   192.168.0.0[:port][/24]   [::1][:port][/64]   some.host[:port][/prefix]   {eth0}[:port]
//! ```

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name of an interface, in bytes. Source: wire spec 8.2.
pub const MAX_INTERFACE_NAME_LENGTH: usize = 15;

/// Longest name of a host, in bytes, as in the C driver.
pub const MAX_HOST_LENGTH: usize = 383;

/// A text that is no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid address '{text}': {reason}")]
pub struct AddressError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// An address, or a name that stands for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Host<'a> {
    /// A literal address; the zone of an IPv6 address is dropped, as in the C driver.
    Address(IpAddr),
    /// Anything else: to be resolved.
    Name(&'a str),
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => fmt::Display::fmt(address, f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host and its port: the value of `endpoint` and `control`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HostPort<'a> {
    /// Address or name.
    pub host: Host<'a>,
    /// Port; 0 leaves the choice to the driver.
    pub port: u16,
}

impl<'a> HostPort<'a> {
    /// Takes `host:port` apart.
    ///
    /// # Errors
    /// When host or port is missing, the port exceeds 65535, or an IPv6 address is not in brackets.
    pub fn parse(text: &'a str) -> Result<Self, AddressError> {
        let error = |reason| AddressError { text: text.to_owned(), reason };
        let (host, port) = split_host(text).map_err(error)?;
        let port = port.strip_prefix(':').ok_or_else(|| error("':' and a port must follow the host"))?;
        Ok(Self { host, port: parse_port(port).map_err(error)? })
    }
}

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A local interface: the value of `interface`. Source: wire spec 8.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interface<'a> {
    /// The interface whose address shares the leading bits.
    Address {
        /// Address or name.
        host: Host<'a>,
        /// Port to bind; 0 when not given.
        port: u16,
        /// Number of leading bits to compare; all when not given.
        prefix: Option<u8>,
    },
    /// The interface of that name.
    Named {
        /// Name of the interface.
        name: &'a str,
        /// Port to bind; 0 when not given.
        port: u16,
    },
}

impl<'a> Interface<'a> {
    /// Takes an interface specification apart.
    ///
    /// # Errors
    /// When host or name is missing or too long, the port exceeds 65535, or the prefix exceeds the address's bits.
    pub fn parse(text: &'a str) -> Result<Self, AddressError> {
        let parsed = if text.starts_with('{') { Self::parse_named(text) } else { Self::parse_address(text) };
        parsed.map_err(|reason| AddressError { text: text.to_owned(), reason })
    }

    fn parse_named(text: &'a str) -> Result<Self, &'static str> {
        let (name, port) = text[1..].rsplit_once('}').ok_or("'}' must follow the interface name")?;
        if name.is_empty() || name.len() > MAX_INTERFACE_NAME_LENGTH {
            return Err("an interface name must have 1 to 15 characters");
        }
        Ok(Self::Named { name, port: parse_optional_port(port)? })
    }

    fn parse_address(text: &'a str) -> Result<Self, &'static str> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        let (host, port) = split_host(address)?;
        let prefix = match prefix {
            "" => None,
            digits if is_decimal(digits) => {
                Some(digits.parse::<u8>().map_err(|_| "the prefix exceeds the bits of an address")?)
            }
            _ => return Err("the prefix must be a number of bits"),
        };
        let bits = if matches!(host, Host::Address(IpAddr::V4(_))) { 32 } else { 128 };
        if prefix.is_some_and(|prefix| prefix > bits) {
            return Err("the prefix exceeds the bits of an address");
        }
        Ok(Self::Address { host, port: parse_optional_port(port)?, prefix })
    }
}

/// Splits off the host; what remains is empty or starts after the host.
fn split_host(text: &str) -> Result<(Host<'_>, &str), &'static str> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']').ok_or("']' must follow an IPv6 address")?;
            let address = address.split_once('%').map_or(address, |(address, _zone)| address);
            let host = match address.parse::<Ipv6Addr>() {
                Ok(literal) => Host::Address(literal.into()),
                Err(_) => Host::Name(address),
            };
            (host, rest)
        }
        None => {
            let (address, rest) = text.split_at(text.rfind(':').unwrap_or(text.len()));
            let host = match address.parse::<Ipv4Addr>() {
                Ok(literal) => Host::Address(literal.into()),
                Err(_) => Host::Name(address),
            };
            (host, rest)
        }
    };
    match host {
        Host::Name("") => Err("the host is missing"),
        Host::Name(name) if name.contains(['[', ']', ':']) => Err("an IPv6 address must be in brackets"),
        Host::Name(name) if name.len() > MAX_HOST_LENGTH => Err("a host name must not exceed 383 characters"),
        _ => Ok((host, rest)),
    }
}

fn parse_optional_port(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Ok(0);
    }
    parse_port(text.strip_prefix(':').ok_or("only ':' and a port may follow here")?)
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let port = if is_decimal(text) { text.parse().ok() } else { None };
    port.ok_or("the port must be a number from 0 to 65535")
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
