//! What becomes of what an endpoint sends.

use std::{io, net::SocketAddr};

/// What became of a call to [`SendEndpoint::send`](super::endpoint::SendEndpoint::send).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// Every datagram was accepted.
    All,
    /// Some of several destinations accepted every datagram, others did not: it counts as sent, and those that missed
    /// it ask for it again. Where the socket gave a reason, [`take_error`](super::endpoint::SendEndpoint::take_error) has it.
    Partly,
    /// Some datagram was not accepted: nothing counts as sent, the caller tries all of them again later.
    Short,
    /// The socket refused a datagram for a reason worth recording, which [`take_error`](super::endpoint::SendEndpoint::take_error) gives. Nothing
    /// counts as sent.
    Failed,
    /// There is nobody to send to yet.
    Nowhere,
}

/// Why a socket refused a datagram.
#[derive(Debug)]
pub struct SendFailure {
    /// Where the datagram should have gone, for an endpoint with several destinations.
    pub destination: Option<SocketAddr>,
    /// What the system said.
    pub error: io::Error,
}
