//! Where datagrams come in, and where replies to them go.

use std::net::SocketAddr;

/// Names one receive destination of an endpoint for as long as the endpoint lives: numbers are not used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestinationIndex(u32);

impl DestinationIndex {
    /// The destination that a plain subscription's channel names, its only one.
    pub const FIRST: Self = Self(0);

    /// The destination with this number.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The one that is made after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Where a datagram came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Receive destination of the endpoint.
    pub destination: DestinationIndex,
    /// Address that replies go to.
    pub control_address: SocketAddr,
}

/// How replies to what arrives on a destination are addressed.
#[derive(Clone, Copy, Debug)]
pub struct ReplyRoute {
    /// The destination.
    pub destination: DestinationIndex,
    /// Where control frames go when the channel says so.
    pub control_address: Option<SocketAddr>,
}

impl ReplyRoute {
    /// Where a datagram from `source` came from, as images know it. Source: wire spec 2.1.
    #[inline]
    #[must_use]
    pub fn origin(self, source: SocketAddr) -> Origin {
        Origin { destination: self.destination, control_address: self.control_address.unwrap_or(source) }
    }
}
