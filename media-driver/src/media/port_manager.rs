//! Ports for channels that leave the choice to the driver.
//!
//! Without a range the system picks. With one, ports are handed out upwards from the low end, skipping those that
//! this driver uses, and around again. Source: wire spec 7.3, driver spec 6.7.

use std::{collections::HashMap, net::SocketAddr};

use crate::config::PortRange;

/// Every port of the range is in use by this driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no available ports in range {} {}; widen {setting}", range.low(), range.high())]
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
    /// `None`, or the range 0 to 0: the system picks.
    range: Option<PortRange>,
    role: Use,
    next: u16,
    used: HashMap<u16, u32>,
}

impl PortManager {
    /// For sockets that send data, `aeron.sender.wildcard.port.range`.
    #[must_use]
    pub fn for_senders(range: Option<PortRange>) -> Self {
        Self::new(range, Use::Sender)
    }

    /// For sockets that receive data, `aeron.receiver.wildcard.port.range`.
    #[must_use]
    pub fn for_receivers(range: Option<PortRange>) -> Self {
        Self::new(range, Use::Receiver)
    }

    fn new(range: Option<PortRange>, role: Use) -> Self {
        let range = range.filter(|range| range.high() > 0);
        Self { range, role, next: 1, used: HashMap::new() }
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
        let range = self.range.filter(|_| self.role == Use::Receiver || explicit_control);
        if let (0, Some(range)) = (address.port(), range) {
            bind.set_port(self.next_free(range)?);
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

    fn next_free(&mut self, range: PortRange) -> Result<u16, PortsExhausted> {
        let (low, high) = (range.low().max(1), range.high());
        let next = self.next.max(low);
        let port = (next..=high)
            .chain(low..next)
            .find(|port| !self.used.contains_key(port))
            .ok_or_else(|| PortsExhausted { range, setting: self.setting() })?;
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

    fn range(low: u16, high: u16) -> Option<PortRange> {
        PortRange::new(low, high)
    }

    #[test]
    fn without_a_range_addresses_pass_unchanged() {
        for range in [None, range(0, 0)] {
            let mut ports = PortManager::for_receivers(range);
            for port in [0, 40123, 0] {
                assert_eq!(ports.acquire(address(port), true), Ok(address(port)));
            }
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
