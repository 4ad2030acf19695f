//! Transports of a simulated network.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::RawFd,
};

use epona_protocol::types::Nanos;

use super::{SimulatedNetwork, state::Arrival};
use crate::media::{
    interface::{InterfaceError, Interfaces, NetworkInterface},
    timestamps::TimeOfDay,
    transport::{
        Offload, OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun, Transport,
        TransportFactory, TransportSpec,
    },
};

/// Longest datagram, in bytes: what UDP over IPv4 takes.
const MAX_DATAGRAM: usize = 65_507;

/// What a receive buffer is said to hold when no size is asked for, in bytes.
const DEFAULT_RECEIVE_BUFFER: usize = 212_992;

/// One host of a simulated network: what opens its transports.
#[derive(Clone, Debug)]
pub struct SimulatedFactory {
    network: SimulatedNetwork,
    host: IpAddr,
}

impl SimulatedFactory {
    pub(super) fn new(network: SimulatedNetwork, host: IpAddr) -> Self {
        Self { network, host }
    }
}

impl TransportFactory for SimulatedFactory {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        let mut state = self.network.lock();
        let opened = state.open(self.host, spec);
        let id = opened
            .map_err(|source| OpenError { action: format!("bind {} on {}", spec.bind, self.host), source })?;
        let local = state.socket_mut(id).map_or(spec.bind, |socket| socket.local);
        let receive_buffer =
            if spec.receive_buffer > 0 { spec.receive_buffer } else { DEFAULT_RECEIVE_BUFFER };
        Ok(Box::new(SimulatedTransport {
            network: self.network.clone(),
            id,
            local,
            receive_buffer,
            is_stamped: spec.media_timestamps,
            offload: if spec.offload { Offload::On } else { Offload::Off },
        }))
    }

    fn interfaces(&self) -> Box<dyn Interfaces> {
        Box::new(self.clone())
    }
}

/// A loopback interface, and one to the network.
impl Interfaces for SimulatedFactory {
    fn up(&self) -> Result<Vec<NetworkInterface>, InterfaceError> {
        let interface = |name: &str, index, address: IpAddr, prefix_length| NetworkInterface {
            name: name.into(),
            index,
            address,
            prefix_length,
            loopback: address.is_loopback(),
            multicast: !address.is_loopback(),
        };
        Ok(vec![
            interface("lo", 1, Ipv4Addr::LOCALHOST.into(), 8),
            interface("lo", 1, Ipv6Addr::LOCALHOST.into(), 128),
            interface("eth0", 2, self.host, if self.host.is_ipv6() { 64 } else { 24 }),
        ])
    }
}

/// A socket of a simulated network.
#[derive(Debug)]
pub struct SimulatedTransport {
    network: SimulatedNetwork,
    id: u64,
    local: SocketAddr,
    receive_buffer: usize,
    /// Whether it tells when something arrived.
    is_stamped: bool,
    /// Whether what arrives at one time is put together.
    offload: Offload,
}

impl Transport for SimulatedTransport {
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        let mut state = self.network.lock();
        let peer = state.socket_mut(self.id).and_then(|socket| socket.peer);
        let mut outcome = SendOutcome::default();
        for run in runs {
            let Some(destination) = run.destination.or(peer) else {
                outcome.error = Some(io::ErrorKind::NotConnected.into());
                return outcome;
            };
            for segment in run.segments() {
                if segment.len() > MAX_DATAGRAM {
                    outcome.error = Some(io::ErrorKind::InvalidInput.into());
                    return outcome;
                }
                state.send(now, self.id, destination, &segment.to_vec());
                outcome.datagrams += 1;
            }
        }
        outcome
    }

    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let mut outcome = RecvOutcome::default();
        for _ in 0..buffers.count() {
            // The handler runs without the lock: it may well send.
            let room = buffers.buffer_length();
            let joined = if self.offload.is_on() { room } else { 0 };
            let next = self.network.lock().socket_mut(self.id).and_then(|socket| socket.receive(now, joined));
            let Some(Arrival { due, source, bytes, segment_size }) = next else { return outcome };
            let bytes = &bytes[..bytes.len().min(room)];
            outcome.bytes += bytes.len();
            outcome.messages += 1;
            let timestamp_ns = self.is_stamped.then_some(due.get());
            handler(Received { bytes, segment_size, source, timestamp_ns });
        }
        outcome.more = true;
        outcome
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn time_of_day(&self) -> TimeOfDay {
        TimeOfDay::Turn
    }

    fn local_address(&self) -> SocketAddr {
        self.local
    }

    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()> {
        if let Some(socket) = self.network.lock().socket_mut(self.id) {
            socket.peer = socket.peer.map(|_| address);
        }
        Ok(())
    }

    fn descriptor(&self) -> Option<RawFd> {
        None
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        Ok(self.receive_buffer)
    }
}

impl Drop for SimulatedTransport {
    fn drop(&mut self) {
        self.network.lock().close(self.id);
    }
}
