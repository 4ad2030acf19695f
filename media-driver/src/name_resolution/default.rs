//! Asks the operating system.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::{NameQuery, NameResolver, ResolutionError};

/// The operating system's resolver: IPv4 first, then IPv6.
#[derive(Clone, Copy, Default, Debug)]
pub struct DefaultNameResolver;

impl NameResolver for DefaultNameResolver {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let unknown = |reason: String| ResolutionError::UnknownHost {
            parameter: query.parameter.into(),
            name: query.name.into(),
            reason,
        };
        let found = (query.name, 0).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
        let addresses: Vec<_> = found.map(|address: SocketAddr| address.ip()).collect();
        let first = addresses.iter().find(|ip| ip.is_ipv4()).or_else(|| addresses.first());
        first.copied().ok_or_else(|| unknown("the host has no address".into()))
    }
}
