//! Small things about socket addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// An address as Aeron writes it into counters, canonical forms and images' source identities: `10.0.0.1:40123`,
/// `[::1]:40123`, never with an IPv6 zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity(pub SocketAddr);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(v4) => fmt::Display::fmt(&v4, f),
            SocketAddr::V6(v6) => write!(f, "[{}]:{}", v6.ip(), v6.port()),
        }
    }
}

/// Any address of a family, port 0.
#[must_use]
pub const fn wildcard(ipv6: bool) -> SocketAddr {
    let ip = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    SocketAddr::new(ip, 0)
}

/// Whether neither address nor port say anything.
#[must_use]
pub fn is_wildcard(address: SocketAddr) -> bool {
    address.ip().is_unspecified() && address.port() == 0
}

/// Whether address and port are equal; an IPv6 zone does not count.
#[must_use]
pub fn same_address(left: SocketAddr, right: SocketAddr) -> bool {
    left.ip() == right.ip() && left.port() == right.port()
}

/// The group of the control frames that belong to a group of data: one higher in the last byte. `None` unless that
/// byte is odd. Source: wire spec 8.1.
#[must_use]
pub fn control_group(data_group: SocketAddr) -> Option<SocketAddr> {
    let ip = match data_group.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(odd_successor(ip.to_bits().into())? as u32)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(odd_successor(ip.to_bits())?)),
    };
    Some(SocketAddr::new(ip, data_group.port()))
}

/// One more than an odd number, within its last byte as 255 becomes 0.
fn odd_successor(bits: u128) -> Option<u128> {
    (bits & 1 == 1).then_some((bits & !0xFF) | ((bits + 1) & 0xFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_brackets_but_no_zone() {
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 5, 0, 3);
        assert_eq!(Identity(scoped.into()).to_string(), "[fe80::1]:5");
        assert_eq!(Identity(([10, 0, 0, 1], 7).into()).to_string(), "10.0.0.1:7");
    }

    #[test]
    fn control_groups_follow_odd_data_groups() {
        let control = |data: &str| control_group(data.parse().unwrap()).map(|found| found.to_string());
        assert_eq!(control("224.10.9.9:40124").as_deref(), Some("224.10.9.10:40124"));
        assert_eq!(
            control("224.10.9.255:1").as_deref(),
            Some("224.10.9.0:1"),
            "the last byte wraps by itself"
        );
        assert_eq!(control("[ff01::fd]:1").as_deref(), Some("[ff01::fe]:1"));
        assert_eq!(control("224.10.9.8:40124"), None);
        assert_eq!(control("[ff01::fc]:1"), None);
    }
}
