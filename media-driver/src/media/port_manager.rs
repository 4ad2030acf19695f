//! Ports for channels that leave the choice to the driver.
//!
//! Without a range the system picks. With one, ports are handed out upwards from the low end, skipping those that
//! this driver uses, and around again. Source: wire spec 7.3, driver spec 6.7.

use std::{collections::HashMap, net::SocketAddr, str::FromStr};

/// A range of ports, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PortRange {
    /// First port, 0..=high.
    pub low: u16,
    /// Last port, low..=65535.
    pub high: u16,
}

impl PortRange {
    /// "0 0": the system picks.
    pub const SYSTEM: Self = Self { low: 0, high: 0 };
}

/// Why a text is not a range of ports.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("port range '{0}' must be \"low high\", two ports of 0..65535 with low <= high")]
pub struct PortRangeError(String);

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let mut ports = text.split_whitespace().map(str::parse::<u16>);
        match (ports.next(), ports.next(), ports.next()) {
            (Some(Ok(low)), Some(Ok(high)), None) if low <= high => Ok(Self { low, high }),
            _ => Err(PortRangeError(text.into())),
        }
    }
}

/// Every port of the range is in use by this driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no available ports in range {} {}; widen {setting}", range.low, range.high)]
pub struct PortsExhausted {
    range: PortRange,
    setting: &'static str,
}

/// Which channels take ports from the range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// Sockets of senders whose channel has an explicit control address; the others stay with the system.
    Sender,
    /// All receivers.
    Receiver,
}

/// Hands out ports of a range and knows which are in use. Belongs to the conductor.
#[derive(Debug)]
pub struct PortManager {
    range: PortRange,
    role: Use,
    next: u16,
    used: HashMap<u16, u32>,
}

impl PortManager {
    /// For sockets that send data, `aeron.sender.wildcard.port.range`.
    #[must_use]
    pub fn for_senders(range: PortRange) -> Self {
        Self::new(range, Use::Sender)
    }

    /// For sockets that receive data, `aeron.receiver.wildcard.port.range`.
    #[must_use]
    pub fn for_receivers(range: PortRange) -> Self {
        Self::new(range, Use::Receiver)
    }

    fn new(range: PortRange, role: Use) -> Self {
        Self { range, role, next: range.low.max(1), used: HashMap::new() }
    }

    /// The address to bind for a channel that wants `address`: a port of the range in place of 0, where the range
    /// applies. To be given back with [`PortManager::release`].
    ///
    /// # Errors
    /// When every port of the range is in use.
    pub fn acquire(
        &mut self,
        address: SocketAddr,
        explicit_control: bool,
    ) -> Result<SocketAddr, PortsExhausted> {
        let mut bind = address;
        let ranged = self.range != PortRange::SYSTEM && (self.role == Use::Receiver || explicit_control);
        if address.port() == 0 && ranged {
            bind.set_port(self.next_free()?);
        }
        if bind.port() != 0 {
            *self.used.entry(bind.port()).or_default() += 1;
        }
        Ok(bind)
    }

    /// Takes back what [`PortManager::acquire`] returned.
    pub fn release(&mut self, bind: SocketAddr) {
        if let Some(count) = self.used.get_mut(&bind.port()) {
            *count -= 1;
            if *count == 0 {
                self.used.remove(&bind.port());
            }
        }
    }

    fn next_free(&mut self) -> Result<u16, PortsExhausted> {
        let (low, high) = (self.range.low.max(1), self.range.high);
        let port = (self.next..=high)
            .chain(low..self.next)
            .find(|port| !self.used.contains_key(port))
            .ok_or_else(|| PortsExhausted { range: self.range, setting: self.setting() })?;
        self.next = if port >= high { low } else { port + 1 };
        Ok(port)
    }

    fn setting(&self) -> &'static str {
        match self.role {
            Use::Sender => "aeron.sender.wildcard.port.range",
            Use::Receiver => "aeron.receiver.wildcard.port.range",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn range(low: u16, high: u16) -> PortRange {
        PortRange { low, high }
    }

    #[test]
    fn a_range_is_two_ports_in_order() {
        assert_eq!("20000 20004".parse(), Ok(range(20000, 20004)));
        assert_eq!(" 0  0 ".parse(), Ok(PortRange::SYSTEM));
        for text in ["", "1", "2 1", "1 65536", "-1 2", "1 2 3", "1-2"] {
            let error = text.parse::<PortRange>().unwrap_err();
            assert!(error.to_string().contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn without_a_range_addresses_pass_unchanged() {
        let mut ports = PortManager::for_receivers(PortRange::SYSTEM);
        for port in [0, 40123, 0] {
            assert_eq!(ports.acquire(address(port), true), Ok(address(port)));
        }
    }

    #[test]
    fn ports_come_in_order_skip_used_ones_and_wrap_around() {
        let mut ports = PortManager::for_receivers(range(20000, 20003));
        let next = |ports: &mut PortManager| ports.acquire(address(0), false).map(|found| found.port());
        assert_eq!(
            ports.acquire(address(20001), false),
            Ok(address(20001)),
            "explicit ports pass and are noted"
        );
        assert_eq!(next(&mut ports), Ok(20000));
        assert_eq!(next(&mut ports), Ok(20002));
        ports.release(address(20000));
        assert_eq!(next(&mut ports), Ok(20003));
        assert_eq!(next(&mut ports), Ok(20000));
        let error = next(&mut ports).unwrap_err();
        assert!(error.to_string().contains("no available ports in range 20000 20003"), "{error}");
        ports.release(address(20001));
        assert_eq!(next(&mut ports), Ok(20001));
    }

    #[test]
    fn a_port_acquired_twice_is_free_after_two_releases() {
        let mut ports = PortManager::for_receivers(range(30000, 30000));
        for _ in 0..2 {
            ports.acquire(address(30000), false).unwrap();
        }
        ports.release(address(30000));
        assert!(ports.acquire(address(0), false).is_err());
        ports.release(address(30000));
        assert_eq!(ports.acquire(address(0), false), Ok(address(30000)));
    }

    #[test]
    fn a_sender_takes_from_the_range_only_with_explicit_control() {
        let mut ports = PortManager::for_senders(range(20000, 20001));
        assert_eq!(ports.acquire(address(0), false), Ok(address(0)));
        assert_eq!(ports.acquire(address(0), true), Ok(address(20000)));
    }

    #[test]
    fn ipv6_addresses_and_the_ends_of_the_port_space_work() {
        let wildcard: SocketAddr = "[::]:0".parse().unwrap();
        let mut ports = PortManager::for_receivers(range(65535, 65535));
        assert_eq!(ports.acquire(wildcard, false).map(|found| found.to_string()), Ok("[::]:65535".into()));
        assert!(ports.acquire(wildcard, false).is_err());
        let mut ports = PortManager::for_receivers(range(0, 1));
        assert_eq!(ports.acquire(address(0), false), Ok(address(1)), "port 0 itself is never handed out");
        assert!(ports.acquire(address(0), false).is_err());
    }
}
