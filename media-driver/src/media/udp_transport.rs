//! Transports over real UDP sockets.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Duration,
};

use epona_protocol::types::Nanos;
use socket2::{Domain, Protocol, Socket, Type};

use self::coalescing::Coalescing;
use super::{
    sys::{self, ControlMessages, Segmentation},
    transport::{
        Affinity, Multicast, Offload, OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun,
        Transport, TransportFactory, TransportSpec,
    },
};
use crate::config::ProbedSocketBuffers;

mod coalescing;

/// One or two UDP sockets: a connected multicast sender hears its control group on a second one.
#[derive(Debug)]
pub struct UdpTransport {
    send: Socket,
    /// Apart from `send` only for a connected multicast sender, which could not hear the control group.
    receive: Option<Socket>,
    local: SocketAddr,
    connected: bool,
    segmentation: Segmentation,
    coalescing: Coalescing,
    has_timestamps: bool,
    flow: Flow,
}

/// What the last reads of a socket brought. Most reads of most sockets find nothing or one datagram: to find out that
/// there is no second one would cost as much as the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    /// Nothing, or one datagram after nothing: one is asked for.
    Quiet,
    /// One datagram in the last read: as many are asked for as there are buffers.
    Steady,
    /// That was so before, too, or several came at once.
    Burst,
}

impl Flow {
    /// How it goes on after a read that brought so many messages, of which one may be several datagrams.
    fn next(self, messages: usize, has_several: bool) -> Self {
        match self {
            _ if messages == 0 => Self::Quiet,
            _ if messages > 1 || has_several => Self::Burst,
            Self::Quiet => Self::Steady,
            Self::Steady | Self::Burst => Self::Burst,
        }
    }
}

impl UdpTransport {
    /// Opens the sockets, in the order and with the options of wire spec 8.3.
    ///
    /// # Errors
    /// The step that failed and what the system said.
    pub fn open(spec: &TransportSpec) -> Result<Self, OpenError> {
        let send = new_socket(spec.bind)?;
        if let Some(class) = spec.traffic_class {
            let result = match spec.bind {
                SocketAddr::V4(_) => send.set_tos_v4(class.into()),
                SocketAddr::V6(_) => send.set_tclass_v6(class.into()),
            };
            result.map_err(failed(|| format!("set the traffic class to {class}")))?;
        }
        let receive = match spec.multicast {
            Some(_) if spec.connect.is_some() => Some(new_socket(spec.bind)?),
            _ => None,
        };
        let mut transport = Self {
            send,
            receive,
            local: spec.bind,
            connected: spec.connect.is_some(),
            segmentation: Segmentation::OFF,
            coalescing: Coalescing::OFF,
            has_timestamps: false,
            flow: Flow::Quiet,
        };
        match &spec.multicast {
            Some(multicast) => transport.join(multicast)?,
            None => bind(&transport.send, spec.bind)?,
        }
        if let Some(peer) = spec.connect {
            transport.send.connect(&peer.into()).map_err(failed(|| format!("connect to {peer}")))?;
        }
        transport.set_buffers(spec)?;
        if spec.offload {
            transport.segmentation = Segmentation::probe(transport.send.as_fd());
            // Others have buffers for single datagrams.
            if spec.affinity == Affinity::Receiver {
                transport.coalescing = Coalescing::begin(transport.receiver());
            }
        }
        transport.local = local_address(transport.receiver())?;
        Ok(transport)
    }

    fn receiver(&self) -> &Socket {
        self.receive.as_ref().unwrap_or(&self.send)
    }

    fn join(&self, multicast: &Multicast) -> Result<(), OpenError> {
        let (group, receive, send) = (multicast.group, self.receiver(), &self.send);
        let option = |name: &'static str| failed(move || format!("set {name} for multicast group {group}"));
        receive.set_reuse_address(true).map_err(option("SO_REUSEADDR"))?;
        receive.set_reuse_port(true).map_err(option("SO_REUSEPORT"))?;
        sys::disable_multicast_all(receive.as_fd(), group.is_ipv6()).map_err(option("MULTICAST_ALL"))?;
        let ttl = u32::from(multicast.ttl);
        match (group, multicast.interface) {
            (SocketAddr::V4(v4), SocketAddr::V4(interface)) => {
                bind(receive, (Ipv4Addr::UNSPECIFIED, v4.port()).into())?;
                receive.join_multicast_v4(v4.ip(), interface.ip()).map_err(option("IP_ADD_MEMBERSHIP"))?;
                send.set_multicast_if_v4(interface.ip()).map_err(option("IP_MULTICAST_IF"))?;
                if ttl > 0 {
                    send.set_multicast_ttl_v4(ttl).map_err(option("IP_MULTICAST_TTL"))?;
                }
            }
            (SocketAddr::V6(v6), SocketAddr::V6(_)) => {
                let index = multicast.interface_index;
                bind(receive, (Ipv6Addr::UNSPECIFIED, v6.port()).into())?;
                receive.join_multicast_v6(v6.ip(), index).map_err(option("IPV6_JOIN_GROUP"))?;
                send.set_multicast_if_v6(index).map_err(option("IPV6_MULTICAST_IF"))?;
                if ttl > 0 {
                    send.set_multicast_hops_v6(ttl).map_err(option("IPV6_MULTICAST_HOPS"))?;
                }
            }
            (_, interface) => {
                let action = format!("join {group} on {interface}, an address of another family");
                return Err(OpenError { action, source: io::ErrorKind::InvalidInput.into() });
            }
        }
        Ok(())
    }

    fn set_buffers(&mut self, spec: &TransportSpec) -> Result<(), OpenError> {
        let (receive, send) = (spec.receive_buffer, spec.send_buffer);
        if receive > 0 {
            let result = self.receiver().set_recv_buffer_size(receive);
            result.map_err(failed(|| format!("set SO_RCVBUF to {receive}")))?;
        }
        if send > 0 {
            let result = self.send.set_send_buffer_size(send);
            result.map_err(failed(|| format!("set SO_SNDBUF to {send}")))?;
        }
        // As in Aeron, a system that cannot stamp does not keep a channel from opening.
        self.has_timestamps =
            spec.media_timestamps && sys::enable_receive_timestamps(self.receiver().as_fd()).is_ok();
        if !spec.busy_poll.is_zero() {
            // Who was refused was told at the start, by a probe.
            let _ = sys::set_busy_poll(self.receiver().as_fd(), spec.busy_poll);
        }
        for socket in [&self.send, self.receiver()] {
            socket.set_nonblocking(true).map_err(failed(|| "make a socket non-blocking".into()))?;
        }
        Ok(())
    }
}

impl Transport for UdpTransport {
    #[inline]
    fn send_batch(&mut self, _now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        sys::send_runs(self.send.as_fd(), runs, &mut self.segmentation)
    }

    #[inline]
    fn recv_batch(
        &mut self,
        _now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let most = if self.flow == Flow::Quiet { 1 } else { buffers.count() };
        let control =
            ControlMessages { timestamps: self.has_timestamps, coalescing: self.coalescing.is_on() };
        let mut has_several = false;
        let socket = self.receive.as_ref().unwrap_or(&self.send);
        let mut outcome = buffers.receive(socket.as_fd(), most, control, &mut |received| {
            has_several |= received.bytes.len() > received.segment_size;
            handler(received);
        });
        self.flow = self.flow.next(outcome.messages, has_several);
        if outcome.messages > 1 || has_several {
            self.coalescing.on_run(socket);
        } else {
            self.coalescing.on_single(socket, outcome.messages);
        }
        // After a single datagram the next turn looks for another.
        outcome.more &= outcome.messages == 0 || self.flow == Flow::Burst;
        outcome
    }

    fn offload(&self) -> Offload {
        self.segmentation.offload()
    }

    fn local_address(&self) -> SocketAddr {
        self.local
    }

    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()> {
        if self.connected { self.send.connect(&address.into()) } else { Ok(()) }
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.receiver().as_raw_fd())
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        self.receiver().recv_buffer_size()
    }
}

/// Opens real UDP sockets.
#[derive(Clone, Copy, Default, Debug)]
pub struct UdpTransportFactory;

impl TransportFactory for UdpTransportFactory {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        Ok(Box::new(UdpTransport::open(spec)?))
    }
}

/// What a new socket gets after the given sizes, in bytes, were asked of it; 0 asks for nothing, and so reports the
/// system's default. Source: driver spec 8.1.
///
/// # Errors
/// What the system says of a socket or of the sizes.
pub fn probe_socket_buffers(send: usize, receive: usize) -> io::Result<ProbedSocketBuffers> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if send > 0 {
        socket.set_send_buffer_size(send)?;
    }
    if receive > 0 {
        socket.set_recv_buffer_size(receive)?;
    }
    Ok(ProbedSocketBuffers { send: socket.send_buffer_size()?, receive: socket.recv_buffer_size()? })
}

/// Whether the system lets this process set SO_BUSY_POLL.
///
/// # Errors
/// What the system says of a socket or of the option.
pub fn probe_busy_poll(busy_poll: Duration) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    sys::set_busy_poll(socket.as_fd(), busy_poll)
}

fn new_socket(address: SocketAddr) -> Result<Socket, OpenError> {
    Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .map_err(failed(|| format!("create a UDP socket for {address}")))
}

fn bind(socket: &Socket, address: SocketAddr) -> Result<(), OpenError> {
    socket.bind(&address.into()).map_err(failed(|| format!("bind {address}")))
}

fn local_address(socket: &Socket) -> Result<SocketAddr, OpenError> {
    let address = socket.local_addr().map_err(failed(|| "read a socket's address".into()))?;
    address.as_socket().ok_or_else(|| OpenError {
        action: "read a socket's address".into(),
        source: io::ErrorKind::Unsupported.into(),
    })
}

fn failed(action: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError { action: action(), source }
}

#[cfg(test)]
mod tests;
