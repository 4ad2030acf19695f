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
    /// Some datagram was not accepted: only those before it count as sent, which are none of several destinations'. The
    /// caller tries the others again later.
    Short {
        /// Datagrams before it.
        accepted: usize,
    },
    /// As [`Sent::Short`]; the socket gave a reason worth recording, which
    /// [`take_error`](super::endpoint::SendEndpoint::take_error) has.
    Failed {
        /// Datagrams before it.
        accepted: usize,
    },
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
