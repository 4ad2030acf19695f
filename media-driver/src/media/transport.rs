//! What the sender and receiver know of a network: runs of datagrams out, lent datagrams in.
//!
//! ```text
//!   term buffer   |<------------- SendRun.bytes ------------->|
//!                 | segment 0 | segment 1 | segment 2 | seg 3 |   each segment is one datagram;
//!                 |<- size  ->|                       |<----->|   the last may be shorter
//! ```
//!
//! A run goes out as one datagram per segment, however the socket does it (one `sendmmsg` entry each, or one
//! segmentation-offload call for the whole run); what comes in is lent the same way, so that receive coalescing
//! changes no caller.

use std::{fmt, io, net::SocketAddr, os::fd::RawFd, time::Duration};

use epona_protocol::{memory::SharedBytes, types::Nanos};

pub use super::sys::ReceiveBuffers;
use super::{
    interface::{Interfaces, SystemInterfaces},
    timestamps::TimeOfDay,
};

/// Most datagrams that one [`Transport::send_batch`] hands to the kernel per system call, and most that
/// [`ReceiveBuffers`] may hold. Source: wire spec 15.3.
pub const MAX_BATCH: usize = 64;

/// Most datagrams that one message to the kernel carries with segmentation offload, which every kernel takes that has
/// it. Source: Linux, `UDP_MAX_SEGMENTS`.
pub const MAX_SEGMENTS: usize = 64;

/// Longest payload of one UDP message over IPv4, which bounds what the segments of one message add up to.
const MAX_MESSAGE: usize = 65_507;

/// Datagrams of `length` bytes, 1 and up, that one message to the kernel carries with segmentation offload,
/// 1..=[`MAX_SEGMENTS`].
#[inline]
#[must_use]
pub fn segments_per_message(length: usize) -> usize {
    (MAX_MESSAGE / length.max(1)).clamp(1, MAX_SEGMENTS)
}

/// Contiguous bytes to send as one or more datagrams to one destination.
#[derive(Clone, Copy, Debug)]
pub struct SendRun<'a> {
    /// The bytes of all datagrams, in order; usually straight from a mapped term.
    pub bytes: SharedBytes<'a>,
    /// Bytes per datagram, 1 and up; the last datagram has what remains.
    pub segment_size: usize,
    /// Where to; `None` sends to the address the transport is connected to.
    pub destination: Option<SocketAddr>,
}

impl<'a> SendRun<'a> {
    /// A run of a single datagram.
    #[inline]
    #[must_use]
    pub fn datagram(bytes: SharedBytes<'a>, destination: Option<SocketAddr>) -> Self {
        Self { bytes, segment_size: bytes.len(), destination }
    }

    /// How many datagrams this run is; an empty run is none.
    #[inline]
    #[must_use]
    pub fn datagrams(&self) -> usize {
        if self.bytes.len() <= self.segment_size {
            usize::from(!self.bytes.is_empty())
        } else {
            self.bytes.len().div_ceil(self.segment_size.max(1))
        }
    }

    /// The datagrams of this run, in order.
    #[inline]
    pub fn segments(&self) -> impl Iterator<Item = SharedBytes<'a>> + use<'a> {
        let (mut rest, size) = (self.bytes, self.segment_size.max(1));
        std::iter::from_fn(move || {
            let length = size.min(rest.len());
            let segment = (length > 0).then(|| rest.range(0, length))?;
            rest = rest.range(length, rest.len() - length);
            Some(segment)
        })
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
#[must_use]
pub struct SendOutcome {
    /// Datagrams accepted, in order from the first run's first. Fewer than given is a *short send*: try again from
    /// there later. A full socket buffer, a refused connection and an interrupted call all are short sends without
    /// an error. Source: driver spec 1.5.
    pub datagrams: usize,
    /// Why the datagram after the last accepted one was refused, when that is worth recording.
    pub error: Option<io::Error>,
}

/// Whether the kernel cuts up runs of datagrams for a transport, so that one costs about as much as a single datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Offload {
    /// It was not asked to, or does not know how.
    #[default]
    Off,
    /// It does, as far as is known.
    On,
    /// It would not, and is not asked again: datagrams go one by one.
    Refused(OffloadRefusal),
}

impl Offload {
    /// Whether runs are cut up.
    #[inline]
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// How a kernel ceased to cut up runs of datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffloadRefusal {
    /// The system's error code.
    pub code: i32,
    /// Whether it had cut up a run of this transport before: the route has changed since.
    pub has_worked: bool,
}

/// One datagram, or several of equal size that arrived as one, lent for the time of the call.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The bytes of all datagrams, in order of arrival; empty for one empty datagram.
    pub bytes: &'a [u8],
    /// Bytes per datagram, 1 and up; the last datagram has what remains.
    pub segment_size: usize,
    /// Who sent them.
    pub source: SocketAddr,
    /// When the network card or the kernel saw them, in nanoseconds since 1970-01-01 UTC; only when asked for.
    pub timestamp_ns: Option<i64>,
}

impl<'a> Received<'a> {
    /// The datagrams, in order of arrival; at least one, which may be empty.
    #[inline]
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut rest, size) = (Some(self.bytes), self.segment_size.max(1));
        std::iter::from_fn(move || {
            let bytes = rest.take()?;
            let (datagram, after) = bytes.split_at(size.min(bytes.len()));
            rest = (!after.is_empty()).then_some(after);
            Some(datagram)
        })
    }
}

/// What a read brought.
#[derive(Debug, Default)]
#[must_use]
pub struct RecvOutcome {
    /// Bytes read from the network, whether or not an interceptor let them through.
    pub bytes: usize,
    /// Datagrams, or coalesced runs of them, read from the network; 0 when there was nothing.
    pub messages: usize,
    /// Whether there may be more to read at once: every buffer was used, or the read was cut short.
    pub more: bool,
    /// Why the read failed; "nothing there", a refused connection and an interrupted call are no failures.
    pub error: Option<io::Error>,
}

/// One end of a network, bound to an address. Used by one role at a time.
///
/// Every call takes the role's time, so that an interceptor or a simulated network can hold datagrams back without
/// a clock. No call blocks; none allocates on a real socket.
pub trait Transport: Send + fmt::Debug {
    /// Sends the runs in order, stopping at the first datagram that is not accepted.
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome;

    /// Reads once, up to as many datagrams as there are buffers, and lends each to `handler` in order of arrival.
    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome;

    /// Whether the kernel cuts up runs of datagrams.
    fn offload(&self) -> Offload {
        Offload::Off
    }

    /// What tells the time of day at which something passes.
    fn time_of_day(&self) -> TimeOfDay {
        TimeOfDay::System
    }

    /// The address bound to, with the port that was assigned when none was asked for.
    fn local_address(&self) -> SocketAddr;

    /// Changes the address that runs without a destination go to; nothing for a transport that is not connected.
    ///
    /// # Errors
    /// What the system says of the new address.
    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()>;

    /// A descriptor that becomes readable when there is something to receive; `None` when the transport must be
    /// read at every poll instead (simulated networks, interceptors that hold datagrams back).
    fn descriptor(&self) -> Option<RawFd>;

    /// The size of the receive buffer in effect, in bytes as Aeron counts them (what the system reports).
    ///
    /// # Errors
    /// What the system says.
    fn receive_buffer_length(&self) -> io::Result<usize>;
}

/// Which role a transport works for; interceptors and simulated networks may tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Affinity {
    /// Sends data, receives control frames.
    Sender,
    /// Receives data, sends control frames.
    Receiver,
    /// The name resolver's gossip.
    Conductor,
}

/// Membership of a multicast group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multicast {
    /// The group to receive from; the port is the one to bind.
    pub group: SocketAddr,
    /// Address of the interface to join and send on.
    pub interface: SocketAddr,
    /// Index of that interface, which is what IPv6 wants; 0 when the system chooses.
    pub interface_index: u32,
    /// Hops that datagrams may make; 0 leaves the system's default.
    pub ttl: u8,
}

/// All that is needed to open a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransportSpec {
    /// Whom it works for.
    pub affinity: Affinity,
    /// Address to bind; port 0 lets the system pick. With `multicast`, only the family counts.
    pub bind: SocketAddr,
    /// Peer that runs without a destination go to. A connected unicast transport hears this peer only.
    pub connect: Option<SocketAddr>,
    /// Group to join, for multicast.
    pub multicast: Option<Multicast>,
    /// SO_RCVBUF in bytes; 0 leaves the system's default.
    pub receive_buffer: usize,
    /// SO_SNDBUF in bytes; 0 leaves the system's default.
    pub send_buffer: usize,
    /// Traffic class byte of what is sent; `None` leaves the system's default. Source: wire spec 15.2.
    pub traffic_class: Option<u8>,
    /// Ask for arrival times from the network card or the kernel.
    pub media_timestamps: bool,
    /// Let the kernel cut up runs that are sent and put together what arrives, where it can.
    pub offload: bool,
    /// SO_BUSY_POLL, rounded up to microseconds, where the system allows it; zero leaves the system's default.
    pub busy_poll: Duration,
}

impl TransportSpec {
    /// A plain transport bound to an address.
    #[must_use]
    pub const fn bound(affinity: Affinity, bind: SocketAddr) -> Self {
        Self {
            affinity,
            bind,
            connect: None,
            multicast: None,
            receive_buffer: 0,
            send_buffer: 0,
            traffic_class: None,
            media_timestamps: false,
            offload: false,
            busy_poll: Duration::ZERO,
        }
    }
}

/// Why a transport could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action}: {source}")]
pub struct OpenError {
    /// What was being done, with the address or value.
    pub action: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Opens transports; the conductor's only way to reach a network.
pub trait TransportFactory: Send + fmt::Debug {
    /// Opens one transport.
    ///
    /// # Errors
    /// The step that failed, with its address or value, and what the system said.
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError>;

    /// The interfaces that transports can be bound to.
    fn interfaces(&self) -> Box<dyn Interfaces> {
        Box::new(SystemInterfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_splits_into_segments_of_which_the_last_may_be_shorter() {
        let bytes = [1_u8, 2, 3, 4, 5];
        let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 2, destination: None };
        let segments: Vec<_> = run.segments().map(|segment| segment.to_vec()).collect();
        assert_eq!(segments, [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(run.datagrams(), 3);
    }

    #[test]
    fn received_bytes_split_the_same_way_and_an_empty_datagram_is_one() {
        let source = ([127, 0, 0, 1], 9).into();
        let lent = |bytes| Received { bytes, segment_size: 2, source, timestamp_ns: None };
        assert!(lent(&[1, 2, 3][..]).datagrams().eq([&[1, 2][..], &[3]]));
        assert!(lent(&[1, 2][..]).datagrams().eq([&[1, 2][..]]));
        assert!(lent(&[][..]).datagrams().eq([&[][..]]));
    }

    #[test]
    fn an_empty_run_is_no_datagram_and_a_single_one_is_one() {
        assert_eq!(SendRun::datagram(SharedBytes::from_slice(&[]), None).datagrams(), 0);
        let run = SendRun::datagram(SharedBytes::from_slice(&[7; 9]), None);
        assert_eq!((run.datagrams(), run.segments().count()), (1, 1));
    }
}
