//! Where datagrams come in, and where replies to them go.

use std::net::SocketAddr;

/// Names one receive destination of an endpoint; a plain subscription's endpoint has one, numbered 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestinationIndex(u32);

impl DestinationIndex {
    /// The destination with this number.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
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
